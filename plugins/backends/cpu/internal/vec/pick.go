package vec

// PickLargest notes where a, slice number number of those compared, has larger elements than those that were the largest so far: top holds
// them, and best the numbers of their slices. A NaN is larger than every number, and of equals the first is picked (rule 4).
func PickLargest(best []uint32, top, a []float32, number uint32) {
	mustEqual(len(best), len(a))
	mustEqual(len(top), len(a))
	if active != nil {
		active.pickLargest(ptr(best), ptr(top), ptr(a), len(a), number)
		return
	}
	for i, v := range a {
		if t := top[i]; v > t || v != v && t == t {
			best[i], top[i] = number, v
		}
	}
}

// PickSmallest is PickLargest for the smallest; a NaN is smaller than every number.
func PickSmallest(best []uint32, top, a []float32, number uint32) {
	mustEqual(len(best), len(a))
	mustEqual(len(top), len(a))
	if active != nil {
		active.pickSmallest(ptr(best), ptr(top), ptr(a), len(a), number)
		return
	}
	for i, v := range a {
		if t := top[i]; v < t || v != v && t == t {
			best[i], top[i] = number, v
		}
	}
}
