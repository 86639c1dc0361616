package cpu

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Composites with kernels of their own, which give the bits of the decompositions in one pass over memory.

// outs makes the stores of all of op's results.
func (c *compiler) outs(op *ir.Op) []int {
	refs := make([]int, len(op.Results))
	for i, t := range op.Results {
		refs[i] = c.temp(t.Bytes())
		c.refs[op.Result(i)] = refs[i]
	}
	return refs
}

func softmax(c *compiler, op *ir.Op) error {
	t := op.Results[0]
	if t.DType != ir.F32 {
		return unknown(t.DType)
	}
	row := t.Shape[t.Rank()-1]
	in := c.in(op, 0)
	out := c.out(op)
	c.emit(func(r *run) error {
		x, y := r.f32(in), r.f32(out)
		if len(y) == 0 {
			return nil
		}
		return r.split(len(y)/row, max(1, grain/4/row), func(lo, hi int) {
			for at := lo * row; at < hi*row; at += row {
				vec.SoftmaxRow(y[at:at+row], x[at:at+row])
			}
		})
	})
	return nil
}

func layerNorm(c *compiler, op *ir.Op) error {
	t := op.Results[0]
	if t.DType != ir.F32 {
		return unknown(t.DType)
	}
	row, eps := t.Shape[t.Rank()-1], float32(op.Attrs.Float("epsilon"))
	in := [3]int{c.in(op, 0), c.in(op, 1), c.in(op, 2)}
	out := c.outs(op)
	c.emit(func(r *run) error {
		x, gamma, beta := r.f32(in[0]), r.f32(in[1]), r.f32(in[2])
		y, mean, rstd := r.f32(out[0]), r.f32(out[1]), r.f32(out[2])
		return r.split(len(mean), max(1, grain/max(1, row)), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				at := i * row
				mean[i], rstd[i] = vec.LayerNormRow(y[at:at+row], x[at:at+row], gamma, beta, eps)
			}
		})
	})
	return nil
}

func adamW(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	in := make([]int, len(op.Operands))
	for i := range in {
		in[i] = c.in(op, i)
	}
	out := c.outs(op)
	beta1, beta2, eps := op.Attrs.Float("beta1"), op.Attrs.Float("beta2"), float32(op.Attrs.Float("epsilon"))
	// The kernel updates in place: results that do not have the memory of what they replace are copied to first.
	pairs := map[int]int{out[0]: in[0], out[1]: in[2], out[2]: in[3]}
	c.emit(func(r *run) error {
		scalar := func(i int) float32 { return r.f32(in[i])[0] }
		s := vec.AdamWStep{
			Weight: scalar(4), Clip: scalar(5), Decay: scalar(6), StepSize: scalar(7), SqrtBiasCorrection2: scalar(8),
			OneMinusBeta1: float32(1 - beta1), Beta2: float32(beta2), OneMinusBeta2: float32(1 - beta2), Epsilon: eps,
		}
		p, g, m, v := r.f32(out[0]), r.f32(in[1]), r.f32(out[1]), r.f32(out[2])
		p0, m0, v0 := r.f32(in[0]), r.f32(in[2]), r.f32(in[3])
		return r.split(len(p), grain, func(lo, hi int) {
			copy(p[lo:hi], p0[lo:hi])
			copy(m[lo:hi], m0[lo:hi])
			copy(v[lo:hi], v0[lo:hi])
			vec.AdamW(p[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi], s)
		})
	})
	c.steps[len(c.steps)-1].pairs = pairs
	return nil
}
