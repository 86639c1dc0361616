package cases

import (
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

func init() {
	rowsOf := func(r *source) []int {
		s := r.shape(1, 3)
		return s
	}
	generate("softmax", cell{make: func(r *source, d ir.DType) app {
		s := rowsOf(r)
		a := app{operands: one(d, s, anyValue)}
		if len(s) > 1 {
			a.rows = []int{0}
		}
		return a
	}})
	epsilon := func(r *source) ir.Attr { return ir.FloatAttr("epsilon", pick(r, 0, 1e-5, 1e-6, 1e-12)) }
	norm := func(r *source, s []int, d ir.DType, weights int, attrs ...ir.Attr) app {
		a := app{operands: one(d, s, anyValue), attrs: attrs}
		for range weights {
			a.operands = append(a.operands, operand{ir.T(d, s[len(s)-1]), anyValue})
		}
		if len(s) > 1 {
			a.rows = []int{0}
		}
		return a
	}
	generate("layer_norm", cell{make: func(r *source, d ir.DType) app { return norm(r, rowsOf(r), d, 2, epsilon(r)) }})
	generate("rms_norm", cell{make: func(r *source, d ir.DType) app { return norm(r, rowsOf(r), d, 1, epsilon(r)) }})
	normGrad := func(statistics int) cell {
		return cell{make: func(r *source, d ir.DType) app {
			s := rowsOf(r)
			last := len(s) - 1
			a := app{operands: append(twice(d, s, anyValue), operand{ir.T(d, s[last]), anyValue})}
			for range statistics {
				a.operands = append(a.operands, operand{ir.T(statistic(d), s[:last]...), anyValue})
			}
			return a
		}}
	}
	generate("layer_norm_grad", normGrad(2))
	generate("rms_norm_grad", normGrad(1))
	channels := func(r *source) ([]int, int) {
		s := r.shape(1, 3)
		return s, s[len(s)-1]
	}
	batchNorm := func(grad bool, statistics int) cell {
		return cell{make: func(r *source, d ir.DType) app {
			s, c := channels(r)
			a := app{operands: one(d, s, anyValue), attrs: []ir.Attr{epsilon(r)}}
			weights := 2
			if grad {
				a.operands, weights = twice(d, s, anyValue), 1
			}
			for range weights {
				a.operands = append(a.operands, operand{ir.T(d, c), anyValue})
			}
			for range statistics {
				a.operands = append(a.operands, operand{ir.T(statistic(d), c), anyValue})
			}
			return a
		}}
	}
	generate("batch_norm_training", batchNorm(false, 0))
	generate("batch_norm_grad", batchNorm(true, 2))
	generate("batch_norm_inference", batchNorm(false, 2))
	plain := func(attrs func(r *source) []ir.Attr) cell {
		return cell{make: func(r *source, d ir.DType) app {
			return app{operands: one(d, r.shape(1, 3), anyValue), attrs: attrs(r)}
		}}
	}
	generate("leaky_relu", plain(func(r *source) []ir.Attr { return []ir.Attr{ir.FloatAttr("slope", pick(r, 0.01, 0, 0.2, 1))} }))
	generate("elu", plain(func(r *source) []ir.Attr { return []ir.Attr{ir.FloatAttr("alpha", pick(r, 1, 0, 0.3))} }))
	generate("log_softmax", plain(func(*source) []ir.Attr { return nil }))
	generate("group_norm", cell{make: func(r *source, d ir.DType) app {
		g := r.in(1, 3)
		s := append(r.shape(1, 3), g*r.in(1, 5))
		c := operand{ir.T(d, s[len(s)-1]), anyValue}
		return app{operands: append(one(d, s, anyValue), c, c), attrs: []ir.Attr{epsilon(r), ir.IntAttr("groups", g)}, rows: []int{0}}
	}})
	entropy := func(smoothing float64, grad bool) cell {
		return cell{name: fmt.Sprint("smoothing ", smoothing), make: func(r *source, d ir.DType) app {
			s := r.shape(1, 3)
			last := len(s) - 1
			s[last] = max(s[last], 1)
			a := app{operands: append(one(d, s, anyValue), operand{ir.T(ir.I32, s[:last]...), between(-1, float64(s[last]))}),
				attrs: []ir.Attr{ir.IntAttr("ignore_index", pick(r, -1, 0)), ir.FloatAttr("label_smoothing", smoothing)}}
			if grad {
				a.operands = append([]operand{{ir.T(statistic(d), s[:last]...), anyValue}}, a.operands...)
			}
			return a
		}}
	}
	generate("cross_entropy", entropy(0, false), entropy(0.1, false))
	generate("cross_entropy_grad", entropy(0, true), entropy(0.1, true))
	two := cell{make: func(r *source, d ir.DType) app { return app{operands: twice(d, r.shape(1, 3), anyValue)} }}
	generate("sigmoid_cross_entropy", two)
	generate("mean_squared_error", two)
	contrast := func(own bool) cell {
		return cell{name: fmt.Sprint("exclude_diagonal ", own), make: func(r *source, d ir.DType) app {
			n := min(r.size(), 70)
			m := max(n, 1)
			if own {
				n = m
			}
			return app{operands: []operand{{ir.T(d, n, m), anyValue}, {ir.T(ir.I32, n), between(0, float64(m-1))}},
				attrs: []ir.Attr{ir.FloatAttr("temperature", pick(r, 1, 0.07)), ir.BoolAttr("exclude_diagonal", own)}}
		}}
	}
	generate("info_nce", contrast(false), contrast(true))
	generate("resize_bilinear", cell{make: func(r *source, d ir.DType) app {
		return app{operands: one(d, []int{r.in(0, 2), r.some(), r.some(), min(r.size(), 70)}, anyValue),
			attrs: []ir.Attr{ir.IntsAttr("size", r.small(), r.some()), ir.BoolAttr("align_corners", r.one(2))}, rows: []int{0}}
	}})
	generate("relative_position_bias", cell{make: func(r *source, d ir.DType) app {
		return app{operands: one(d, []int{pick(r, 4, 8, 32), r.some()}, anyValue), attrs: []ir.Attr{
			ir.IntAttr("query_length", r.small()), ir.IntAttr("key_length", min(r.size(), 200)), ir.BoolAttr("bidirectional", r.one(2)), ir.IntAttr("max_distance", pick(r, 17, 20, 128))}}
	}})
	generate("ema", cell{make: func(r *source, d ir.DType) app {
		return app{operands: twice(d, r.shape(0, 3), anyValue), attrs: []ir.Attr{ir.FloatAttr("decay", pick(r, 0.9, 0.999, 0, 1))}}
	}})
	generate("clip_by_norm", cell{make: func(r *source, d ir.DType) app {
		return app{operands: []operand{{ir.T(d, r.shape(0, 3)...), anyValue}, {ir.T(d), between(0, 3)}}, attrs: []ir.Attr{ir.FloatAttr("max_norm", pick(r, 1, 0.5))}}
	}})
	biased := func(grad bool) []cell {
		var l []cell
		for _, shared := range []bool{false, true} {
			l = append(l, cell{name: fmt.Sprint("shared ", shared), make: func(r *source, d ir.DType) app {
				a := attention(r, d, r.one(2), r.one(2), pick(r, 1, 2), grad)
				at := 0
				if grad {
					at = 1
				}
				q, k := a.operands[at].Shape, a.operands[at+1].Shape
				t := ir.T(d, q[0], q[2], q[1], k[1])
				if shared {
					t.Shape[0] = 1
				}
				a.rows = nil
				a.operands = slices.Insert(a.operands, at+3, operand{t, between(-1.5, 1.5)})
				return a
			}})
		}
		return l
	}
	generate("biased_attention", biased(false)...)
	generate("biased_attention_grad", biased(true)...)
	generate("rotary_embedding", cell{make: func(r *source, d ir.DType) app {
		b, s, h, half := r.small(), r.small(), r.some(), min(r.size(), 70)
		angle := operand{ir.T(d, b, s, half), between(-1, 1)}
		return app{operands: []operand{{ir.T(d, b, s, h, 2*half), anyValue}, angle, angle}, rows: []int{0, 1, 2}}
	}})
	generate("dropout", cell{make: func(r *source, d ir.DType) app {
		return app{operands: []operand{{ir.T(d, r.shape(0, 3)...), anyValue}, {ir.T(ir.U32, 4), randomState(r)}},
			attrs: []ir.Attr{ir.FloatAttr("rate", pick(r, 0, 0.1, 0.5, 0.9999, 1e-12)), ir.IntAttr("stream", int(r.bits()))}}
	}})
	var attend, attendGrad []cell
	for _, c := range []struct {
		name             string
		causal, segments bool
		groups           int
	}{{"plain", false, false, 1}, {"causal", true, false, 1}, {"segments", false, true, 1}, {"causal segments", true, true, 1}, {"grouped causal", true, false, 3}, {"grouped segments", false, true, 2}} {
		attend = append(attend, cell{name: c.name, make: func(r *source, d ir.DType) app { return attention(r, d, c.causal, c.segments, c.groups, false) }})
		attendGrad = append(attendGrad, cell{name: c.name, make: func(r *source, d ir.DType) app { return attention(r, d, c.causal, c.segments, c.groups, true) }})
	}
	generate("scaled_dot_product_attention", attend...)
	generate("scaled_dot_product_attention_grad", attendGrad...)
	var losses, lossGrads []cell
	for _, z := range []float64{0, 1e-4} {
		name := "plain"
		if z != 0 {
			name = "z-loss"
		}
		losses = append(losses, cell{name: name, make: func(r *source, d ir.DType) app { return crossEntropy(r, d, z, false) }})
		lossGrads = append(lossGrads, cell{name: name, make: func(r *source, d ir.DType) app { return crossEntropy(r, d, z, true) }})
	}
	generate("linear_cross_entropy", losses...)
	generate("linear_cross_entropy_grad", lossGrads...)
	generate("adamw", cell{make: func(r *source, d ir.DType) app {
		return optimizer(r, d, 4, 5, ir.FloatAttr("beta1", pick(r, 0.9, 0, 0.5)), ir.FloatAttr("beta2", pick(r, 0.999, 0.95)), ir.FloatAttr("epsilon", pick(r, 1e-8, 0, 1e-3)))
	}})
	generate("sgd", cell{make: func(r *source, d ir.DType) app {
		return optimizer(r, d, 3, 4, ir.FloatAttr("momentum", pick(r, 0, 0.9)))
	}})
}

// statistic is the dtype of what an op saves about values of dtype d.
func statistic(d ir.DType) ir.DType {
	if d.IsHalf() {
		return ir.F32
	}
	return d
}

// attention queries [B,S,H,D], keys [B,T,G,D] and values [B,T,G,E] of moderate
// size. With grad, the cotangent comes before them and the saved result,
// maximum and sum after.
func attention(r *source, d ir.DType, causal, segments bool, groups int, grad bool) app {
	b, s, t, g := r.in(1, 2), min(r.size(), 40), pick(r, 1, 2, 5, 8, 9, 16, 17, 33), r.in(1, 2)
	dim, out := pick(r, 1, 4, 8, 15), pick(r, 1, 4, 7, 16)
	h := g * groups
	small := between(-1.5, 1.5)
	a := app{operands: []operand{{ir.T(d, b, s, h, dim), small}, {ir.T(d, b, t, g, dim), small}, {ir.T(d, b, t, g, out), finiteSmall}},
		attrs: []ir.Attr{ir.BoolAttr("causal", causal), ir.FloatAttr("scale", 1/math.Sqrt(float64(dim)))}}
	if grad {
		result := operand{ir.T(d, b, s, h, out), small}
		rows := ir.T(statistic(d), b, g, groups, s)
		a.operands = append([]operand{result}, a.operands...)
		a.operands = append(a.operands, result, operand{rows, between(8, 10)}, operand{rows, between(0.5, 9)})
	}
	if segments {
		a.operands = append(a.operands, operand{ir.T(ir.I32, b, s), between(0, 2)}, operand{ir.T(ir.I32, b, t), between(0, 1)})
	}
	for i := range a.operands {
		a.rows = append(a.rows, i)
	}
	return a
}

// finiteSmall is what a sum of some products does not overflow on.
var finiteSmall = between(-100, 100)

func crossEntropy(r *source, d ir.DType, z float64, grad bool) app {
	n, e, v := min(r.size(), 70), pick(r, 1, 3, 8, 17), pick(r, 1, 2, 5, 16, 17, 65)
	small := between(-2, 2)
	a := app{operands: []operand{{ir.T(d, n, e), small}, {ir.T(d, v, e), small}, {ir.T(ir.I32, n), between(-1, float64(v))}},
		attrs: []ir.Attr{ir.IntAttr("ignore_index", pick(r, -1, 0)), ir.FloatAttr("z_loss", z)}, rows: []int{0, 2}}
	if grad {
		a.operands = append([]operand{{ir.T(statistic(d), n), small}}, a.operands...)
		a.rows = nil // the weight's gradient sums over rows
	}
	return a
}

func optimizer(r *source, d ir.DType, tensors, scalars int, attrs ...ir.Attr) app {
	a := app{attrs: attrs}
	s := r.shape(0, 3)
	for range tensors {
		a.operands = append(a.operands, operand{ir.T(d, s...), anyValue})
	}
	for range scalars {
		a.operands = append(a.operands, operand{ir.T(d), between(0.001, 2)})
	}
	return a
}
