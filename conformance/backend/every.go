package backend

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// addEvery adds all inputs of the functions of one float of 16 bits, and of 32
// where they are asked for; those add nothing to the receipt.
func (s *Suites) addEvery(o Options, chosen func(cases.Unit) bool) error {
	dtypes := []ir.DType{ir.BF16, ir.F16}
	if o.Exhaustive {
		dtypes = append(dtypes, ir.F32)
	}
	units, err := cases.Univariate(dtypes...)
	if err != nil {
		return err
	}
	for _, u := range units {
		if !chosen(u) {
			continue
		}
		run := func(ctx context.Context, session *session, i int) ([]byte, error) {
			c, err := u.Every(i)
			return session.judge(ctx, c, err)
		}
		m := matrix("every input", u)
		if u.DType == ir.F32 {
			m.Receipt, run = false, everySingle(u, run)
		}
		s.add(m, u.EveryParts(), u.EveryName, run)
	}
	return nil
}

// everySingle is judge for 2^32 inputs: it compares words with the reference's
// floats where they lie. What does not agree at once is left to judge.
func everySingle(u cases.Unit, judge func(ctx context.Context, session *session, i int) ([]byte, error)) func(ctx context.Context, session *session, i int) ([]byte, error) {
	return func(ctx context.Context, session *session, i int) ([]byte, error) {
		c, err := u.Every(i)
		if err != nil {
			return nil, err
		}
		got, err := session.run(ctx, c.Func, c.Args)
		if err == nil && sameSingles(c, got) {
			return nil, nil
		}
		_, err = judge(ctx, session, i)
		return nil, err
	}
}

// sameSingles reports whether the one result of a case of one f32 operand is
// the reference's. A result of another dtype is not known to be.
func sameSingles(c *cases.Case, got [][]byte) bool {
	x := reference.Tensor{Type: c.Func.Params[0].Type, F32: make([]float32, len(c.Args[0])/4)}
	le := binary.LittleEndian
	for i := range x.F32 {
		x.F32[i] = math.Float32frombits(le.Uint32(c.Args[0][4*i:]))
	}
	out, err := reference.Eval(c.Func, []reference.Tensor{x})
	if err != nil || len(out) != 1 || out[0].Type.DType != ir.F32 || len(got) != 1 || len(got[0]) != 4*len(out[0].F32) {
		return false
	}
	for i, want := range out[0].F32 {
		if w := le.Uint32(got[0][4*i:]); w != math.Float32bits(want) && (want == want || w&0x7FFFFFFF <= 0x7F800000) {
			return false
		}
	}
	return true
}
