package conformance

import (
	"context"
	"encoding/json"
	"fmt"
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
	bounds      roundings
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
	r := goldenRun{goldenSystem: g, weights: weights, io: io, bounds: goldenRoundings[folder].allowed()}
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
// are rounded to f32, make, and otherwise by roundings of 2^-53. Where PyTorch
// computes in f32 in places, its result has roundings of f32.
func TestFormulasAgreeWithPyTorch(t *testing.T) {
	for folder, g := range goldenSystems {
		t.Run(folder, func(t *testing.T) {
			r := g.start(t, folder, 0)
			bounds := roundings{2, 2, 2, 0}
			if g.mixed {
				bounds = r.bounds
			}
			values := maps.Clone(r.weights)
			maps.Copy(values, r.batch)
			outputs := agreement{t: t, bound: bounds.outputs}
			trained := evaluateWide(t, r.Module.Forward, values)
			g.outputs(t, trained, r.io, outputs.same)
			if r.Module.Evaluate != nil {
				sameEvaluation(t, r.Module, values, trained, outputs.same)
			}

			linked, err := step.Link(r.Module, r.Binding.Loss(), r.Binding.Batch())
			require.NoError(t, err)
			var names []string
			for _, p := range r.Module.Parameters {
				names = append(names, p.Name)
			}
			gradient, err := grad.Reverse(linked, step.Loss, names)
			require.NoError(t, err)
			got := evaluateWide(t, gradient, values)
			weight, largest := got[step.Weight][0], largestGradients(r.Module.Parameters, r.io)
			loss := agreement{t: t, bound: bounds.loss}
			loss.same("loss", r.io["loss"], []float64{got[step.Loss][0] / weight})
			gradients := agreement{t: t, bound: bounds.gradients}
			for _, name := range names {
				d := got[grad.Prefix+name]
				for i := range d {
					d[i] /= weight
				}
				want, ok := r.io["grad."+name]
				require.True(t, ok, name)
				gradients.within(name, largest[name], want, d)
			}
			t.Logf("largest errors in roundings of f32: %v of outputs, %v of loss, %v of gradients", outputs, loss, gradients)
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

// BERT's two objectives as two plugins, each with a batch and a pass of its own,
// have the gradients, losses and steps of the one pass that PyTorch makes.
func TestObjectivesComposeAsPyTorch(t *testing.T) {
	g := goldenSystems["bert"]
	var want map[string][]byte
	for _, backend := range []string{"reference", "cpu"} {
		r := g.start(t, "bert", 0)
		r.Device = process(t, plugins.KindBackend, backend).Device()
		r.Name, r.Weight = "masked_lm", 1
		r.Module, r.Binding = r.part(t, "masked_lm", "masked_lm", `{"mask_rate": 0.84, "cls_token_id": 0, "sep_token_id": 1, "mask_token_id": 2}`)
		m, b := r.part(t, "next_sentence", "sentence_pairs", `{"cls_token_id": 0, "sep_token_id": 1}`)
		r.More = []train.Objective{{Name: "sentence_pairs", Module: m, Binding: b, Weight: 1}}
		got := r.train(t)
		if want == nil {
			want = got
		}
		assert.Equal(t, want, got, "the backends' bits differ")
		require.NoError(t, r.Device.Close())
	}
}

// part builds the system's model in another role, with an objective that has
// the golden batch.
func (r goldenRun) part(t *testing.T, role, objective, config string) (*plugin.Module, plugin.Binding) {
	ctx := context.Background()
	m, err := process(t, plugins.KindModel, r.model.Info().Name).Model().Build(ctx, plugin.BuildRequest{Config: json.RawMessage(r.config), Role: role, Dims: r.dims})
	require.NoError(t, err)
	for i := range m.Parameters {
		m.Parameters[i].NoDecay = false
	}
	b, err := process(t, plugins.KindObjective, objective).Objective().Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(config), Role: role, Dims: r.dims,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: batchtest.Schema(tokenRows(19)...), Properties: r.properties,
	})
	require.NoError(t, err)
	for _, f := range b.Batch() {
		require.Len(t, r.batch[f.Name], f.Type.Elements(), f.Name)
	}
	return m, fixedBinding{b, t, r.batch}
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
	a := agreement{t: t, bound: r.bounds.outputs}
	r.outputs(t, got, r.io, a.same)
	t.Logf("%s: largest error of outputs in roundings of f32: %v", r.Device.Info().Name, a)
}

// agreement compares numbers up to a bound, in units of 2^-24, and keeps the
// largest difference.
type agreement struct {
	t            *testing.T
	bound, worst float64
}

func (a agreement) String() string { return fmt.Sprintf("%.2g (%.3g allowed)", a.worst, a.bound) }

// same compares a tensor; differences are measured by its largest element.
func (a *agreement) same(name string, want, got []float64) {
	a.t.Helper()
	a.within(name, largestOf(want), want, got)
}

func (a *agreement) within(name string, largest float64, want, got []float64) {
	a.t.Helper()
	require.Len(a.t, got, len(want), name)
	for i, v := range want {
		if got[i] == v {
			continue
		}
		e := math.Abs(got[i]-v) / largest / unit
		a.worst = max(a.worst, e)
		if !(e <= a.bound) {
			assert.Failf(a.t, "PyTorch differs", "%s[%d] = %g, want %g: %.3g roundings, %.3g allowed", name, i, got[i], v, e, a.bound)
		}
	}
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
func largestGradients(parameters []plugin.Parameter, io map[string][]float64) map[string]float64 {
	largest, most := map[string]float64{}, 0.0
	for _, p := range parameters {
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

// train trains from golden weights and returns all state: the gradients and
// buffers of the first step, the losses and the weights of five AdamW steps agree with
// PyTorch's in float64 (see roundings).
func (r goldenRun) train(t *testing.T) map[string][]byte {
	ctx, io, allowed := context.Background(), r.io, r.bounds
	trainer, err := train.New(ctx, r.Config)
	require.NoError(t, err)
	defer trainer.Close()
	require.NoError(t, trainer.Restore(ctx, 0, func(name string, typ ir.Type) ([]byte, error) {
		if x, ok := r.weights[name]; ok {
			return encode(t, typ, x), nil
		}
		return make([]byte, typ.Bytes()), nil // an optimizer slot
	}))
	loss, gradients, weights := agreement{t: t, bound: allowed.loss}, agreement{t: t, bound: allowed.gradients}, 0.0
	buffers, compared := agreement{t: t, bound: allowed.outputs}, 0
	largest := largestGradients(trainer.Weights().Parameters, io)
	state := map[string][]byte{}
	for n := range goldenSteps {
		m, err := trainer.Next(ctx, uint64(n)+1)
		require.NoError(t, err)
		loss.within("loss", math.Abs(io["losses"][0]), io["losses"][n:][:1], []float64{m.Loss})
		if n > 0 && n < goldenSteps-1 {
			continue
		}
		require.NoError(t, trainer.Visit(ctx, func(name string, typ ir.Type, data []byte) error {
			got := decode(t, typ, data)
			if p, ok := strings.CutPrefix(name, "exp_avg."); ok && n == 0 {
				for i := range got {
					got[i] /= float64(float32(1 - r.Optimizer.Beta1))
				}
				gradients.within("gradient of "+p, largest[p], io["grad."+p], got)
			}
			if want, ok := io["buf."+name]; ok && n == 0 {
				buffers.same("buffer "+name, want, got)
				compared++
			}
			if n == 0 {
				return nil
			}
			state[name] = slices.Clone(data)
			for i, want := range io["after."+name] {
				e := math.Abs(got[i] - want)
				weights = max(weights, e)
				if bound := weightBound(allowed.weights*unit*largest[name], want, io["grad."+name][i]); !(e <= bound) {
					assert.Failf(t, "PyTorch differs", "%s[%d] = %g, want %g: the difference is %.3g, %.3g allowed", name, i, got[i], want, e, bound)
				}
			}
			return nil
		}))
	}
	assert.Equal(t, len(trainer.Weights().Buffers), compared, "buffers compared")
	t.Logf("%s: largest errors in roundings of f32: %v of losses, %v of gradients, %v of buffers; %.3g of a weight", r.Device.Info().Name, loss, gradients, buffers, weights)
	return state
}

// An error e of gradients moves a weight by at most moves * e / |gradient| of
// the learning rate in an AdamW step, and never by more than most. In step n of
// five, Adam's update is m / sqrt(v), both averages of what the gradients and
// their squares were: m <= 1.11 sqrt(v) by Cauchy's inequality, so that two
// updates differ by at most twice that; and a change of all gradients by e
// changes m and sqrt(v) by e each, so the update by (1 + 1.11) e / sqrt(v),
// where v is at least 0.2 times the square of the first gradient.
const (
	most  = 2.22
	moves = 2.11 / 0.4472
)

// weightBound is how far a golden weight may move in all steps for an error e
// of gradients, whose first was g: what Adam makes of it, and four roundings of
// the weight a step.
func weightBound(e, weight, g float64) float64 {
	return goldenSteps * (goldenRate*min(most, moves*e/(math.Abs(g)+1e-8)) + 4*unit*math.Abs(weight))
}

// gradientError is the error of gradients for which weightBound is difference.
func gradientError(difference, weight, g float64) float64 {
	return max(0, difference/goldenSteps-4*unit*math.Abs(weight)) / goldenRate / moves * (math.Abs(g) + 1e-8)
}
