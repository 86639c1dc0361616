package probe

import "fmt"

// Recall returns, for n queries and the n vectors that belong to them, both
// [n, width], the part of the queries whose own vector is among the k with the
// largest inner products, for each of some k. Others as large as its own come
// before it, so that vectors that are all alike find nothing.
func Recall(queries, keys []float32, width int, ks ...int) ([]float64, error) {
	if width < 1 || len(queries) == 0 || len(queries) != len(keys) || len(queries)%width != 0 {
		return nil, fmt.Errorf("probe: %d and %d values are not of as many vectors of width %d", len(queries), len(keys), width)
	}
	n := len(queries) / width
	found := make([]float64, len(ks))
	for q := range n {
		own, before := product(queries, keys, q, q, width), 0
		for k := range n {
			if k != q && product(queries, keys, q, k, width) >= own {
				before++
			}
		}
		for i, k := range ks {
			if before < k {
				found[i] += 1 / float64(n)
			}
		}
	}
	return found, nil
}

func product(a, b []float32, i, k, width int) float64 {
	sum := 0.0
	for c, v := range a[i*width:][:width] {
		sum += float64(float64(v) * float64(b[k*width+c]))
	}
	return sum
}
