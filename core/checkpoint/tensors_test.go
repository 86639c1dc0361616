package checkpoint

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeTensors writes a file of tensors u8[1], whose one byte is given.
func writeTensors(t *testing.T, path string, values map[string]byte) {
	var list []safetensors.Tensor
	for name, v := range values {
		list = append(list, safetensors.Tensor{Name: name, Type: ir.T(ir.U8, 1), Data: func(w io.Writer) error {
			_, err := w.Write([]byte{v})
			return err
		}})
	}
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, list, nil))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
}

func TestOpenTensors(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "model-00001-of-00002.safetensors"), filepath.Join(dir, "model-00002-of-00002.safetensors")
	writeTensors(t, one, map[string]byte{"a": 1, "b": 2})
	writeTensors(t, two, map[string]byte{"c": 3})
	index := filepath.Join(dir, indexFile)
	write := func(text string) { require.NoError(t, os.WriteFile(index, []byte(text), 0o666)) }
	write(`{"metadata": {"total_size": 3}, "weight_map": {"b": "model-00001-of-00002.safetensors", "a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}}`)
	for _, path := range []string{dir, index} {
		x, err := OpenTensors(path)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b", "c"}, x.Names())
		for i, name := range x.Names() {
			data, err := x.Read(name)
			require.NoError(t, err)
			assert.Equal(t, []byte{byte(i + 1)}, data)
			typ, err := x.Type(name)
			require.NoError(t, err)
			assert.Equal(t, "u8[1]", typ.String())
		}
		_, err = x.Read("d")
		assert.ErrorContains(t, err, `no tensor "d"`)
		_, err = x.Type("d")
		assert.ErrorContains(t, err, `no tensor "d"`)
		require.NoError(t, x.Close())
	}
	for want, text := range map[string]string{
		`no tensor "d"`:                          `{"weight_map": {"d": "model-00001-of-00002.safetensors"}}`,
		`is not the name of a file beside it`:    `{"weight_map": {"a": "../x.safetensors"}}`,
		`"x/y.safetensors" is not the name of a`: `{"weight_map": {"a": "x/y.safetensors"}}`,
		`has no weight_map`:                      `{}`,
		`unexpected end of JSON`:                 `{`,
		`no such file`:                           `{"weight_map": {"a": "gone.safetensors"}}`,
	} {
		write(text)
		_, err := OpenTensors(dir)
		assert.ErrorContains(t, err, want)
	}

	// A file of the usual name is all there is.
	writeTensors(t, filepath.Join(dir, ModelFile), map[string]byte{"z": 9})
	x, err := OpenTensors(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"z"}, x.Names())
	require.NoError(t, x.Close())
	x, err = OpenTensors(two)
	require.NoError(t, err)
	assert.Equal(t, []string{"c"}, x.Names())
	require.NoError(t, x.Close())

	empty := t.TempDir()
	_, err = OpenTensors(empty)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "no checkpoint, no model.safetensors and no model.safetensors.index.json")
	require.NoError(t, os.WriteFile(filepath.Join(empty, "pytorch_model.bin"), nil, 0o666))
	_, err = OpenTensors(empty)
	assert.ErrorContains(t, err, "a program in Python's pickle")
	_, err = OpenTensors(filepath.Join(empty, "nowhere"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
