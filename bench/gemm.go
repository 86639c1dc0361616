package main

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/spf13/cobra"
)

// product is C [m, n] = A B, or with one of them stored transposed.
type product struct {
	what    string
	m, n, k int
	layout  string // AB, ATB or ABT
}

// products are the cube, and those of a training step at 4 x 256 tokens: forward, of the input's gradient, of the weight's.
func products() []product {
	var l []product
	for _, layout := range []string{"AB", "ATB", "ABT"} {
		l = append(l, product{"cube", 1024, 1024, 1024, layout})
	}
	for _, name := range []string{"gpt_small", "gpt2"} {
		m := models[name]
		tokens, headDim := m.batch*m.seq, 64
		embd := map[string]int{"gpt_small": 384, "gpt2": 768}[name]
		for _, w := range []struct {
			name    string
			in, out int
		}{{"query, key, value", embd, 3 * embd}, {"projection", embd, embd}, {"up", embd, 4 * embd}, {"down", 4 * embd, embd}} {
			l = append(l,
				product{name + " " + w.name, tokens, w.out, w.in, "AB"},
				product{name + " " + w.name + ", input gradient", tokens, w.in, w.out, "ABT"},
				product{name + " " + w.name + ", weight gradient", w.in, w.out, tokens, "ATB"})
		}
		l = append(l,
			product{name + " scores of a head", m.seq, m.seq, headDim, "ABT"},
			product{name + " values of a head", m.seq, headDim, m.seq, "AB"})
		if name == "gpt_small" { // gpt2's takes long
			l = append(l,
				product{name + " logits", 512, m.rows.vocab, embd, "ABT"},
				product{name + " logits, input gradient", 512, embd, m.rows.vocab, "AB"},
				product{name + " logits, weight gradient", m.rows.vocab, embd, 512, "ATB"})
		}
	}
	return append(l, product{"one row", 1, 4096, 1024, "AB"}, product{"four rows", 4, 4096, 1024, "ABT"}, product{"tall", 16384, 64, 64, "AB"})
}

// gemmResult is a product's speed on one core.
type gemmResult struct {
	Product   string  `json:"product"`
	Layout    string  `json:"layout"`
	M         int     `json:"m"`
	N         int     `json:"n"`
	K         int     `json:"k"`
	FLOPS     float64 `json:"flops_per_s"` // median run
	PeakShare float64 `json:"peak_share"`
	// BestShare is of the fastest run, as the peak is that of the fastest of its slices: what is left of a shared machine's
	// noise is in both.
	BestShare float64 `json:"best_peak_share"`
}

func newGEMM() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:     "gemm",
		Short:   "Time matrix products on one core of the backend against the peak of fused multiply-adds",
		Example: "  go run ./bench gemm --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGEMM(cmd.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a product")
	return c
}

func runGEMM(ctx context.Context, asJSON bool) error {
	for _, p := range products() {
		r, err := p.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		if asJSON {
			err = printJSON(r)
		} else {
			_, err = fmt.Printf("%-45s %-3s %6d x %5d x %5d  %7.1f GFLOP/s  %5.1f %% of peak, fastest run %5.1f %%\n", p.what, p.layout, p.m, p.n, p.k, r.FLOPS/1e9, 100*r.PeakShare, 100*r.BestShare)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p product) run(ctx context.Context) (*gemmResult, error) {
	b := ir.NewBuilder("product")
	at, bt := ir.T(ir.F32, p.m, p.k), ir.T(ir.F32, p.k, p.n)
	dims := ir.DotDims{LHSContract: []int{1}, RHSContract: []int{0}}
	switch p.layout {
	case "ATB":
		at, dims.LHSContract = ir.T(ir.F32, p.k, p.m), []int{0}
	case "ABT":
		bt, dims.RHSContract = ir.T(ir.F32, p.n, p.k), []int{1}
	}
	b.Return("c", b.DotGeneral(b.Param("a", at), b.Param("b", bt), dims))
	f, err := b.Func()
	if err != nil {
		return nil, err
	}
	t, err := timeProgram(ctx, f, 1, false)
	if err != nil {
		return nil, err
	}
	r := &gemmResult{Product: p.what, Layout: p.layout, M: p.m, N: p.n, K: p.k}
	operations := 2 * float64(p.m) * float64(p.n) * float64(p.k)
	r.FLOPS = operations / t.median
	r.PeakShare, r.BestShare = r.FLOPS/t.peakFLOPS, operations/t.best/t.peakFLOPS
	return r, nil
}
