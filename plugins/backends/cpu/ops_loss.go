package cpu

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Cross-entropy holds the logits of some rows at a time. With gradients these are whole chunks of rule 5, by which the contraction over rows
// is summed up.

const heldLogits = 64 << 20 // elements: the more rows, the less often the weight is read and its gradient gone over

// crossEntropy is what loss and gradient know of the operands: hidden [n, e], weight [v, e], labels [n].
type crossEntropy struct {
	n, e, v                int
	hidden, weight, labels int // refs
	ignore                 int32
	hasZ                   bool
	z, twoZ                float32
}

func (c *compiler) crossEntropy(op *ir.Op, first int) (crossEntropy, error) {
	h, w := c.types[op.Operands[first]].Shape, c.types[op.Operands[first+1]].Shape
	z, ignore := op.Attrs.Float("z_loss"), op.Attrs.Int("ignore_index")
	if ignore != int(int32(ignore)) {
		return crossEntropy{}, fmt.Errorf("ignore_index %d is no i32", ignore)
	}
	return crossEntropy{
		n: h[0], e: h[1], v: w[0],
		hidden: c.in(op, first), weight: c.in(op, first+1), labels: c.in(op, first+2),
		ignore: int32(ignore), hasZ: z != 0, z: float32(z), twoZ: float32(2 * z),
	}, nil
}

// rows is how many are taken at a time.
func (x *crossEntropy) rows() int {
	return min(max(heldLogits/max(x.v, 1)/numerics.ChunkK, 1)*numerics.ChunkK, x.n)
}

// logits computes those of rows [lo, hi).
func (x *crossEntropy) logits(r *run, to []float32, lo, hi int) error {
	return r.b.gemm.Run(&gemm.Problem{
		M: hi - lo, N: x.v, K: x.e, C: to, CRow: x.v,
		A: gemm.Operand{Data: from(r.f32(x.hidden), lo*x.e), RowStride: x.e, ColStride: 1},
		B: gemm.Operand{Data: r.f32(x.weight), RowStride: 1, ColStride: x.e},
	})
}

// row turns logits into exp(x - max) and returns their sum, log(sum) + max and the loss of the label.
func (x *crossEntropy) row(logits []float32, label int32) (sum, lse, loss float32) {
	target := float32(0)
	if label >= 0 && int(label) < x.v {
		target += logits[label] // -0 becomes the +0 that it sums to
	}
	top, sum := vec.ExpSumRow(logits, logits)
	logSum := numerics.Log(sum)
	lse = top + logSum
	if label == x.ignore {
		return sum, lse, 0
	}
	loss = (top - target) + logSum
	if x.hasZ {
		loss += float32(float32(lse*lse) * x.z)
	}
	return sum, lse, loss
}

func linearCrossEntropy(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	x, err := c.crossEntropy(op, 0)
	if err != nil {
		return err
	}
	chunk := x.rows()
	logits := c.temp(4 * chunk * x.v)
	out := c.out(op)
	c.emit(func(r *run) error {
		loss, labels, work := r.f32(out), view[int32](r.mem[x.labels]), r.f32(logits)
		for lo := 0; lo < x.n; lo += chunk {
			hi := min(x.n, lo+chunk)
			if err := x.logits(r, work, lo, hi); err != nil {
				return err
			}
			err := r.b.pool.For(hi-lo, func(_, i int) {
				_, _, loss[lo+i] = x.row(work[i*x.v:(i+1)*x.v], labels[lo+i])
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func linearCrossEntropyGrad(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	cts := c.in(op, 0)
	x, err := c.crossEntropy(op, 1)
	if err != nil {
		return err
	}
	chunk := x.rows()
	logits := c.temp(4 * chunk * x.v)
	out := c.outs(op)
	c.emit(func(r *run) error {
		loss, labels, work := r.f32(out[0]), view[int32](r.mem[x.labels]), r.f32(logits)
		hidden, weight, ct := r.f32(x.hidden), r.f32(x.weight), r.f32(cts)
		for lo := 0; lo == 0 || lo < x.n; lo += chunk {
			hi := min(x.n, lo+chunk)
			if err := x.logits(r, work, lo, hi); err != nil {
				return err
			}
			err := r.b.pool.For(hi-lo, func(_, i int) {
				row, label := work[i*x.v:(i+1)*x.v], labels[lo+i]
				sum, lse, l := x.row(row, label)
				loss[lo+i] = l
				vec.DivScalar(row, row, sum)
				if x.hasZ {
					vec.MulScalar(row, row, numerics.FMA(x.twoZ, lse, 1))
				}
				if label >= 0 && int(label) < x.v {
					row[label]--
				}
				g := ct[lo+i]
				if label == x.ignore {
					g = 0
				}
				vec.MulScalar(row, row, g)
			})
			if err != nil {
				return err
			}
			err = r.b.gemm.Run(&gemm.Problem{
				M: hi - lo, N: x.e, K: x.v, C: from(r.f32(out[1]), lo*x.e), CRow: x.e,
				A: gemm.Operand{Data: work, RowStride: x.v, ColStride: 1},
				B: gemm.Operand{Data: weight, RowStride: x.e, ColStride: 1},
			})
			if err != nil {
				return err
			}
			err = r.b.gemm.Run(&gemm.Problem{
				M: x.v, N: x.e, K: hi - lo, C: r.f32(out[2]), CRow: x.e, Accumulate: lo > 0,
				A: gemm.Operand{Data: work, RowStride: 1, ColStride: x.v},
				B: gemm.Operand{Data: from(hidden, lo*x.e), RowStride: x.e, ColStride: 1},
			})
			if err != nil {
				return err
			}
			if chunk == 0 {
				break
			}
		}
		return nil
	})
	return nil
}
