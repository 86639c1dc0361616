package conformance

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// regression is a linear model with a bias, and the sum of squared errors.
func regression(t *testing.T, rows, width int) (*plugin.Module, *ir.Func, []ir.Param) {
	b := ir.NewBuilder("forward")
	bias, weight := b.Param("bias", ir.T(ir.F32)), b.Param("weight", ir.T(ir.F32, width))
	x := b.Param("x", ir.T(ir.F32, rows, width))
	y := b.DotGeneral(x, weight, ir.DotDims{LHSContract: []int{1}, RHSContract: []int{0}})
	b.Return("prediction", b.Add(y, b.BroadcastTo(bias, rows)))
	forward, err := b.Func()
	require.NoError(t, err)
	m := &plugin.Module{Forward: forward, Parameters: []plugin.Parameter{
		{Name: "bias", Type: ir.T(ir.F32), Init: plugin.Init{Kind: plugin.InitZeros}, NoDecay: true},
		{Name: "weight", Type: ir.T(ir.F32, width), Init: plugin.Init{Kind: plugin.InitOnes}},
	}}
	b = ir.NewBuilder("loss")
	prediction, target := b.Param("prediction", ir.T(ir.F32, rows)), b.Param("target", ir.T(ir.F32, rows))
	d := b.Sub(prediction, target)
	b.Return(step.Loss, b.ReduceDot(d, d, 0))
	b.Return(step.Weight, b.Full(ir.T(ir.F32), float64(rows)))
	loss, err := b.Func()
	require.NoError(t, err)
	return m, loss, []ir.Param{{Name: "target", Type: ir.T(ir.F32, rows)}, {Name: "x", Type: ir.T(ir.F32, rows, width)}}
}

// call runs a function on arguments found by name.
func call(t *testing.T, f *ir.Func, values map[string]reference.Tensor) map[string]reference.Tensor {
	t.Helper()
	args := make([]reference.Tensor, len(f.Params))
	for i, p := range f.Params {
		v, ok := values[p.Name]
		require.True(t, ok, "no value for %q", p.Name)
		args[i] = v
	}
	out, err := reference.Eval(f, args)
	require.NoError(t, err)
	results := map[string]reference.Tensor{}
	for i, r := range f.Results {
		results[r.Name] = out[i]
	}
	return results
}

func f32(shape []int, v ...float32) reference.Tensor {
	return reference.Tensor{Type: ir.T(ir.F32, shape...), F32: v}
}

// Optimizers against their papers' formulas in float64. After n steps of
// about 15 rounded operations each, relative errors stay below n * 15 * 2^-24,
// with a factor of 4 for cancellation in the gradient.
func TestStepsFollowThePapers(t *testing.T) {
	const rows, width, steps = 6, 3, 5
	m, loss, batch := regression(t, rows, width)
	linked, err := step.Link(m, loss, batch)
	require.NoError(t, err)
	first, next, err := step.Grain(joined(t, m), linked)
	require.NoError(t, err)
	for name, o := range map[string]step.Optimizer{
		"adamw":         {Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1},
		"adamw clipped": {Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-3, WeightDecay: 0.1, MaxGradNorm: 0.5},
		"sgd":           {Name: "sgd", WeightDecay: 0.1},
		"sgd momentum":  {Name: "sgd", Momentum: 0.9, WeightDecay: 0.1, MaxGradNorm: 0.5},
		"lars":          {Name: "lars", Momentum: 0.9, WeightDecay: 0.1, Trust: 0.02},
		"lars averaged": {Name: "lars", Momentum: 0.5, Trust: 0.5, MaxGradNorm: 0.5, EMADecay: 0.75},
	} {
		t.Run(name, func(t *testing.T) {
			update, err := step.Update(joined(t, m), 1, o, step.Objective{First: first})
			require.NoError(t, err)
			values := map[string]reference.Tensor{"bias": f32(nil, 0), "weight": f32([]int{width}, 1, 1, 1)}
			for _, slot := range o.Slots() {
				values[step.SlotName(slot, "bias")] = f32(nil, 0)
				values[step.SlotName(slot, "weight")] = f32([]int{width}, 0, 0, 0)
				if slot == step.EMASlot {
					values[step.SlotName(slot, "weight")] = f32([]int{width}, 1, 1, 1)
				}
			}
			// The truth: parameters bias, weight[0..2] and their moments.
			p, mean, square := [4]float64{0, 1, 1, 1}, [4]float64{}, [4]float64{}
			average := p
			stream := numerics.Stream{Seed: 5}
			for n := range steps {
				var g [4]float64
				lr := 0.1 / float64(1+n)
				const grains = 3
				var sums map[string]reference.Tensor
				for grain := range grains {
					x, y := f32([]int{rows, width}, make([]float32, rows*width)...), f32([]int{rows}, make([]float32, rows)...)
					for i := range x.F32 {
						x.F32[i] = stream.UniformAt(uint64((n*grains+grain)*100 + i))
					}
					for i := range y.F32 {
						y.F32[i] = stream.UniformAt(uint64((n*grains+grain)*100 + 50 + i))
						e := p[0] - float64(y.F32[i])
						for k := range width {
							e += p[1+k] * float64(x.F32[i*width+k])
						}
						g[0] += 2 * e
						for k := range width {
							g[1+k] += 2 * e * float64(x.F32[i*width+k])
						}
					}
					values["x"], values["target"] = x, y
					if grain == 0 {
						sums = call(t, first, values)
						continue
					}
					for k, v := range sums {
						values[step.AccPrefix+k] = v
					}
					sums = call(t, next, values)
				}
				assert.Equal(t, float32(grains*rows), sums[step.Weight].F32[0])
				norm := 0.0
				for i := range g {
					g[i] /= grains * rows
					norm += g[i] * g[i]
				}
				norm = math.Sqrt(norm)
				for _, q := range m.Parameters {
					values[grad.Prefix+q.Name] = sums[grad.Prefix+q.Name]
				}
				values[step.SumPrefix+step.Weight], values[step.SumPrefix+step.Loss] = sums[step.Weight], sums[step.Loss]
				for k, v := range o.Scalars(lr, uint64(n)) {
					values[step.HostPrefix+k] = f32(nil, v)
				}
				out := call(t, update, values)
				assert.InEpsilon(t, norm, out[step.GradNorm].F32[0], 1e-5)
				for k, v := range out {
					values[k] = v
				}
				clip := 1.0
				if o.MaxGradNorm > 0 {
					clip = min(1, o.MaxGradNorm/(norm+1e-6))
				}
				sizes := func(v [4]float64) float64 { return math.Sqrt(v[1]*v[1] + v[2]*v[2] + v[3]*v[3]) }
				size, slope := sizes(p), clip*sizes(g)
				for i := range p {
					gi, decay := g[i]*clip, o.WeightDecay
					if i == 0 {
						decay = 0
					}
					if o.Name == "lars" {
						local := 1.0
						if i > 0 {
							local = o.Trust * size / (slope + decay*size)
						}
						mean[i] = o.Momentum*mean[i] + lr*local*(gi+decay*p[i])
						p[i] -= mean[i]
						average[i] = o.EMADecay*average[i] + (1-o.EMADecay)*p[i]
						continue
					}
					if o.Name == "sgd" {
						mean[i] = o.Momentum*mean[i] + gi
						p[i] -= lr*decay*p[i] + lr*mean[i]
						continue
					}
					mean[i] = o.Beta1*mean[i] + (1-o.Beta1)*gi
					square[i] = o.Beta2*square[i] + (1-o.Beta2)*gi*gi
					m := mean[i] / (1 - math.Pow(o.Beta1, float64(n+1)))
					v := square[i] / (1 - math.Pow(o.Beta2, float64(n+1)))
					p[i] -= lr*decay*p[i] + lr*m/(math.Sqrt(v)+o.Epsilon)
				}
			}
			const bound = 4 * steps * 15 * 0x1p-24
			for i := range p {
				got := values["bias"].F32
				if i > 0 {
					got = values["weight"].F32[i-1 : i]
				}
				assert.InDelta(t, p[i], got[0], bound*math.Max(1, math.Abs(p[i])), "parameter %d", i)
				if o.EMADecay > 0 {
					name, k := step.SlotName(step.EMASlot, "weight"), i-1
					if i == 0 {
						name, k = step.SlotName(step.EMASlot, "bias"), 0
					}
					assert.InDelta(t, average[i], values[name].F32[k], bound*math.Max(1, math.Abs(p[i])), "average %d", i)
				}
			}
		})
	}
}

// Two steps of LARS by hand, after algorithm 1 of You et al., arXiv 1708.03888:
//
//	local = trust |w| / (|g| + decay |w|);  v = momentum v + rate local (g + decay w);  w = w - v
//
// with numbers that have all of their digits in f32. Decay, momentum and rate are
// 1/2, trust is 1/4.
//
//	w = (3, 4), |w| = 5; g = (1.5, 2), |g| = 2.5:  local = 1.25/5 = 1/4
//	g + w/2 = (3, 4);  v = (3, 4)/8;  w = 7/8 (3, 4) = (2.625, 3.5), |w| = 4.375
//	g = (-1.75, 1.3125), |g| = 2.1875:  local = 1.09375/4.375 = 1/4
//	g + w/2 = (-0.4375, 3.0625);  v = (0.1875, 0.25) + (-0.4375, 3.0625)/8
//
// The bias, which does not decay, has the rate itself.
func TestLARSByHand(t *testing.T) {
	const rows = 4 // gradients are sums over them
	m, loss, batch := regression(t, rows, 2)
	linked, err := step.Link(m, loss, batch)
	require.NoError(t, err)
	first, _, err := step.Grain(joined(t, m), linked)
	require.NoError(t, err)
	o := step.Optimizer{Name: "lars", Momentum: 0.5, WeightDecay: 0.5, Trust: 0.25}
	update, err := step.Update(joined(t, m), 1, o, step.Objective{First: first})
	require.NoError(t, err)
	momentum := func(of string) string { return step.SlotName("momentum_buffer", of) }
	values := map[string]reference.Tensor{
		"bias": f32(nil, 2), "weight": f32([]int{2}, 3, 4), momentum("bias"): f32(nil, 0), momentum("weight"): f32([]int{2}, 0, 0),
		step.SumPrefix + step.Loss: f32(nil, 1), step.SumPrefix + step.Weight: f32(nil, rows),
	}
	for n, x := range []struct{ bias, biasMomentum, biasGradient, weight, weightMomentum, gradient []float32 }{
		{[]float32{1.75}, []float32{0.25}, []float32{0.5}, []float32{2.625, 3.5}, []float32{0.375, 0.5}, []float32{1.5, 2}},
		{[]float32{1.875}, []float32{-0.125}, []float32{-0.5}, []float32{2.4921875, 2.8671875}, []float32{0.1328125, 0.6328125}, []float32{-1.75, 1.3125}},
	} {
		sum := func(mean []float32) (l []float32) {
			for _, v := range mean {
				l = append(l, rows*v)
			}
			return l
		}
		values[grad.Prefix+"bias"], values[grad.Prefix+"weight"] = f32(nil, sum(x.biasGradient)...), f32([]int{2}, sum(x.gradient)...)
		for name, v := range o.Scalars(0.5, uint64(n)) {
			values[step.HostPrefix+name] = f32(nil, v)
		}
		for name, v := range call(t, update, values) {
			values[name] = v
		}
		for name, want := range map[string][]float32{"bias": x.bias, momentum("bias"): x.biasMomentum, "weight": x.weight, momentum("weight"): x.weightMomentum} {
			assert.Equal(t, want, values[name].F32, "%s after step %d", name, n+1)
		}
	}
}

// A chain of grains that is cut in two and combined differs from one chain by
// the order of additions only; the combined sums are left + right.
func TestCombineAdds(t *testing.T) {
	m, loss, batch := regression(t, 2, 1)
	linked, err := step.Link(m, loss, batch)
	require.NoError(t, err)
	first, _, err := step.Grain(joined(t, m), linked)
	require.NoError(t, err)
	combine, err := step.Combine(first)
	require.NoError(t, err)
	values := map[string]reference.Tensor{}
	for i, r := range first.Results {
		s := first.Types()[r.Value].Shape
		n := ir.T(ir.F32, s...).Elements()
		l, h := make([]float32, n), make([]float32, n)
		for k := range n {
			l[k], h[k] = float32(i+1), float32(10*k)+0.5
		}
		values["left."+r.Name], values["right."+r.Name] = f32(s, l...), f32(s, h...)
	}
	for name, v := range call(t, combine, values) {
		for k, got := range v.F32 {
			assert.Equal(t, values["left."+name].F32[k]+values["right."+name].F32[k], got, name)
		}
	}
}

// A buffer moves by the mean over a step's grains of what they saw, and is used
// in evaluation.
func TestBuffersAverageOverGrains(t *testing.T) {
	f32 := ir.T(ir.F32, 2)
	b := ir.NewBuilder("forward")
	w, x := b.Param("w", f32), b.Param("x", f32)
	b.Return("buffer.mean", x)
	b.Return("y", b.Mul(w, x))
	forward, err := b.Func()
	require.NoError(t, err)
	b = ir.NewBuilder("evaluate")
	w, mean, x := b.Param("w", f32), b.Param("mean", f32), b.Param("x", f32)
	b.Return("y", b.FMA(b.Scale(w, 0), x, mean))
	evaluate, err := b.Func()
	require.NoError(t, err)
	m := &plugin.Module{
		Forward: forward, Evaluate: evaluate,
		Parameters: []plugin.Parameter{{Name: "w", Type: f32, Init: plugin.Init{Kind: plugin.InitOnes}}},
		Buffers:    []plugin.ModelBuffer{{Name: "mean", Type: f32, Init: plugin.Init{Kind: plugin.InitOnes}, Decay: 0.7}},
	}
	l := ir.NewBuilder("loss")
	y := l.Param("y", f32)
	l.Return(step.Loss, l.ReduceDot(y, y, 0))
	l.Return(step.Weight, l.Full(ir.T(ir.F32), 1))
	loss, err := l.Func()
	require.NoError(t, err)
	binding := drawn{given{loss, []ir.Param{{Name: "x", Type: f32}}}}
	seen := func(n, grain uint64) []float32 {
		data := make([]byte, 8)
		require.NoError(t, binding.Transform(t.Context(), nil, plugin.Position{Seed: 3, Step: n, Grain: grain}, [][]byte{data}))
		return []float32{math.Float32frombits(binary.LittleEndian.Uint32(data)), math.Float32frombits(binary.LittleEndian.Uint32(data[4:]))}
	}
	const steps, grains = 3, 4
	for _, shards := range []int{1, 2} {
		d := device.Local(reference.Backend{})
		rows := memoryRows{rows: make([]map[string][]int32, grains)}
		trainer, err := train.New(t.Context(), train.Config{
			Module: m, Binding: binding, Rows: rows, Seed: 3, GrainRows: 1, Grains: grains, Shards: shards, Device: d,
			Optimizer: step.Optimizer{Name: "sgd"}, Schedule: schedule.Schedule{Name: "constant", Peak: 0.1, Steps: steps},
		})
		require.NoError(t, err)
		defer trainer.Close()
		require.NoError(t, trainer.Initialize(t.Context()))
		want := []float32{1, 1}
		for n := range uint64(steps) {
			_, err := trainer.Next(t.Context(), n+1)
			require.NoError(t, err)
			for i := range want {
				x := func(grain uint64) float32 { return seen(n, grain)[i] }
				sum := x(0) + x(1)
				if shards == 1 {
					sum = (sum + x(2)) + x(3)
				} else {
					sum += x(2) + x(3)
				}
				keep := 0.7
				want[i] = numerics.FMA(float32(1-keep), sum/grains-want[i], want[i])
			}
			got := make([]byte, 8)
			require.NoError(t, trainer.Parameter("mean").Download(t.Context(), got))
			for i := range want {
				assert.Equal(t, math.Float32bits(want[i]), binary.LittleEndian.Uint32(got[4*i:]), "step %d, %d shards", n, shards)
			}
		}
		e, err := train.NewEvaluator(t.Context(), train.EvaluationConfig{Module: m, Binding: binding, Rows: rows, GrainRows: 1, Device: d})
		require.NoError(t, err)
		defer e.Close()
		got, err := trainer.Evaluate(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, float64(numerics.SumSquares(want)), got.Loss, "the loss of the buffer alone")
	}
}

// given is an objective of a given loss.
type given struct {
	loss  *ir.Func
	batch []ir.Param
}

func (g given) Loss() *ir.Func    { return g.loss }
func (g given) Batch() []ir.Param { return g.batch }
func (given) Transform(context.Context, arrow.Record, plugin.Position, [][]byte) error {
	return nil
}

func TestLinkRefuses(t *testing.T) {
	for want, change := range map[string]func(m *plugin.Module, loss *ir.Func, batch []ir.Param) []ir.Param{
		`the model's input "x" f32[4,2] has no counterpart: the batch gives features, target`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			batch[1].Name = "features"
			return batch
		},
		`the model's input "x" is f32[4,2], but the batch gives it as f32[4,3]`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			batch[1].Type = ir.T(ir.F32, 4, 3)
			return batch
		},
		`the loss's parameter "target" is f32[4], but the batch gives it as f32[5]`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			batch[0].Type = ir.T(ir.F32, 5)
			return batch
		},
		`the loss's parameter "logits" f32[4] has no counterpart`: func(_ *plugin.Module, loss *ir.Func, batch []ir.Param) []ir.Param {
			loss.Params[0].Name = "logits"
			return batch
		},
		`objective: the loss returns no "weight", only loss, count`: func(_ *plugin.Module, loss *ir.Func, batch []ir.Param) []ir.Param {
			loss.Results[1].Name = "count"
			return batch
		},
		`"prediction" is both an output of the model and a field of the batch`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			return append(batch, ir.Param{Name: "prediction", Type: ir.T(ir.F32, 4)})
		},
		`the batch's field "bias" has the name of a parameter`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			return append(batch, ir.Param{Name: "bias", Type: ir.T(ir.F32, 4)})
		},
		`the batch has a field "state", which is the host's own name`: func(_ *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			return append(batch, ir.Param{Name: "state", Type: ir.T(ir.F32, 4)})
		},
		`model: parameter "aaa" does not come after "bias"`: func(m *plugin.Module, _ *ir.Func, batch []ir.Param) []ir.Param {
			m.Parameters[1].Name = "aaa"
			return batch
		},
	} {
		m, loss, batch := regression(t, 4, 2)
		batch = change(m, loss, batch)
		_, err := step.Link(m, loss, batch)
		assert.ErrorContains(t, err, want)
	}
	m, loss, _ := regression(t, 4, 2)
	_, err := step.Update(joined(t, m), 1, step.Optimizer{Name: "adam"}, step.Objective{First: loss})
	assert.ErrorContains(t, err, `unknown optimizer "adam"; there are adamw, sgd and lars`)
}

// joined are the weights of one module.
func joined(t *testing.T, m *plugin.Module) *step.Weights {
	w, err := step.Join(nil, m)
	require.NoError(t, err)
	return w
}
