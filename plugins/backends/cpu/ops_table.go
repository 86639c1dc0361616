package cpu

// lowerings are the primitives and composites that the backend runs.
var lowerings = map[string]lowering{}

func init() {
	for name := range unaryF32 {
		lowerings[name] = unary
	}
	for _, name := range []string{
		"add", "subtract", "multiply", "divide", "maximum", "minimum",
		"and", "or", "xor", "shift_left", "shift_right_logical",
	} {
		lowerings[name] = pairwise
	}
	for name, l := range map[string]lowering{
		"not":               unary,
		"fma":               fma,
		"compare":           compare,
		"select":            selectOp,
		"convert":           convert,
		"constant":          constant,
		"iota":              iota_,
		"reshape":           reshape,
		"broadcast_in_dim":  broadcastInDim,
		"transpose":         transpose,
		"slice":             slice,
		"concatenate":       concatenate,
		"pad":               pad,
		"gather":            gather,
		"scatter":           scatter,
		"reduce":            reduce,
		"reduce_dot":        reduceDot,
		"argmax":            argmax,
		"rng_bit_generator": rngBitGenerator,
		"dot_general":       dotGeneral,
		"softmax":           softmax,
		"layer_norm":        layerNorm,
		"adamw":             adamW,
	} {
		lowerings[name] = l
	}
}
