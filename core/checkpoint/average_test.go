package checkpoint

import (
	"bytes"
	"io"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteAverages(t *testing.T) {
	of := func(name string) string { return "ema." + name }
	tensor := func(name string, n int, fill byte) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Type: ir.T(ir.F32, n), Data: func(w io.Writer) error {
			_, err := w.Write(bytes.Repeat([]byte{fill, 0, 0, 0}, n))
			return err
		}}
	}
	save := func(slots ...safetensors.Tensor) *Checkpoint {
		saved, err := Save(t.TempDir(), State{
			Step: 1, ABI: "1.0", Recipe: "{}", Parameters: []safetensors.Tensor{tensor("a", 2, 1), tensor("b", 3, 2)},
			Optimizer: slots, Metadata: map[string]string{"format": "pt"},
		}, 0)
		require.NoError(t, err)
		c, err := Open(saved.Path)
		require.NoError(t, err)
		return c
	}
	var b bytes.Buffer
	require.NoError(t, save(tensor("ema.b", 3, 7), tensor("exp_avg.a", 2, 9)).WriteAverages(&b, of))
	f, err := safetensors.Parse("average", bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, f.Names())
	assert.Equal(t, map[string]string{"format": "pt"}, f.Metadata())
	for name, fill := range map[string]byte{"a": 1, "b": 7} {
		data, err := f.Read(name)
		require.NoError(t, err)
		assert.Equal(t, fill, data[0], name)
	}
	assert.ErrorContains(t, save(tensor("exp_avg.a", 2, 9)).WriteAverages(&b, of), "keeps no running averages")
	assert.ErrorContains(t, save(tensor("ema.a", 4, 9)).WriteAverages(&b, of), `"a" is f32[2] and its average f32[4]`)
}
