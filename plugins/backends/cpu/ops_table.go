package cpu

import "github.com/seedbed/seedbed/abi/ir"

// lowerings are the primitives and composites that the backend runs.
var lowerings = map[string]lowering{}

func init() {
	for name := range unaryF32 {
		lowerings[name] = unary
	}
	for _, name := range []string{
		"add", "subtract", "multiply", "divide", "maximum", "minimum",
		"and", "or", "xor", "shift_left", "shift_right_logical", "shift_right_arithmetic", "remainder",
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
		"argmax":            argExtreme,
		"rng_bit_generator": rngBitGenerator,
		"dot_general":       dotGeneral,
		"softmax":           softmax,
		"layer_norm":        layerNorm,
		"layer_norm_grad":   layerNormGrad,
		"adamw":             adamW,

		"scaled_dot_product_attention":      scaledDotProductAttention,
		"scaled_dot_product_attention_grad": scaledDotProductAttentionGrad,
		"biased_attention":                  biasedAttention,
		"biased_attention_grad":             biasedAttentionGrad,
		"linear_cross_entropy":              linearCrossEntropy,
		"linear_cross_entropy_grad":         linearCrossEntropyGrad,

		"argmin":                  argExtreme,
		"dynamic_slice":           dynamicSlice,
		"dynamic_update_slice":    dynamicUpdateSlice,
		"reverse":                 reverse,
		"bitcast_convert":         bitcastConvert,
		"is_finite":               isFinite,
		"reduce_window":           reduceWindow,
		"select_and_scatter":      selectAndScatter,
		"convolution":             convolution,
		"convolution_filter_grad": convolutionFilterGrad,
		"cumsum":                  cumsum,
		"sort":                    sort,
		"top_k":                   topK,
		"random_normal":           randomNormal,
		"while":                   while,
		"case":                    branch,
	} {
		lowerings[name] = l
	}
}

// keeps says whether op has a lowering of its own. Composites of half precision have none: every op of their decomposition rounds.
func keeps(op *ir.Op) bool {
	return lowerings[op.Name] != nil && !tooLong(op) && (!ir.LookupOp(op.Name).IsComposite() || !op.Results[0].DType.IsHalf())
}

// tooLong says that a composite sums over more rows than its lowering can, or otherwise, so that its decomposition runs.
func tooLong(op *ir.Op) bool {
	switch op.Name {
	case "scaled_dot_product_attention_grad":
		q, k := op.Results[0].Shape, op.Results[1].Shape
		return q[1]*(q[2]/k[2]) > maxQueries
	case "biased_attention_grad":
		// A bias is summed over sequences as lanes; where there is no sum, a zero's sign would tell which keys were skipped.
		q, k := op.Results[0].Shape, op.Results[1].Shape
		return q[1]*(q[2]/k[2]) > maxQueries || op.Results[3].Shape[0] != 1 || q[0] < 2 || q[0] > 32
	case "linear_cross_entropy_grad":
		return op.Results[1].Shape[0] > maxQueries
	}
	return false
}
