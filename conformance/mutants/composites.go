package mutants

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// instead is a mutant that computes a composite by another formula.
func instead(class, op, name string, formula func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) *Mutant {
	return inOp(class, op, name, fault{rewrite: formula})
}

// wide brings one value a row back to the rows of x.
func wide(b *ir.Builder, row, x ir.Value) ir.Value { return b.BroadcastFront(row, b.Type(x).Shape...) }

func rowsOf(b *ir.Builder, x ir.Value) (t ir.Type, last int, n func(v float64) ir.Value) {
	t = b.Type(x)
	last = t.Rank() - 1
	return t, last, func(v float64) ir.Value { return b.Full(t.With(t.Shape[:last]...), v) }
}

func norm(b *ir.Builder, op *ir.Op, in []ir.Value, variance func(x, mean ir.Value) ir.Value, rstd func(variance ir.Value) ir.Value) []ir.Value {
	x := in[0]
	t, last, n := rowsOf(b, x)
	size := n(float64(t.Shape[last]))
	mean := b.Div(b.ReduceSum(x, last), size)
	v := variance(x, mean)
	r := rstd(v)
	y := b.Mul(b.Sub(x, wide(b, mean, x)), wide(b, r, x))
	y = b.Add(b.Mul(y, b.BroadcastTo(in[1], t.Shape...)), b.BroadcastTo(in[2], t.Shape...))
	return []ir.Value{y, mean, r}
}

func composites() []*Mutant {
	f32 := func(f func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			if b.Type(in[0]).DType != ir.F32 {
				return nil
			}
			return f(b, op, in)
		}
	}
	softmax := func(name string, f func(b *ir.Builder, x ir.Value, last int) ir.Value) *Mutant {
		return instead("softmax", "softmax", name, f32(func(b *ir.Builder, _ *ir.Op, in []ir.Value) []ir.Value {
			return []ir.Value{f(b, in[0], b.Type(in[0]).Rank()-1)}
		}))
	}
	l := []*Mutant{
		softmax("without the maximum", func(b *ir.Builder, x ir.Value, last int) ir.Value {
			e := b.Exp(x)
			return b.Div(e, wide(b, b.ReduceSum(e, last), x))
		}),
		softmax("times the reciprocal", func(b *ir.Builder, x ir.Value, last int) ir.Value {
			e := b.Exp(b.Sub(x, wide(b, b.Reduce("max", x, last), x)))
			s := b.ReduceSum(e, last)
			return b.Mul(e, wide(b, b.Div(b.Full(b.Type(s), 1), s), x))
		}),
		softmax("exp of the log-softmax", func(b *ir.Builder, x ir.Value, last int) ir.Value {
			d := b.Sub(x, wide(b, b.Reduce("max", x, last), x))
			return b.Exp(b.Sub(d, wide(b, b.Log(b.ReduceSum(b.Exp(d), last)), x)))
		}),
		softmax("a row of -Inf gives 0", func(b *ir.Builder, x ir.Value, last int) ir.Value {
			m := b.Reduce("max", x, last)
			m = b.Max(m, b.Full(b.Type(m), -3e38))
			e := b.Exp(b.Sub(x, wide(b, m, x)))
			return b.Div(e, wide(b, b.ReduceSum(e, last), x))
		}),
		softmax("the sum has a small number added", func(b *ir.Builder, x ir.Value, last int) ir.Value {
			e := b.Exp(b.Sub(x, wide(b, b.Reduce("max", x, last), x)))
			s := b.ReduceSum(e, last)
			return b.Div(e, wide(b, b.Add(s, b.Full(b.Type(s), 1e-6)), x))
		}),
	}
	usual := func(b *ir.Builder, op *ir.Op) func(v ir.Value) ir.Value {
		return func(v ir.Value) ir.Value {
			return b.Unary("rsqrt", b.Add(v, b.Full(b.Type(v), op.Attrs.Float("epsilon"))))
		}
	}
	centred := func(b *ir.Builder, x, mean ir.Value) ir.Value {
		t, last, n := rowsOf(b, x)
		c := b.Sub(x, wide(b, mean, x))
		return b.Div(b.ReduceDot(c, c, last), n(float64(t.Shape[last])))
	}
	layer := func(name string, f func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) {
		l = append(l, instead("norms", "layer_norm", name, f32(f)))
	}
	layer("one pass: the mean of squares less the square of the mean", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return norm(b, op, in, func(x, mean ir.Value) ir.Value {
			t, last, n := rowsOf(b, x)
			return b.Sub(b.Div(b.ReduceDot(x, x, last), n(float64(t.Shape[last]))), b.Mul(mean, mean))
		}, usual(b, op))
	})
	layer("the unbiased variance", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return norm(b, op, in, func(x, mean ir.Value) ir.Value {
			t, last, n := rowsOf(b, x)
			c := b.Sub(x, wide(b, mean, x))
			return b.Div(b.ReduceDot(c, c, last), n(float64(t.Shape[last]-1)))
		}, usual(b, op))
	})
	layer("epsilon is added to the deviation", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return norm(b, op, in, func(x, mean ir.Value) ir.Value { return centred(b, x, mean) }, func(v ir.Value) ir.Value {
			return b.Div(b.Full(b.Type(v), 1), b.Add(b.Sqrt(v), b.Full(b.Type(v), op.Attrs.Float("epsilon"))))
		})
	})
	layer("the mean is multiplied by 1/N", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		if t.Shape[last] == 0 {
			return nil
		}
		mean := b.Mul(b.ReduceSum(x, last), n(1/float64(t.Shape[last])))
		r := usual(b, op)(centred(b, x, mean))
		y := b.Mul(b.Sub(x, wide(b, mean, x)), wide(b, r, x))
		return []ir.Value{b.Add(b.Mul(y, b.BroadcastTo(in[1], t.Shape...)), b.BroadcastTo(in[2], t.Shape...)), mean, r}
	})
	layer("weight and bias are fused", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		mean := b.Div(b.ReduceSum(x, last), n(float64(t.Shape[last])))
		r := usual(b, op)(centred(b, x, mean))
		y := b.Mul(b.Sub(x, wide(b, mean, x)), wide(b, r, x))
		return []ir.Value{b.FMA(y, b.BroadcastTo(in[1], t.Shape...), b.BroadcastTo(in[2], t.Shape...)), mean, r}
	})
	layer("divides by the deviation", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		mean := b.Div(b.ReduceSum(x, last), n(float64(t.Shape[last])))
		v := centred(b, x, mean)
		r := usual(b, op)(v)
		d := b.Sqrt(b.Add(v, b.Full(b.Type(v), op.Attrs.Float("epsilon"))))
		y := b.Div(b.Sub(x, wide(b, mean, x)), wide(b, d, x))
		return []ir.Value{b.Add(b.Mul(y, b.BroadcastTo(in[1], t.Shape...)), b.BroadcastTo(in[2], t.Shape...)), mean, r}
	})
	layer("epsilon is left out", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return norm(b, op, in, func(x, mean ir.Value) ir.Value { return centred(b, x, mean) }, func(v ir.Value) ir.Value { return b.Unary("rsqrt", v) })
	})
	rms := func(name string, f func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) {
		l = append(l, instead("norms", "rms_norm", name, f32(f)))
	}
	rms("the weight comes first", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		r := usual(b, op)(b.Div(b.ReduceDot(x, x, last), n(float64(t.Shape[last]))))
		return []ir.Value{b.Mul(b.Mul(x, b.BroadcastTo(in[1], t.Shape...)), wide(b, r, x)), r}
	})
	rms("the mean is taken out", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		r := usual(b, op)(centred(b, x, b.Div(b.ReduceSum(x, last), n(float64(t.Shape[last])))))
		return []ir.Value{b.Mul(b.Mul(x, wide(b, r, x)), b.BroadcastTo(in[1], t.Shape...)), r}
	})
	rms("1 is added to the weight", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		x := in[0]
		t, last, n := rowsOf(b, x)
		r := usual(b, op)(b.Div(b.ReduceDot(x, x, last), n(float64(t.Shape[last]))))
		w := b.Add(in[1], b.Full(b.Type(in[1]), 1))
		return []ir.Value{b.Mul(b.Mul(x, wide(b, r, x)), b.BroadcastTo(w, t.Shape...)), r}
	})
	for _, op := range []string{"layer_norm_grad", "rms_norm_grad"} {
		l = append(l,
			inOp("gradients", op, "the weight's gradient is that of one row", fault{after: func(_ *ir.Op, in, out []tensor) {
				if w := out[1]; w.DType == ir.F32 && in[0].Rank() > 1 && in[0].len() > w.len() {
					for i := range w.len() {
						w.setF32(i, in[0].f32(i)*in[1].f32(i))
					}
				}
			}}),
			instead("gradients", op, "the operand's gradient forgets the statistics", f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
				t := b.Type(in[1])
				out := b.OpVersion(op.Name, op.Version, in, op.Attrs...)
				out[0] = b.Mul(b.Mul(in[0], b.BroadcastTo(in[2], t.Shape...)), b.BroadcastFront(in[len(in)-1], t.Shape...))
				return out
			})))
	}
	l = append(l, instead("rotary", "rotary_embedding", "pairs are neighbours", f32(func(b *ir.Builder, _ *ir.Op, in []ir.Value) []ir.Value {
		s := b.Type(in[0]).Shape
		half := s[3] / 2
		even := b.Slice(in[0], []int{0, 0, 0, 0}, s, []int{1, 1, 1, 2})
		odd := b.Slice(in[0], []int{0, 0, 0, min(1, s[3])}, s, []int{1, 1, 1, 2})
		heads := func(v ir.Value) ir.Value { return b.BroadcastInDim(v, []int{s[0], s[1], s[2], half}, []int{0, 1, 3}) }
		cos, sin := heads(in[1]), heads(in[2])
		return []ir.Value{b.Concatenate(3, b.Sub(b.Mul(even, cos), b.Mul(odd, sin)), b.Add(b.Mul(odd, cos), b.Mul(even, sin)))}
	})), instead("rotary", "rotary_embedding", "turns the other way", f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		return b.OpVersion(op.Name, op.Version, []ir.Value{in[0], in[1], b.Negate(in[2])}, op.Attrs...)
	})))
	for _, op := range []string{"scaled_dot_product_attention", "scaled_dot_product_attention_grad"} {
		q := 0
		if op != "scaled_dot_product_attention" {
			q = 1
		}
		attention := func(name string, change func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr)) {
			l = append(l, instead("attention", op, name, f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
				args, attrs := change(b, op, append([]ir.Value(nil), in...))
				return b.OpVersion(op.Name, op.Version, args, attrs...)
			})))
		}
		attention("not causal", func(_ *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			return in, []ir.Attr{ir.BoolAttr("causal", false), ir.FloatAttr("scale", op.Attrs.Float("scale"))}
		})
		attention("segments are ignored", func(_ *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			return in[:len(ir.LookupOp(op.Name).Operands)-2], op.Attrs
		})
		attention("the scale is squared", func(_ *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			s := op.Attrs.Float("scale")
			return in, []ir.Attr{ir.BoolAttr("causal", op.Attrs.Bool("causal")), ir.FloatAttr("scale", s*s)}
		})
		attention("the query is scaled instead of the scores", func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			in[q] = b.Scale(in[q], op.Attrs.Float("scale"))
			return in, []ir.Attr{ir.BoolAttr("causal", op.Attrs.Bool("causal")), ir.FloatAttr("scale", 1)}
		})
		attention("query heads are dealt out to key heads in turn", func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			s, g := b.Type(in[q]).Shape, b.Dim(in[q+1], 2)
			if g > 1 && s[2] > g {
				x := b.Reshape(in[q], s[0], s[1], s[2]/g, g, s[3])
				in[q] = b.Reshape(b.Transpose(x, 0, 1, 3, 2, 4), s...)
			}
			return in, op.Attrs
		})
	}
	attend := func(name string, mask func(b *ir.Builder, scores ir.Value, s, t int) ir.Value, finish func(b *ir.Builder, scores, v ir.Value) ir.Value) *Mutant {
		return instead("attention", "scaled_dot_product_attention", name, f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			q, k := b.Type(in[0]).Shape, b.Type(in[1]).Shape
			if len(in) > 3 || q[2] != k[2] {
				return nil
			}
			x := b.Transpose(in[0], 0, 2, 1, 3)
			scores := b.DotGeneral(x, in[1], ir.DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{3}})
			scores = b.Scale(scores, op.Attrs.Float("scale"))
			if op.Attrs.Bool("causal") {
				scores = mask(b, scores, q[1], k[1])
			}
			out := b.OpVersion(op.Name, op.Version, in, op.Attrs...)
			out[0] = b.Transpose(finish(b, scores, in[2]), 0, 2, 1, 3)
			return out
		}))
	}
	causal := func(offset func(s, t int) int, otherwise float64) func(b *ir.Builder, scores ir.Value, s, t int) ir.Value {
		return func(b *ir.Builder, scores ir.Value, s, t int) ir.Value {
			i, j := b.Iota(ir.T(ir.I32, s, t), 0), b.Iota(ir.T(ir.I32, s, t), 1)
			seen := b.Compare("le", j, b.Add(i, b.Full(ir.T(ir.I32, s, t), float64(offset(s, t)))))
			shape := b.Type(scores).Shape
			return b.Select(b.BroadcastInDim(seen, shape, []int{2, 3}), scores, b.Full(b.Type(scores), otherwise))
		}
	}
	after := func(b *ir.Builder, scores, v ir.Value) ir.Value {
		e := b.Exp(b.Sub(scores, wide(b, b.Reduce("max", scores, 3), scores)))
		y := b.DotGeneral(e, v, ir.DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{1}})
		return b.Div(y, wide(b, b.ReduceSum(e, 3), y))
	}
	before := func(b *ir.Builder, scores, v ir.Value) ir.Value {
		return b.DotGeneral(b.Softmax(scores), v, ir.DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{1}})
	}
	aligned := func(s, t int) int { return t - s }
	l = append(l,
		attend("the division comes before the weighted sum", causal(aligned, math.Inf(-1)), before),
		attend("the causal mask is aligned at the start", causal(func(int, int) int { return 0 }, math.Inf(-1)), after),
		attend("the causal mask hides the diagonal", causal(func(s, t int) int { return t - s - 1 }, math.Inf(-1)), after),
		attend("masked scores are -1e9, so that a query that sees nothing sees all", causal(aligned, -1e9), after))
	for _, op := range []string{"linear_cross_entropy", "linear_cross_entropy_grad"} {
		labels := len(ir.LookupOp(op).Operands) - 1
		change := func(name string, f func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr)) {
			l = append(l, instead("cross-entropy", op, name, f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
				args, attrs := f(b, op, append([]ir.Value(nil), in...))
				return b.OpVersion(op.Name, op.Version, args, attrs...)
			})))
		}
		attrs := func(op *ir.Op, ignore int, z float64) []ir.Attr {
			return []ir.Attr{ir.IntAttr("ignore_index", ignore), ir.FloatAttr("z_loss", z)}
		}
		change("ignored labels count", func(_ *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			return in, attrs(op, -12345, op.Attrs.Float("z_loss"))
		})
		change("the z-loss is left out", func(_ *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			return in, attrs(op, op.Attrs.Int("ignore_index"), 0)
		})
		change("labels outside are clamped", func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			t := b.Type(in[labels])
			v := b.Dim(in[labels-1], 0)
			ignored := b.Compare("eq", in[labels], b.Full(t, float64(op.Attrs.Int("ignore_index"))))
			in[labels] = b.Select(ignored, in[labels], b.Min(b.Max(in[labels], b.Zeros(t)), b.Full(t, float64(v-1))))
			return in, op.Attrs
		})
		change("labels are one too high", func(b *ir.Builder, op *ir.Op, in []ir.Value) ([]ir.Value, []ir.Attr) {
			t := b.Type(in[labels])
			ignored := b.Compare("eq", in[labels], b.Full(t, float64(op.Attrs.Int("ignore_index"))))
			in[labels] = b.Select(ignored, in[labels], b.Sub(in[labels], b.Full(t, 1)))
			return in, op.Attrs
		})
	}
	l = append(l, instead("cross-entropy", "linear_cross_entropy", "log(sum) + max comes before the target", f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		if op.Attrs.Float("z_loss") != 0 {
			return nil
		}
		x := b.Linear(in[0], in[1])
		t, rows := b.Type(x), b.Type(in[2])
		hit := b.Compare("eq", b.BroadcastFront(in[2], t.Shape...), b.Iota(t.As(ir.I32), 1))
		top := b.Reduce("max", x, 1)
		sum := b.ReduceSum(b.Exp(b.Sub(x, wide(b, top, x))), 1)
		target := b.ReduceSum(b.Select(hit, x, b.Zeros(t)), 1)
		loss := b.Sub(b.Add(b.Log(sum), top), target)
		counts := b.Compare("ne", in[2], b.Full(rows, float64(op.Attrs.Int("ignore_index"))))
		return []ir.Value{b.Select(counts, loss, b.Zeros(b.Type(loss)))}
	})))
	adam := func(name string, f func(b *ir.Builder, op *ir.Op, t ir.Type, wide func(ir.Value) ir.Value, in []ir.Value) []ir.Value) *Mutant {
		return instead("optimizers", "adamw", name, f32(func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[0])
			return f(b, op, t, func(x ir.Value) ir.Value { return b.BroadcastInDim(x, t.Shape, nil) }, in)
		}))
	}
	// adamW with places to go wrong.
	step := func(b *ir.Builder, op *ir.Op, t ir.Type, wide func(ir.Value) ir.Value, in []ir.Value, ema func(rate float64, x, old ir.Value) ir.Value, denominator func(root ir.Value) ir.Value, decay func(p ir.Value) ir.Value) []ir.Value {
		g := b.Mul(b.Div(in[1], wide(in[4])), wide(in[5]))
		m := ema(op.Attrs.Float("beta1"), g, in[2])
		v := b.FMA(b.Full(t, 1-op.Attrs.Float("beta2")), b.Mul(g, g), b.Mul(b.Full(t, op.Attrs.Float("beta2")), in[3]))
		p := decay(in[0])
		return []ir.Value{b.Sub(p, b.Div(b.Mul(wide(in[7]), m), denominator(b.Sqrt(v)))), m, v}
	}
	right := func(b *ir.Builder, t ir.Type) func(rate float64, x, old ir.Value) ir.Value {
		return func(rate float64, x, old ir.Value) ir.Value { return b.FMA(b.Full(t, 1-rate), b.Sub(x, old), old) }
	}
	l = append(l,
		adam("the mean is beta*m + (1-beta)*g", func(b *ir.Builder, op *ir.Op, t ir.Type, w func(ir.Value) ir.Value, in []ir.Value) []ir.Value {
			return step(b, op, t, w, in, func(rate float64, x, old ir.Value) ir.Value {
				return b.FMA(b.Full(t, 1-rate), x, b.Mul(b.Full(t, rate), old))
			}, func(r ir.Value) ir.Value { return b.Add(b.Div(r, w(in[8])), b.Full(t, op.Attrs.Float("epsilon"))) }, func(p ir.Value) ir.Value { return b.FMA(b.Negate(w(in[6])), p, p) })
		}),
		adam("epsilon comes before the correction", func(b *ir.Builder, op *ir.Op, t ir.Type, w func(ir.Value) ir.Value, in []ir.Value) []ir.Value {
			return step(b, op, t, w, in, right(b, t), func(r ir.Value) ir.Value { return b.Div(b.Add(r, b.Full(t, op.Attrs.Float("epsilon"))), w(in[8])) }, func(p ir.Value) ir.Value { return b.FMA(b.Negate(w(in[6])), p, p) })
		}),
		adam("decay is p * (1 - decay)", func(b *ir.Builder, op *ir.Op, t ir.Type, w func(ir.Value) ir.Value, in []ir.Value) []ir.Value {
			return step(b, op, t, w, in, right(b, t), func(r ir.Value) ir.Value { return b.Add(b.Div(r, w(in[8])), b.Full(t, op.Attrs.Float("epsilon"))) }, func(p ir.Value) ir.Value { return b.Mul(p, b.Sub(b.Full(t, 1), w(in[6]))) })
		}),
		adam("no decay", func(b *ir.Builder, op *ir.Op, t ir.Type, w func(ir.Value) ir.Value, in []ir.Value) []ir.Value {
			return step(b, op, t, w, in, right(b, t), func(r ir.Value) ir.Value { return b.Add(b.Div(r, w(in[8])), b.Full(t, op.Attrs.Float("epsilon"))) }, func(p ir.Value) ir.Value { return p })
		}),
		inOp("optimizers", "adamw", "the clip factor is left out", fault{before: func(_ *ir.Op, in []tensor) {
			if in[5].DType == ir.F32 {
				in[5].setF32(0, 1)
			}
		}}),
		inOp("optimizers", "adamw", "the old mean is returned", fault{after: func(_ *ir.Op, in, out []tensor) { copy(out[1].b, in[2].b) }}),
		inOp("optimizers", "sgd", "the old parameter is returned", fault{after: func(_ *ir.Op, in, out []tensor) { copy(out[0].b, in[0].b) }}))
	return l
}
