package backend

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// Expect returns the reference's results, in canonical bytes.
func Expect(c *cases.Case) ([][]byte, error) {
	args := make([]reference.Tensor, len(c.Args))
	for i, a := range c.Args {
		x, err := reference.Decode(c.Func.Params[i].Type, a)
		if err != nil {
			return nil, fmt.Errorf("the reference: %w", err)
		}
		args[i] = x
	}
	out, err := reference.Eval(c.Func, args)
	if err != nil {
		return nil, fmt.Errorf("the reference: %w", err)
	}
	results := make([][]byte, len(out))
	for i, x := range out {
		results[i] = make([]byte, x.Type.Bytes())
		if err := x.Encode(results[i]); err != nil {
			return nil, fmt.Errorf("the reference: %w", err)
		}
		canonical(c, x.Type.DType, results[i])
	}
	return results, nil
}

func canonical(c *cases.Case, d ir.DType, data []byte) {
	if c.Classes {
		cases.Classes(d, data)
	} else {
		cases.Canonical(d, data)
	}
}

// Compare holds results against the reference's. It makes them canonical in
// place. The error names the first element that differs and both values, in
// hex and decimal, and has the program's text.
func Compare(c *cases.Case, got, want [][]byte) error {
	types := c.Func.Types()
	for i, r := range c.Func.Results {
		t := types[r.Value]
		if len(got) <= i || len(got[i]) != t.Bytes() {
			return fmt.Errorf("%s: result %q is missing or of the wrong size", c.Name, r.Name)
		}
		canonical(c, t.DType, got[i])
		if bytes.Equal(got[i], want[i]) {
			continue
		}
		size, wrong, first := t.DType.Size(), 0, -1
		for k := 0; k < len(want[i]); k += size {
			if !bytes.Equal(got[i][k:k+size], want[i][k:k+size]) {
				if wrong++; first < 0 {
					first = k / size
				}
			}
		}
		e := first * size
		return fmt.Errorf("result %q %v differs in %d of %d elements, first at %v:\n  got  %s\n  want %s\ncase %s, cell %q%s\n%s%s",
			r.Name, t, wrong, t.Elements(), index(t, first),
			Element(t.DType, got[i][e:e+size]), Element(t.DType, want[i][e:e+size]),
			c.Name, c.Cell, note(c), c.Text(), arguments(c, t, first))
	}
	return nil
}

func note(c *cases.Case) string {
	if c.Classes {
		return " (inputs are not all finite: only the class of each result counts)"
	}
	return ""
}

func index(t ir.Type, n int) []int {
	at := make([]int, t.Rank())
	for i := t.Rank() - 1; i >= 0; i-- {
		at[i] = n % t.Shape[i]
		n /= t.Shape[i]
	}
	return at
}

// arguments shows the operands' elements at the same place, where they have it.
func arguments(c *cases.Case, t ir.Type, at int) string {
	s := ""
	for i, p := range c.Func.Params {
		if slices.Equal(p.Type.Shape, t.Shape) {
			size := p.Type.DType.Size()
			s += fmt.Sprintf("  %s there: %s\n", p.Name, Element(p.Type.DType, c.Args[i][at*size:(at+1)*size]))
		}
	}
	return s
}

// Element writes one element in hex and decimal.
func Element(d ir.DType, e []byte) string {
	var word [8]byte
	copy(word[:], e)
	bits := binary.LittleEndian.Uint64(word[:])
	var v any
	switch d {
	case ir.F32:
		v = math.Float32frombits(uint32(bits))
	case ir.F64:
		v = math.Float64frombits(bits)
	case ir.BF16:
		v = numerics.F32FromBF16(uint16(bits))
	case ir.F16:
		v = numerics.F32FromF16(uint16(bits))
	case ir.I32:
		v = int32(bits)
	case ir.I64:
		v = int64(bits)
	case ir.Bool:
		v = bits != 0
	default:
		v = bits
	}
	return fmt.Sprintf("0x%0*x (%v)", 2*d.Size(), bits, v)
}
