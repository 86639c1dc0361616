package numerics

// Max returns the IEEE-754-2019 maximum: NaN if either operand is NaN, and +0 is greater than -0 (rule 4). Go's built-in max
// has exactly these semantics for floating-point operands.
func Max(a, b float32) float32 {
	if m := max(a, b); m == m {
		return m
	}
	return canonicalNaN()
}

// Min returns the IEEE-754-2019 minimum: NaN if either operand is NaN, and -0 is less than +0 (rule 4).
func Min(a, b float32) float32 {
	if m := min(a, b); m == m {
		return m
	}
	return canonicalNaN()
}

// Relu returns x if x > 0 or x is NaN, else +0 (rule 4): Relu(-0) is +0.
func Relu(x float32) float32 {
	if x > 0 || x != x {
		return x
	}
	return 0
}
