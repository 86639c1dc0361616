package vec

func runnable() []path {
	p := []path{{"portable", nil}}
	switch best() {
	case &avx512:
		p = append(p, path{"avx2", &avx2}, path{"avx512", &avx512})
	case &avx2:
		p = append(p, path{"avx2", &avx2})
	}
	return p
}
