package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// command runs a command in this process and returns its standard output.
func command(args ...string) (string, error) {
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(context.Background())
	return out.String(), err
}

func save(t *testing.T, values ...byte) string {
	dir := t.TempDir()
	s := checkpoint.State{Step: 3, Samples: 12, ABI: "1.0", Parameters: []safetensors.Tensor{
		{Name: "w", Type: ir.T(ir.U8, len(values)), Data: safetensors.Bytes(values)},
	}}
	_, err := checkpoint.Save(dir, s, 1)
	require.NoError(t, err)
	return filepath.Join(dir, checkpoint.FolderName(3))
}

func TestCheckpointCommands(t *testing.T) {
	a, b := save(t, 1, 2, 3), save(t, 1, 9, 3)
	out, err := command("checkpoint", "show", a)
	require.NoError(t, err)
	assert.Contains(t, out, "step           3\n")
	out, err = command("checkpoint", "show", "--json", a)
	require.NoError(t, err)
	assert.Contains(t, out, `"samples": 12`)
	out, err = command("checkpoint", "verify", a, b)
	require.NoError(t, err)
	assert.Contains(t, out, b+": good, weights ")
	out, err = command("checkpoint", "diff", a, a)
	require.NoError(t, err)
	assert.Equal(t, "all parameters are equal\n", out)
	out, err = command("checkpoint", "diff", a, b)
	assert.EqualError(t, err, "1 parameters differ")
	assert.Contains(t, out, "w")

	file := filepath.Join(a, "model.safetensors")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o600))
	out, err = command("checkpoint", "verify", a, b)
	require.ErrorIs(t, err, checkpoint.ErrDamaged)
	assert.Contains(t, out, b+": good", "the others are still verified")
	var usage *usageError
	_, err = command("checkpoint", "show")
	assert.ErrorAs(t, err, &usage)
}
