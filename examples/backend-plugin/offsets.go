package main

// offsets returns, for every index of a shape in row-major order, first plus
// the sum of index times stride: all that layouts come down to here.
func offsets(first int, shape, strides []int) []int {
	l := []int{first}
	for d, n := range shape {
		longer := make([]int, 0, len(l)*n)
		for _, o := range l {
			for i := range n {
				longer = append(longer, o+i*strides[d])
			}
		}
		l = longer
	}
	return l
}

// pick returns the elements of l at some places.
func pick(l, places []int) []int {
	out := make([]int, len(places))
	for i, p := range places {
		out[i] = l[p]
	}
	return out
}

// without returns the dimensions below rank that are not among dims.
func without(rank int, dims []int) (rest []int) {
	used := make([]bool, rank)
	for _, d := range dims {
		used[d] = true
	}
	for d, u := range used {
		if !u {
			rest = append(rest, d)
		}
	}
	return rest
}
