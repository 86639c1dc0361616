package conformance

import (
	"context"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counting is a device that counts runs by function.
type counting struct {
	device.Device
	runs map[string]int
}

func (d counting) Compile(ctx context.Context, f *ir.Func, host []string) (device.Program, error) {
	p, err := d.Device.Compile(ctx, f, host)
	return countingProgram{p, f.Name, d.runs}, err
}

type countingProgram struct {
	device.Program
	name string
	runs map[string]int
}

func (p countingProgram) Queue(ctx context.Context, args []plugin.Argument) (device.Run, error) {
	p.runs[p.name]++
	return p.Program.Queue(ctx, args)
}

// equalLogits compares bits.
func equalLogits(t *testing.T, want, got []float32, n int) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "logit %d after %d tokens", i, n)
	}
}

// Logits computed from kept keys and values are those of the whole window to
// the bit, past the end of the context and after another text; and they are
// what is computed, not windows.
func TestKeptKeysChangeNothing(t *testing.T) {
	for name, config := range generated {
		for backend, newDevice := range map[string]func() device.Device{
			"reference": func() device.Device { return device.Local(reference.Backend{}) },
			"cpu":       func() device.Device { return device.Local(newCPU(t, "", 2)) },
		} {
			t.Run(name+" "+backend, func(t *testing.T) {
				tokens := []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7, 9, 5, 0, 2, 8, 8, 4, 1, 9, 7, 1, 6, 9, 3, 9, 9, 3, 7, 5, 1}
				d := counting{newDevice(), map[string]int{}}
				g := generator(t, d, config, 40)
				for n := 1; n <= len(tokens); n++ {
					got, err := g.Logits(t.Context(), tokens[:n])
					require.NoError(t, err)
					if n == 20 { // another text; then this one again
						_, err := g.Logits(t.Context(), []int32{7, 7, 7, 7, 7, 7, 7, 7, 7})
						require.NoError(t, err)
					}
					fresh := counting{newDevice(), map[string]int{}}
					want, err := generator(t, fresh, config, 40).Logits(t.Context(), tokens[:n])
					require.NoError(t, err)
					equalLogits(t, want, got, n)
				}
				require.NoError(t, g.Forgetful())
				// Windows: the first 8 tokens; the other text and this again; 41, of which half are forgotten. After the last of the eight and
				// of each window since, one token is computed again. Before the 33rd token there is no room.
				assert.Equal(t, map[string]int{"last_logits": 11, "next_logits": 40 + 4, "more_room": 1}, d.runs)
			})
		}
	}
}

// mixing is a model whose positions meet outside of attention: each sees the sum
// of all before it.
func mixing(t *testing.T, vocab, sequence int) *plugin.Module {
	b := ir.NewBuilder("forward")
	typ := ir.T(ir.F32, vocab, 4)
	w := b.Param("w", typ)
	x := b.Gather(0, w, b.Param("input_ids", ir.T(ir.I32, 1, sequence)))
	b.Return("hidden", b.Cumsum(x, 1, false))
	b.Return("output_embedding", w)
	f, err := b.Func()
	require.NoError(t, err)
	return &plugin.Module{Forward: f, Parameters: []plugin.Parameter{{Name: "w", Type: typ, Init: plugin.Init{Kind: plugin.InitOnes}}}}
}

// A model that cannot be continued from keys and values is found out, and
// computed by windows.
func TestNothingIsKeptOfOtherModels(t *testing.T) {
	const vocab, most = 30, 24
	newGenerator := func(d device.Device) *generate.Generator {
		typ := ir.T(ir.F32, vocab, 4)
		values := reference.Tensor{Type: typ}
		for i := range typ.Elements() {
			values.F32 = append(values.F32, float32(i%7)-3)
		}
		data := make([]byte, typ.Bytes())
		require.NoError(t, values.Encode(data))
		w, err := d.Upload(t.Context(), typ, data)
		require.NoError(t, err)
		g, err := generate.New(t.Context(), generate.Config{
			Device: d, Context: most, Parameter: func(string) plugin.Buffer { return w },
			Build: func(_ context.Context, sequence int) (*plugin.Module, error) { return mixing(t, vocab, sequence), nil },
		})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		return g
	}
	d := counting{device.Local(reference.Backend{}), map[string]int{}}
	g := newGenerator(d)
	for n := 1; n <= most+4; n++ {
		tokens := make([]int32, n)
		for i := range tokens {
			tokens[i] = int32(i * 11 % vocab)
		}
		got, err := g.Logits(t.Context(), tokens)
		require.NoError(t, err)
		want, err := newGenerator(device.Local(reference.Backend{})).Logits(t.Context(), tokens)
		require.NoError(t, err)
		equalLogits(t, want, got, n)
	}
	assert.ErrorContains(t, g.Forgetful(), "by other ways than attention")
	assert.Equal(t, map[string]int{"last_logits": most + 4, "next_logits": 1}, d.runs, "it was tried once")
}
