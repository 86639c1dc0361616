package conformance

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unit is the unit roundoff of f32.
const unit = 0x1p-24

// roundings are how far rounding to f32 moves what a golden run computes, in
// units of 2^-24: of the largest element of each output; of the largest element
// of each gradient; of the loss; and of gradients as the weights show them after
// five steps (see weightBound). The numbers come from TestRoundings, which
// rounds at random in float64: nothing that f32 gave has a part in them. What
// is computed in f32 may differ from PyTorch by allowance times as much.
type roundings struct{ outputs, gradients, loss, weights float64 }

// allowance is for what chance leaves open: the largest of some thousand draws
// is about four standard deviations, and twice that never comes up.
const allowance = 2

// goldenRoundings are those of each golden system.
var goldenRoundings = map[string]roundings{
	"bert": {8, 22, 2.9, 3.8}, "clip": {6.8, 55, 11, 1.8}, "dalle_prior": {4.4, 16, 3.5, 130}, "dvae": {4.1, 22, 6.5, 2.5},
	"gpt2": {3.1, 22, 3.2, 12}, "llama": {4, 15, 3.7, 12}, "mae": {6, 16, 2, 3.5}, "mae_norm_pix": {6, 24, 1.8, 2.4},
	"resnet_basic": {14, 61, 0.97, 7.6}, "resnet_bottleneck": {13, 130, 3.2, 4.2}, "simclr": {52, 100, 5.4, 4.5},
	"t5": {7.3, 27, 3.2, 0.71}, "t5_v1_1": {11, 50, 4, 2.1}, "vit": {6.8, 21, 1.8, 0.85},
}

// allowed is how much a run may differ from PyTorch. The roundings of a step may
// be those of the next, which random ones are not: the error of gradients that
// weights show is at least that of a gradient.
func (r roundings) allowed() roundings {
	return roundings{allowance * r.outputs, allowance * r.gradients, allowance * r.loss, allowance * max(r.gradients, r.weights)}
}

var derive = flag.Bool("derive", false, "derive the roundings of all golden systems and print them")

// The table of roundings is what random roundings give.
func TestRoundings(t *testing.T) {
	for folder, g := range goldenSystems {
		if !*derive && folder != "gpt2" {
			continue // they take a minute
		}
		t.Run(folder, func(t *testing.T) {
			r := g.start(t, folder, 0)
			got, want := r.randomRoundings(t, 2), goldenRoundings[folder]
			t.Logf("roundings{%.2g, %.2g, %.2g, %.2g}", got.outputs, got.gradients, got.loss, got.weights)
			near := func(got, want float64) {
				t.Helper()
				assert.Less(t, got, 3*want) // other golden files have other numbers
				assert.Less(t, want, 3*got)
			}
			near(got.outputs, want.outputs)
			near(got.gradients, want.gradients)
			near(got.loss, want.loss)
			near(got.weights, want.weights)
		})
	}
}

// randomRoundings trains some times in float64 with random roundings and
// returns the largest differences from PyTorch.
func (r goldenRun) randomRoundings(t *testing.T, times int) (worst roundings) {
	linked, err := step.Link(r.Module, r.Binding.Loss(), r.Binding.Batch())
	require.NoError(t, err)
	first, _, err := step.Grain(joined(t, r.Module), linked)
	require.NoError(t, err)
	update, err := step.Update(joined(t, r.Module), 1, r.Optimizer, step.Objective{First: first})
	require.NoError(t, err)
	largest := largestGradients(r.Module.Parameters, r.io)
	for n := range times {
		random := rand.New(rand.NewPCG(uint64(n), 0))
		values := map[string][]float64{}
		for _, m := range []map[string][]float64{r.weights, r.batch} {
			for name, v := range m {
				values[name] = v
			}
		}
		r.outputs(t, evaluateRounded(t, r.Module.Forward, values, random), r.io, func(_ string, want, got []float64) {
			worst.outputs = max(worst.outputs, largestError(want, got)/largestOf(want)/unit)
		})
		for _, slot := range r.Optimizer.Slots() {
			for _, p := range r.Module.Parameters {
				values[step.SlotName(slot, p.Name)] = make([]float64, p.Type.Elements())
			}
		}
		for i := range goldenSteps {
			for name, v := range evaluateRounded(t, first, values, random) {
				if !strings.HasPrefix(name, grad.Prefix) && !strings.HasPrefix(name, plugin.BufferPrefix) {
					name = step.SumPrefix + name
				}
				values[name] = v
			}
			weight := values[step.SumPrefix+step.Weight][0]
			loss := values[step.SumPrefix+step.Loss][0] / weight
			worst.loss = max(worst.loss, math.Abs(loss-r.io["losses"][i])/math.Abs(r.io["losses"][0])/unit)
			if i == 0 {
				for _, p := range r.Module.Parameters {
					d := slices.Clone(values[grad.Prefix+p.Name])
					for k := range d {
						d[k] /= weight
					}
					worst.gradients = max(worst.gradients, largestError(r.io["grad."+p.Name], d)/largest[p.Name]/unit)
				}
			}
			for name, v := range r.Optimizer.Scalars(goldenRate, uint64(i)) {
				values[step.HostPrefix+name] = []float64{float64(v)}
			}
			for name, v := range evaluateRounded(t, update, values, random) {
				values[name] = v
			}
		}
		for _, p := range r.Module.Parameters {
			for i, want := range r.io["after."+p.Name] {
				e := gradientError(math.Abs(values[p.Name][i]-want), want, r.io["grad."+p.Name][i])
				worst.weights = max(worst.weights, e/largest[p.Name]/unit)
			}
		}
	}
	return worst
}

func largestError(want, got []float64) (e float64) {
	for i, v := range want {
		e = max(e, math.Abs(got[i]-v))
	}
	return e
}

// exact are the ops that round nothing.
var exact = []string{
	"abs", "argmax", "argmin", "and", "bitcast_convert", "broadcast_in_dim", "call", "ceil", "clamp", "compare", "concatenate", "constant", "convert",
	"dynamic_slice", "dynamic_update_slice", "floor", "gather", "iota", "is_finite", "maximum", "minimum", "negate", "not", "or", "pad", "relu",
	"reshape", "reverse", "rng_bit_generator", "round_nearest_even", "select", "sign", "slice", "sort", "top_k", "transpose", "xor",
}

// chains are the sums and how many terms a chain of them takes, which others
// are added to.
var chains = map[string]func(terms float64) float64{
	"dot_general": fmaChain, "convolution": fmaChain, "convolution_filter_grad": fmaChain, "scatter": fmaChain,
	"reduce": laneChain, "reduce_dot": laneChain,
	"cumsum": func(n float64) float64 { return n }, "reduce_window": func(n float64) float64 { return n }, "select_and_scatter": func(n float64) float64 { return n },
}

func fmaChain(terms float64) float64  { return min(terms, 512) + terms/512 } // rule 5
func laneChain(terms float64) float64 { return math.Ceil(terms/32) + 10 }    // rule 7: 32 lanes, and 5 levels that join them

// evaluateRounded runs a function of f32 in f64, op by op, with roundings to
// f32 drawn at random. An op whose result is v moves it by up to 2^-24 |v|. A
// sum of n terms in a chain rounds its partial sums s_k. For terms with a mean m
// and a mean square q, s_k squared is about k^2 m^2 + k q, and the sum of these
// over the chain n^3 m^2 / 3 + n^2 q / 2 = n (v^2 / 3 + (sum of squares) / 2).
func evaluateRounded(t *testing.T, f *ir.Func, values map[string][]float64, random *rand.Rand) map[string][]float64 {
	t.Helper()
	f, err := ir.Expand(widen(t, f), func(*ir.Op) bool { return false })
	require.NoError(t, err)
	var all []reference.Tensor
	for _, p := range f.Params {
		x, err := reference.Decode(p.Type, encode(t, p.Type, values[p.Name]))
		require.NoError(t, err)
		all = append(all, x)
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		in := make([]reference.Tensor, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = all[v]
		}
		out := evaluateOp(t, op, in)
		all = append(all, out...)
		chain, sum := chains[op.Name]
		if slices.Contains(exact, op.Name) || op.Name == "reduce" && op.Attrs.Str("kind") != "sum" || out[0].F64 == nil {
			continue
		}
		require.Len(t, out, 1, op.Name)
		v := out[0].F64
		if !sum {
			for k := range v {
				v[k] *= 1 + unit*(2*random.Float64()-1)
			}
			continue
		}
		each := func(f func(float64) float64) []float64 {
			changed := slices.Clone(in)
			for k, x := range in {
				changed[k].F64 = slices.Clone(x.F64)
				for j, v := range x.F64 {
					changed[k].F64[j] = f(v)
				}
			}
			return evaluateOp(t, op, changed)[0].F64
		}
		terms, squares := each(func(float64) float64 { return 1 }), each(func(v float64) float64 { return v * v })
		for k := range v {
			v[k] += unit * (2*random.Float64() - 1) * math.Sqrt(chain(terms[k])*(v[k]*v[k]/3+squares[k]/2))
		}
	}
	got := map[string][]float64{}
	for _, r := range f.Results {
		got[r.Name] = all[r.Value].F64
	}
	return got
}

// evaluateOp runs one op.
func evaluateOp(t *testing.T, op *ir.Op, in []reference.Tensor) []reference.Tensor {
	b := ir.NewBuilder("op")
	var operands []ir.Value
	one := *op
	one.Operands = nil
	for i, x := range in {
		operands = append(operands, b.Param("x"+strconv.Itoa(i), x.Type))
		one.Operands = append(one.Operands, ir.Value(i))
	}
	for i, v := range b.CopyOp(&one, operands) {
		b.Return("y"+strconv.Itoa(i), v)
	}
	f, err := b.Func()
	require.NoError(t, err, op.Name)
	out, err := reference.Eval(f, in)
	require.NoError(t, err, op.Name)
	for i := range out {
		if out[i].F64 != nil {
			out[i].F64 = slices.Clone(out[i].F64) // it may share memory with an operand
		}
	}
	return out
}
