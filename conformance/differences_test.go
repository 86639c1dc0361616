package conformance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// The gradient programs that backends are held to, of every op and cell, agree
// in f64 with central differences of their losses.
func TestGeneratedGradientsAgreeWithDifferences(t *testing.T) {
	const each = 24 // cases of an op
	units, err := cases.Gradients()
	require.NoError(t, err)
	total := 0
	for _, u := range units {
		if u.DType != ir.F64 {
			continue
		}
		for i := range each {
			c, err := u.Gradient(1, i, true)
			require.NoError(t, err)
			if u.Op.Name == "convert" && c.Cell != "to f64" {
				continue // differences are lost where bits are
			}
			assert.NoError(t, agreesWithDifferences(c), "%s, cell %q", c.Name, c.Cell)
			total++
		}
	}
	assert.GreaterOrEqual(t, total, 1000)
}

// agreesWithDifferences compares some elements of every gradient that a case
// gives.
func agreesWithDifferences(c *cases.Case) error {
	var args []reference.Tensor
	for i, p := range c.Func.Params {
		x, err := reference.Decode(p.Type, c.Args[i])
		if err != nil {
			return err
		}
		args = append(args, x)
	}
	out, err := reference.Eval(c.Func, args)
	if err != nil {
		return err
	}
	alone := *c.Func // without what gradients take
	alone.Results = slices.DeleteFunc(slices.Clone(alone.Results), func(r ir.Result) bool { return r.Name != "loss" })
	forward, err := grad.Prune(&alone)
	if err != nil {
		return err
	}
	loss := func() (float64, error) {
		out, err := reference.Eval(forward, args)
		if err != nil {
			return 0, err
		}
		return out[0].F64[0], nil
	}
	for r, result := range c.Func.Results {
		name, ok := strings.CutPrefix(result.Name, grad.Prefix)
		if !ok {
			continue
		}
		x := args[c.Func.Param(name)].F64
		for k := 0; k < len(x); k += 1 + len(x)/5 {
			const h = 1e-5
			at := x[k]
			x[k] = at + h
			up, err := loss()
			if err != nil {
				return err
			}
			x[k] = at - h
			down, err := loss()
			if err != nil {
				return err
			}
			x[k] = at
			// The truncation error is of order h^2, the rounding error of order
			// 1e-16 * loss / h.
			want, got := (up-down)/(2*h), out[r].F64[k]
			if math.Abs(want-got) > 1e-6*max(1, math.Abs(up), math.Abs(want)) {
				return fmt.Errorf("the gradient of %s[%d] is %g, by differences %g\n%s", name, k, got, want, c.Text())
			}
		}
	}
	return nil
}
