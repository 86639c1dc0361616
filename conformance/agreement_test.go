package conformance

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixedBinding is an objective whose batch is given.
type fixedBinding struct {
	plugin.Binding
	t      *testing.T
	values map[string][]float64
}

func (b fixedBinding) Transform(_ context.Context, _ arrow.Record, _ plugin.Position, fields [][]byte) error {
	for i, f := range b.Batch() {
		copy(fields[i], encode(b.t, f.Type, b.values[f.Name]))
	}
	return nil
}

// goldenRun is a golden system whose model and objective are processes of
// their own, and what is known of it.
type goldenRun struct {
	goldenSystem
	train.Config
	weights, io map[string][]float64
	batch       map[string][]float64 // the golden batch; nil where grains are smaller
}

// start builds a system in grains of some rows, 0 for all, or skips where there
// are no golden files.
func (g goldenSystem) start(t *testing.T, folder string, grainRows int) goldenRun {
	dir := filepath.FromSlash("../../shared/golden/models/" + folder)
	weights, io := goldenFile(t, filepath.Join(dir, "model.safetensors")), goldenFile(t, filepath.Join(dir, "io.safetensors"))
	ctx := context.Background()
	rows := g.dims["batch"]
	if grainRows == 0 {
		grainRows = rows
	}
	dims := maps.Clone(g.dims)
	dims["batch"] = grainRows
	m, err := process(t, plugins.KindModel, g.model.Info().Name).Model().Build(ctx, plugin.BuildRequest{Config: json.RawMessage(g.config), Role: g.role, Dims: dims})
	require.NoError(t, err)
	require.NoError(t, m.Check())
	var names []string
	for _, p := range m.State() {
		names = append(names, p.Name)
		require.Len(t, weights[p.Name], p.Type.Elements(), p.Name)
	}
	for i := range m.Parameters {
		m.Parameters[i].NoDecay = false // as the golden run
	}
	for name := range weights {
		if slices.Contains(g.constants, name) || strings.HasSuffix(name, ".num_batches_tracked") {
			delete(weights, name)
		}
	}
	for name := range weights {
		require.Contains(t, names, name, "the golden model has another parameter")
	}
	data, schema := memoryRows{rows: make([]map[string][]int32, rows)}, batchtest.Schema(g.rows...)
	if g.data != nil {
		data = g.data(io)
		schema = data.Schema()
	}
	b, err := process(t, plugins.KindObjective, g.objective.Info().Name).Objective().Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(g.objectiveConfig), Role: g.role, Dims: dims,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: schema, Properties: g.properties,
	})
	require.NoError(t, err)
	r := goldenRun{goldenSystem: g, weights: weights, io: io}
	switch {
	case g.data == nil:
		r.batch = g.fields(io)
		b = fixedBinding{b, t, r.batch}
	case grainRows == rows:
		r.batch = made(t, b, data)
	}
	for _, f := range b.Batch() {
		if r.batch != nil {
			require.Len(t, r.batch[f.Name], f.Type.Elements(), f.Name)
		}
	}
	r.Config = train.Config{
		Module: m, Binding: b, Rows: data, Seed: 1, GrainRows: grainRows, Grains: rows / grainRows, Shards: 1, NewFields: processes.memory.NewFields,
		Optimizer: step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.01},
		Schedule:  schedule.Schedule{Name: "constant", Peak: goldenRate, Steps: goldenSteps},
	}
	return r
}

// Of the golden runs.
const (
	goldenSteps = 5
	goldenRate  = 1e-3
)

// made returns the batch that an objective makes of all rows in order.
func made(t *testing.T, b plugin.Binding, rows memoryRows) map[string][]float64 {
	all := make([]int64, rows.Len())
	for i := range all {
		all[i] = int64(i)
	}
	record, err := rows.Read(context.Background(), all)
	require.NoError(t, err)
	defer record.Release()
	fields, release := processes.memory.NewFields(b.Batch())
	defer release()
	require.NoError(t, b.Transform(context.Background(), record, plugin.Position{Seed: 1}, fields))
	out := map[string][]float64{}
	for i, f := range b.Batch() {
		out[f.Name] = decode(t, f.Type, fields[i])
	}
	return out
}

// In float64 the programs are the published formulas: outputs, loss and every
// gradient differ from PyTorch's by what the constants of the programs, which
// are rounded to f32, make, 2^-24 each, and otherwise by roundings of 2^-53.
func TestFormulasAgreeWithPyTorch(t *testing.T) {
	for folder, g := range goldenSystems {
		t.Run(folder, func(t *testing.T) {
			bound := max(2, g.wide) * 0x1p-24
			r := g.start(t, folder, 0)
			worst := 0.0
			compare := func(name string, largest float64, want, got []float64) {
				t.Helper()
				require.Len(t, got, len(want), name)
				for i, v := range want {
					e := math.Abs(got[i] - v)
					if e > 0 {
						worst = max(worst, e/largest)
					}
					assert.LessOrEqualf(t, e, bound*largest, "%s[%d] = %g, want %g", name, i, got[i], v)
				}
			}
			same := func(name string, want, got []float64) {
				t.Helper()
				compare(name, largestOf(want), want, got)
			}
			values := maps.Clone(r.weights)
			maps.Copy(values, r.batch)
			got := evaluateWide(t, r.Module.Forward, values)
			g.outputs(t, got, r.io, same)
			if r.Module.Evaluate != nil {
				sameEvaluation(t, r.Module, values, got, same)
			}

			linked, err := step.Link(r.Module, r.Binding.Loss(), r.Binding.Batch())
			require.NoError(t, err)
			var names []string
			for _, p := range r.Module.Parameters {
				names = append(names, p.Name)
			}
			gradient, err := grad.Reverse(linked, step.Loss, names)
			require.NoError(t, err)
			got = evaluateWide(t, gradient, values)
			weight, largest := got[step.Weight][0], largestGradients(r.Module, r.io)
			same("loss", r.io["loss"], []float64{got[step.Loss][0] / weight})
			for _, name := range names {
				d := got[grad.Prefix+name]
				for i := range d {
					d[i] /= weight
				}
				want, ok := r.io["grad."+name]
				require.True(t, ok, name)
				compare("gradient of "+name, largest[name], want, d)
			}
			t.Logf("largest error %.3g of the tensor's largest", worst)
		})
	}
}

// In f32, with model, objective and backend in processes of their own: outputs,
// loss, gradients and five steps agree with PyTorch's in float64 (see train)
// however a step is cut, and both backends have the same bits.
func TestSystemsTrainAsPyTorch(t *testing.T) {
	for folder, g := range goldenSystems {
		t.Run(folder, func(t *testing.T) {
			cuts := []struct{ grainRows, shards int }{{0, 1}}
			if g.data != nil { // samples are independent
				cuts = append(cuts, struct{ grainRows, shards int }{1, 1}, struct{ grainRows, shards int }{1, g.dims["batch"]})
			}
			for _, cut := range cuts {
				r := g.start(t, folder, cut.grainRows)
				r.Shards = cut.shards
				var want map[string][]byte
				for _, backend := range []string{"reference", "cpu"} {
					r.Device = process(t, plugins.KindBackend, backend).Device()
					if r.batch != nil {
						r.forward(t)
					}
					got := r.train(t)
					if want == nil {
						want = got
					}
					assert.Equal(t, want, got, "the backends' bits differ")
					require.NoError(t, r.Device.Close())
				}
			}
		})
	}
}

// forward compares what the model puts out.
func (r goldenRun) forward(t *testing.T) {
	ctx := context.Background()
	f, err := device.Lower(r.Module.Forward, r.Device.Info())
	require.NoError(t, err)
	program, err := r.Device.Compile(ctx, f, nil)
	require.NoError(t, err)
	defer program.Release()
	var args []plugin.Argument
	for _, p := range f.Params {
		v, ok := r.weights[p.Name]
		if !ok {
			v = r.batch[p.Name]
		}
		args = append(args, plugin.Argument{Data: encode(t, p.Type, v)})
	}
	run, err := program.Queue(ctx, args)
	require.NoError(t, err)
	got := map[string][]float64{}
	for i, b := range run.Results() {
		data := make([]byte, b.Type().Bytes())
		require.NoError(t, b.Download(ctx, data))
		got[f.Results[i].Name] = decode(t, b.Type(), data)
		b.Release()
	}
	worst, bound := 0.0, max(16, r.roundings)*0x1p-24
	r.outputs(t, got, r.io, func(name string, want, got []float64) {
		t.Helper()
		require.Len(t, got, len(want), name)
		largest := largestOf(want)
		for i, v := range want {
			e := math.Abs(got[i]-v) / largest
			worst = max(worst, e)
			assert.LessOrEqualf(t, e, bound, "%s[%d] = %g, want %g", name, i, got[i], v)
		}
	})
	t.Logf("%s: largest error of outputs %.3g of the tensor's largest", r.Device.Info().Name, worst)
}

func largestOf(x []float64) float64 {
	largest := 0.0
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}

// largestGradients returns the size that errors in the gradients of each
// parameter are compared with: that of the largest element, or, where a
// gradient is 0 but for roundings (that of a key's bias, which no softmax
// feels), of the largest of all.
func largestGradients(m *plugin.Module, io map[string][]float64) map[string]float64 {
	largest, most := map[string]float64{}, 0.0
	for _, p := range m.Parameters {
		largest[p.Name] = largestOf(io["grad."+p.Name])
		most = max(most, largest[p.Name])
	}
	for name, v := range largest {
		if v < 0x1p-20*most {
			largest[name] = most
		}
	}
	return largest
}

// train trains from golden weights and returns all state: the gradients
// and buffers of the first step, the losses and weights of five AdamW steps agree with
// PyTorch's in float64.
//
// Bounds. A gradient is a sum of products along a path of about 100 rounded
// operations; errors of 2^-24 each, partly cancelling, leave about 16 of them:
// every element agrees to 16 * 2^-24 of the largest of its tensor (see
// largestGradients). Twice the path, of encoder and decoder, leaves up to twice
// as many. Adam divides
// a gradient by its own size, so an error e in a gradient g moves a weight by
// up to lr * e / (|g| + epsilon), and never by more than 2 lr, in each step; an
// element whose gradient changes much between steps can be near zero in any of
// them, for which the bound takes the smallest of |g| seen: that of the first.
func (r goldenRun) train(t *testing.T) map[string][]byte {
	const steps, lr, epsilon = goldenSteps, goldenRate, 1e-8
	gradient, io := max(16, r.roundings)*0x1p-24, r.io
	ctx := context.Background()
	trainer, err := train.New(ctx, r.Config)
	require.NoError(t, err)
	defer trainer.Close()
	require.NoError(t, trainer.Restore(ctx, 0, func(name string, typ ir.Type) ([]byte, error) {
		if x, ok := r.weights[name]; ok {
			return encode(t, typ, x), nil
		}
		return make([]byte, typ.Bytes()), nil // an optimizer slot
	}))
	worstGradient, worstWeight, worstLoss, worstBuffer, buffers := 0.0, 0.0, 0.0, 0.0, 0
	largest := largestGradients(r.Module, io)
	for n := range steps {
		m, err := trainer.Next(ctx, uint64(n)+1)
		require.NoError(t, err)
		worstLoss = max(worstLoss, math.Abs(m.Loss-io["losses"][n]))
		if n > 0 {
			continue
		}
		require.NoError(t, trainer.Visit(ctx, func(name string, _ ir.Type, data []byte) error {
			if average, ok := io["buf."+name]; ok {
				for i, v := range average {
					got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
					e := math.Abs(got-v) / largestOf(average)
					worstBuffer = max(worstBuffer, e)
					assert.LessOrEqualf(t, e, gradient, "buffer %s[%d] = %g, want %g", name, i, got, v)
				}
				buffers++
			}
			p, ok := strings.CutPrefix(name, "exp_avg.")
			if !ok {
				return nil
			}
			want := io["grad."+p]
			require.Len(t, want, len(data)/4, name)
			for i, v := range want {
				got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))) / float64(float32(1-0.9))
				e := math.Abs(got-v) / largest[p]
				worstGradient = max(worstGradient, e)
				assert.LessOrEqualf(t, e, gradient, "gradient of %s[%d] = %g, want %g", p, i, got, v)
			}
			return nil
		}))
	}
	state := map[string][]byte{}
	require.NoError(t, trainer.Visit(ctx, func(name string, _ ir.Type, data []byte) error {
		state[name] = slices.Clone(data)
		want, ok := io["after."+name]
		if !ok {
			return nil
		}
		for i, v := range want {
			got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
			e := math.Abs(got - v)
			worstWeight = max(worstWeight, e)
			size := math.Abs(io["grad."+name][i]) + epsilon
			bound := steps * (lr*min(2, 8*gradient*largest[name]/size) + 4*0x1p-24*math.Abs(v))
			assert.LessOrEqualf(t, e, bound, "%s[%d] = %g, want %g", name, i, got, v)
		}
		return nil
	}))
	assert.LessOrEqual(t, worstLoss, 16*0x1p-24*math.Abs(io["losses"][0]))
	assert.Equal(t, len(r.Module.Buffers), buffers, "buffers compared")
	t.Logf("largest errors: loss %.3g, gradient %.3g and buffer %.3g of the tensor's largest, weight after %d steps %.3g", worstLoss, worstGradient, worstBuffer, steps, worstWeight)
	return state
}
