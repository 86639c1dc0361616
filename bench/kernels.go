package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/spf13/cobra"
)

// kernelRow is an op at a size that a model uses, or its gradient.
type kernelRow struct {
	what  string
	write func(b *ir.Builder) ir.Value // the op's result
	// wrt are the parameters whose gradients are computed in the place of the
	// result, or beside it.
	wrt    []string
	beside bool
	// hidden is the part of the arithmetic that masks and zeros make needless.
	hidden float64
}

// convolutions are ResNet-50's at 16 images of 224 x 224, forward and both gradients; the first layer's image has no gradient.
func convolutions() (rows []kernelRow) {
	for _, c := range []struct{ kernel, stride, in, out, side int }{
		{7, 2, 3, 64, 224}, {1, 1, 64, 256, 56}, {3, 1, 64, 64, 56}, {3, 2, 128, 128, 56}, {3, 1, 256, 256, 14}, {1, 1, 2048, 512, 7}, {3, 1, 512, 512, 7},
	} {
		name := fmt.Sprintf("conv %dx%d/%d, %d to %d of %dx%d", c.kernel, c.kernel, c.stride, c.in, c.out, c.side, c.side)
		write := func(b *ir.Builder) ir.Value {
			x, w := b.Param("x", ir.T(ir.F32, 16, c.side, c.side, c.in)), b.Param("w", ir.T(ir.F32, c.kernel, c.kernel, c.in, c.out))
			return b.Conv2D(x, w, ir.NoValue, c.stride, c.kernel/2, 1, 1)
		}
		rows = append(rows, kernelRow{what: name, write: write}, kernelRow{what: name + ", filter gradient", write: write, wrt: []string{"w"}})
		if c.in > 3 {
			// The input is spread out by the stride, and what lies between is zero.
			rows = append(rows, kernelRow{what: name + ", input gradient", write: write, wrt: []string{"x"}, hidden: 1 - 1/float64(c.stride*c.stride)})
		}
	}
	return rows
}

func attentions() (rows []kernelRow) {
	for _, a := range []struct {
		model                 string
		batch, seq, heads, of int
		causal                bool
	}{
		{"gpt_small", 4, 256, 6, 64, true}, {"gpt2", 4, 256, 12, 64, true}, {"bert_base", 8, 128, 12, 64, false}, {"vit_b16", 8, 197, 12, 64, false},
	} {
		write := func(b *ir.Builder) ir.Value {
			t := ir.T(ir.F32, a.batch, a.seq, a.heads, a.of)
			return b.Attention(b.Param("q", t), b.Param("k", t), b.Param("v", t), a.causal)
		}
		hidden := 0.0
		if a.causal {
			hidden = float64(a.seq-1) / float64(2*a.seq)
		}
		rows = append(rows, kernelRow{what: a.model + " attention", write: write, hidden: hidden},
			kernelRow{what: a.model + " attention, with all gradients", write: write, wrt: []string{"q", "k", "v"}, beside: true, hidden: hidden})
	}
	return rows
}

// streams are what memory bounds, of 32 MiB each.
func streams() []kernelRow {
	const rows, cols = 8192, 1024
	t, vector := ir.T(ir.F32, rows, cols), ir.T(ir.F32, cols)
	norm := func(b *ir.Builder) ir.Value {
		return b.LayerNorm(b.Param("x", t), b.Param("weight", vector), b.Param("bias", vector), 1e-5)
	}
	softmax := func(b *ir.Builder) ir.Value { return b.Softmax(b.Param("x", t)) }
	gelu := func(b *ir.Builder) ir.Value { return b.Unary("gelu_tanh", b.Param("x", t)) }
	return []kernelRow{
		{what: "add", write: func(b *ir.Builder) ir.Value { return b.Add(b.Param("x", t), b.Param("y", t)) }},
		{what: "gelu_tanh", write: gelu}, {what: "gelu_tanh, gradient", write: gelu, wrt: []string{"x"}},
		{what: "layer_norm", write: norm}, {what: "layer_norm, with all gradients", write: norm, wrt: []string{"x", "weight", "bias"}, beside: true},
		{what: "softmax", write: softmax}, {what: "softmax, with its gradient", write: softmax, wrt: []string{"x"}, beside: true},
		{what: "reduce sum of columns", write: func(b *ir.Builder) ir.Value { return b.ReduceSum(b.Param("x", t), 0) }},
		{what: "transpose", write: func(b *ir.Builder) ir.Value { return b.Transpose(b.Param("x", t), 1, 0) }},
		{what: "adamw", write: func(b *ir.Builder) ir.Value {
			scalar := func(name string) ir.Value { return b.Param(name, ir.T(ir.F32)) }
			p, m, v := b.AdamW(b.Param("p", t), b.Param("g", t), b.Param("m", t), b.Param("v", t), scalar("weight"), scalar("clip"), scalar("decay"), scalar("step"), scalar("correction"),
				ir.AdamWHyper{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8})
			b.Return("m", m)
			b.Return("v", v)
			return p
		}},
	}
}

// kernelSets are the rows by the name that picks them.
var kernelSets = []struct {
	name string
	rows func() []kernelRow
}{{"convolution", convolutions}, {"attention", attentions}, {"memory", streams}}

// kernelResult is a row's speed with one thread and with two.
type kernelResult struct {
	Kernel string    `json:"kernel"`
	FLOPs  int64     `json:"flops"` // of matrix products and convolutions
	Bytes  int64     `json:"bytes"` // of operands and results, each once
	Times  []float64 `json:"median_s"`
	// Shares are of the least time that FLOPs at the peak of fused multiply-adds
	// and bytes at the memory's speed take, whichever is more, of the time taken.
	Shares []float64 `json:"bound_share"`
	// BoundBy is what that least time is of, with one thread.
	BoundBy string `json:"bound_by"`
}

func newKernels() *cobra.Command {
	asJSON := false
	var names []string
	for _, s := range kernelSets {
		names = append(names, s.name)
	}
	c := &cobra.Command{
		Use:   "kernels [SET...]",
		Short: "Time convolutions, attention and what memory bounds, against the machine's peaks, with one thread and with two",
		Long: "Time ops and their gradients at the sizes that models use: SET is " + strings.Join(names, ", ") + `, or all.
The share is that of the least time that the arithmetic at the peak of fused multiply-adds, or the operands and results at
the speed of the memory, could take; both are measured beside.`,
		Example:   "  go run ./bench kernels attention --json",
		ValidArgs: names,
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range kernelSets {
				if len(args) > 0 && !slices.Contains(args, s.name) {
					continue
				}
				for _, row := range s.rows() {
					if err := row.run(cmd.Context(), asJSON); err != nil {
						return fmt.Errorf("%s: %w", row.what, err)
					}
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a kernel")
	return c
}

func (row kernelRow) run(ctx context.Context, asJSON bool) error {
	f, err := row.program()
	if err != nil {
		return err
	}
	flops, err := cost.Count(f)
	if err != nil {
		return err
	}
	r := kernelResult{Kernel: row.what, FLOPs: int64(float64(flops.Contractions) * (1 - row.hidden)), BoundBy: "memory"}
	for _, p := range f.Params {
		r.Bytes += int64(p.Type.Bytes())
	}
	types := f.Types()
	for _, x := range f.Results {
		r.Bytes += int64(types[x.Value].Bytes())
	}
	for threads := 1; threads <= 2; threads++ {
		t, err := timeProgram(ctx, f, threads, true)
		if err != nil {
			return err
		}
		compute, memory := float64(r.FLOPs)/t.peakFLOPS, float64(r.Bytes)/t.peakBytes
		if threads == 1 && compute > memory {
			r.BoundBy = "arithmetic"
		}
		r.Times, r.Shares = append(r.Times, t.median), append(r.Shares, max(compute, memory)/t.median)
	}
	if asJSON {
		return printJSON(r)
	}
	_, err = fmt.Printf("%-50s %8.2f ms, %5.1f %% of what %-10s allows; two threads %8.2f ms, %5.1f %%, %.2f times as fast\n",
		r.Kernel, 1e3*r.Times[0], 100*r.Shares[0], r.BoundBy, 1e3*r.Times[1], 100*r.Shares[1], r.Times[0]/r.Times[1])
	return err
}

// program is the op, or its gradient for a cotangent that is given.
func (row kernelRow) program() (*ir.Func, error) {
	b := ir.NewBuilder("kernel")
	y := row.write(b)
	if len(row.wrt) == 0 {
		b.Return("y", y)
		return b.Func()
	}
	t := b.Type(y)
	b = ir.NewBuilder("kernel")
	cotangent := b.Param("cotangent", t) // parameters come before ops
	y = row.write(b)
	b.Return("loss", b.ReduceSum(b.Reshape(b.Mul(y, cotangent), t.Elements()), 0))
	if row.beside {
		b.Return("y", y)
	}
	f, err := b.Func()
	if err != nil {
		return nil, err
	}
	if f, err = grad.Reverse(f, "loss", row.wrt); err != nil {
		return nil, err
	}
	loss := f.Result("loss")
	f.Results = append(f.Results[:loss:loss], f.Results[loss+1:]...)
	// The cotangent takes the place of its product with the loss's own, which is one: in a training step there is none.
	given, product := ir.Value(f.Param("cotangent")), ir.NoValue
	for i := range f.Ops {
		op := &f.Ops[i]
		for k, v := range op.Operands {
			if v == product {
				op.Operands[k] = given
			}
		}
		if op.Name == "multiply" && slices.Contains(op.Operands, given) {
			product = op.Result(0)
		}
	}
	return grad.Prune(f)
}
