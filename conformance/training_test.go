package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memoryRows is a dataset of token rows in memory.
type memoryRows struct {
	columns []string
	rows    []map[string][]int32
}

func (m memoryRows) Schema() *arrow.Schema {
	var fields []arrow.Field
	for _, c := range m.columns {
		fields = append(fields, arrow.Field{Name: c, Type: arrow.FixedSizeListOf(int32(len(m.rows[0][c])), arrow.PrimitiveTypes.Int32)})
	}
	return arrow.NewSchema(fields, nil)
}
func (m memoryRows) Len() int64          { return int64(len(m.rows)) }
func (m memoryRows) Fingerprint() string { return "memory" }
func (m memoryRows) Close() error        { return nil }
func (m memoryRows) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, m.Schema())
	defer b.Release()
	for _, r := range rows {
		for i, c := range m.columns {
			list := b.Field(i).(*array.FixedSizeListBuilder)
			list.Append(true)
			list.ValueBuilder().(*array.Int32Builder).AppendValues(m.rows[r][c], nil)
		}
	}
	return b.NewRecord(), nil
}

// goldenFile reads all tensors of a safetensors file as float64.
func goldenFile(t *testing.T, path string) map[string][]float64 {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no golden outputs: %v", err)
	}
	f, err := safetensors.Open(path)
	require.NoError(t, err)
	defer f.Close()
	out := map[string][]float64{}
	for _, name := range f.Names() {
		data, err := f.Read(name)
		require.NoError(t, err)
		typ, _ := f.Type(name)
		for i := 0; i < len(data); i += typ.DType.Size() {
			var v float64
			switch le := binary.LittleEndian; typ.DType {
			case ir.F32:
				v = float64(math.Float32frombits(le.Uint32(data[i:])))
			case ir.F64:
				v = math.Float64frombits(le.Uint64(data[i:]))
			case ir.I64:
				v = float64(int64(le.Uint64(data[i:])))
			default:
				require.Fail(t, "dtype", typ.DType)
			}
			out[name] = append(out[name], v)
		}
	}
	return out
}

// golden builds a GPT and its objective for rows of sequence+1 tokens.
func golden(t *testing.T, config string, batch, sequence int, rows memoryRows) train.Config {
	ctx, dims := context.Background(), map[string]int{"batch": batch, "sequence": sequence}
	m, err := gpt.Model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(config), Role: "causal_lm", Dims: dims})
	require.NoError(t, err)
	b, err := causal_lm.Objective{}.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(`{"document_boundaries": false}`), Role: "causal_lm", Dims: dims,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: rows.Schema(),
	})
	require.NoError(t, err)
	return train.Config{Module: m, Binding: b, Rows: rows, Seed: 1, Device: device.Local(reference.Backend{})}
}

// A run's bits depend on neither the backend, nor its instruction set or
// threads, nor on how far the host is ahead, nor on having been stopped.
func TestTrainingIsIdentical(t *testing.T) {
	for name, system := range map[string]func(t *testing.T) train.Config{
		"gpt with dropout": func(t *testing.T) train.Config {
			const sequence = 6
			rows := memoryRows{columns: []string{"tokens"}}
			for r := range 5 {
				row := map[string][]int32{}
				for i := range sequence + 1 {
					row["tokens"] = append(row["tokens"], int32((7*r+i*i)%11))
				}
				rows.rows = append(rows.rows, row)
			}
			c := golden(t, `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 1, "n_head": 2, "resid_pdrop": 0.2}`, 1, sequence, rows)
			c.GrainRows = 1
			return c
		},
		"resnet with buffers": func(t *testing.T) train.Config {
			g := resnetSystem("basic")
			g.config = `{"image_size": 8, "embedding_size": 4, "layer_type": "basic", "hidden_size_1": 4, "depth_1": 1, "depth_2": 0, "depth_3": 0, "depth_4": 0, "num_labels": 3}`
			g.dims = map[string]int{"batch": 2}
			g.rows = []batchtest.Column{{Name: "image", Length: 3 * 8 * 8, Values: []uint8{}, Image: [3]int{8, 8, 3}}, {Name: "label", Values: []int32{}}}
			c := g.build(t)
			c.Binding = drawn{c.Binding}
			return c
		},
		"two objectives, frozen embeddings, LARS and averages": func(t *testing.T) train.Config {
			g := goldenSystems["bert"]
			g.config = `{"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 9, "hidden_dropout_prob": 0.1}`
			g.dims, g.rows = map[string]int{"batch": 2, "sequence": 9}, tokenRows(9)
			g.role, g.objective, g.objectiveConfig = "next_sentence", masked_lm.SentencePairs, `{"cls_token_id": 0, "sep_token_id": 1}`
			pairs := g.build(t)
			g.role, g.objective, g.objectiveConfig = "masked_lm", masked_lm.Objective{}, `{"cls_token_id": 0, "sep_token_id": 1, "mask_token_id": 2}`
			c := g.build(t)
			c.Rows = memoryRows{columns: []string{"tokens"}}
			for r := range 5 {
				row := map[string][]int32{}
				for i := range 9 {
					row["tokens"] = append(row["tokens"], int32(3+(7*r+i*i)%47))
				}
				c.Rows = memoryRows{columns: []string{"tokens"}, rows: append(c.Rows.(memoryRows).rows, row)}
			}
			c.Name, c.Weight, c.Freeze = "masked_lm", 0.75, []string{"bert.embeddings.*_embeddings.weight"}
			c.More = []train.Objective{{Name: "sentence_pairs", Module: pairs.Module, Binding: pairs.Binding, Weight: 0.5}}
			c.Optimizer = step.Optimizer{Name: "lars", Momentum: 0.9, WeightDecay: 0.01, Trust: 0.2, MaxGradNorm: 1, EMADecay: 0.9}
			return c
		},
	} {
		t.Run(name, func(t *testing.T) { trainsIdentically(t, system) })
	}
}

// build builds a system in this process, with as many rows a grain as its batch
// has.
func (g goldenSystem) build(t *testing.T) train.Config {
	ctx := context.Background()
	m, err := g.model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(g.config), Role: g.role, Dims: g.dims})
	require.NoError(t, err)
	b, err := g.objective.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(g.objectiveConfig), Role: g.role, Dims: g.dims,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: batchtest.Schema(g.rows...), Properties: g.properties,
	})
	require.NoError(t, err)
	rows := g.dims["batch"]
	return train.Config{Module: m, Binding: b, Rows: memoryRows{rows: make([]map[string][]int32, rows)}, Seed: 1, GrainRows: rows}
}

// drawn is an objective whose batch is drawn anew for each grain.
type drawn struct{ plugin.Binding }

func (d drawn) Transform(_ context.Context, _ arrow.Record, at plugin.Position, fields [][]byte) error {
	for i := range fields {
		s := numerics.Stream{Seed: at.Seed, Step: uint32(at.Step), Stream: uint32(i)<<16 + uint32(at.Grain)}
		for k := range len(fields[i]) / 4 {
			binary.LittleEndian.PutUint32(fields[i][4*k:], math.Float32bits(s.UniformAt(uint64(k))))
		}
	}
	return nil
}

// trainsIdentically trains a system in many ways.
func trainsIdentically(t *testing.T, system func(t *testing.T) train.Config) {
	const steps = 4
	ctx := context.Background()
	begin := func(prefetch, inFlight int, d device.Device) *train.Trainer {
		c := system(t)
		c.Grains, c.Shards, c.Prefetch, c.InFlight, c.Device = 6, 3, prefetch, inFlight, d
		if c.Optimizer.Name == "" {
			c.Optimizer = step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, MaxGradNorm: 1}
		}
		c.Schedule = schedule.Schedule{Name: "cosine", Peak: 0.01, Warmup: 2, Steps: steps}
		x, err := train.New(ctx, c)
		require.NoError(t, err)
		t.Cleanup(x.Close)
		require.NoError(t, x.Initialize(ctx))
		return x
	}
	start := func(prefetch int, b plugin.Backend) *train.Trainer { return begin(prefetch, 1, device.Local(b)) }
	queued := func(prefetch, inFlight int) *train.Trainer {
		return begin(prefetch, inFlight, newQueueDevice(t, reference.Backend{}))
	}
	run := func(x *train.Trainer, n int) (losses []float64) {
		until := x.Step() + uint64(n)
		for range n {
			m, err := x.Next(ctx, until)
			require.NoError(t, err)
			losses = append(losses, m.Loss)
		}
		return losses
	}
	state := func(x *train.Trainer) map[string][]byte {
		s := map[string][]byte{}
		require.NoError(t, x.Visit(ctx, func(name string, _ ir.Type, data []byte) error {
			s[name] = append([]byte(nil), data...)
			return nil
		}))
		return s
	}
	whole := start(1, reference.Backend{})
	losses, want := run(whole, steps), state(whole)
	initial := state(start(1, reference.Backend{}))
	for name, data := range want {
		moved := !bytes.Equal(initial[name], data)
		assert.Equal(t, !strings.HasSuffix(name, "_embeddings.weight"), moved, name)
	}

	for prefetch := 1; prefetch <= 5; prefetch++ {
		for inFlight := 1; inFlight <= 3; inFlight++ {
			x := queued(prefetch, inFlight)
			assert.Equal(t, losses, run(x, steps), "prefetch %d, %d steps in flight", prefetch, inFlight)
			assert.Equal(t, want, state(x), "prefetch %d, %d steps in flight", prefetch, inFlight)
		}
	}

	first := start(2, reference.Backend{})
	run(first, 2)
	saved := state(first)
	resumed := start(3, newCPU(t, "", 2))
	require.NoError(t, resumed.Restore(ctx, 2, func(name string, _ ir.Type) ([]byte, error) { return saved[name], nil }))
	assert.Equal(t, losses[2:], run(resumed, 2))
	assert.Equal(t, want, state(resumed))

	// Back to the middle, with a step in flight.
	again := queued(3, 3)
	_, err := again.Next(ctx, steps)
	require.NoError(t, err)
	require.NoError(t, again.Restore(ctx, 2, func(name string, _ ir.Type) ([]byte, error) { return saved[name], nil }))
	assert.Equal(t, losses[2:], run(again, 2))
	assert.Equal(t, want, state(again))

	for _, path := range paths {
		for threads := 1; threads <= 3; threads++ {
			t.Run(fmt.Sprintf("cpu %s, %d threads", path, threads), func(t *testing.T) {
				x := start(2, newCPU(t, path, threads))
				assert.Equal(t, losses, run(x, steps))
				assert.Equal(t, want, state(x))
			})
		}
	}
}

// paths are those of the cpu backend.
var paths = []string{"portable", "avx2", "avx512", "neon"}

// newCPU returns a cpu backend, or skips where the machine cannot run path.
func newCPU(t *testing.T, path string, threads int) plugin.Backend {
	t.Setenv("SEEDBED_CPU", path)
	b, err := cpu.New(cpu.Options{Threads: threads, Path: path})
	if err != nil && path != "portable" {
		t.Skipf("not on this machine: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b
}
