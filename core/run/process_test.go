package run

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRole(t *testing.T) {
	model := plugin.Info{Name: "gpt", Roles: []string{"causal_lm", "token_prior"}}
	got, err := role(model, plugin.Info{Name: "lm", Roles: []string{"causal_lm"}})
	require.NoError(t, err)
	assert.Equal(t, "causal_lm", got)
	_, err = role(model, plugin.Info{Name: "mae", Roles: []string{"masked_autoencoder"}})
	assert.EqualError(t, err, "objective mae needs a model of role masked_autoencoder, and model gpt plays causal_lm, token_prior: name another objective or another model")
	_, err = role(model, plugin.Info{Name: "two", Roles: []string{"a", "b"}})
	assert.ErrorContains(t, err, "objective two names 2 roles")
}

func TestDeaths(t *testing.T) {
	died := &plugins.Error{Plugin: "cpu", Err: plugins.ErrDied}
	d := deaths{}
	for _, step := range []uint64{4, 0, 5, 0, 6, 4} {
		assert.NoError(t, d.add(step, died))
	}
	err := d.add(0, died)
	assert.ErrorContains(t, err, "given up after the plugin's process ended 3 times in the same step: plugin cpu")
	assert.ErrorIs(t, err, plugins.ErrDied)
	hung := &plugins.Error{Plugin: "cpu", Err: plugins.ErrHung}
	require.NoError(t, d.add(7, hung))
	assert.ErrorContains(t, d.add(7, hung), "given up after the plugin's process ended 2 times in the same step", "each has taken the time limit")
	assert.False(t, mortal(err), "who gives up is not asked to try again")
	assert.True(t, mortal(fmt.Errorf("step 3: %w", died)))
	assert.False(t, mortal(&plugins.Error{Err: plugins.ErrMissing}))
}

// fakeObjective is a process whose Transform dies some times first.
type fakeObjective struct {
	dies   *int
	loss   float64
	closed bool
	before func() // what happens while the next Transform is under way
}

func (*fakeObjective) Info() plugin.Info             { return plugin.Info{Name: "fake"} }
func (*fakeObjective) Model() plugin.Model           { return nil }
func (*fakeObjective) Device() device.Device         { return nil }
func (f *fakeObjective) Objective() plugin.Objective { return f }
func (f *fakeObjective) Close() error                { f.closed = true; return nil }
func (*fakeObjective) Batch() []ir.Param             { return []ir.Param{{Name: "x", Type: ir.T(ir.F32)}} }
func (f *fakeObjective) Bind(context.Context, plugin.BindRequest) (plugin.Binding, error) {
	return f, nil
}
func (f *fakeObjective) Loss() *ir.Func {
	b := ir.NewBuilder("loss")
	b.Return("loss", b.Full(ir.T(ir.F32), f.loss))
	fn, err := b.Func()
	if err != nil {
		panic(err)
	}
	return fn
}
func (f *fakeObjective) Transform(_ context.Context, _ arrow.Record, _ plugin.Position, fields [][]byte) error {
	if before := f.before; before != nil {
		f.before = nil
		before()
	}
	if f.closed {
		return errors.New("it was closed")
	}
	if *f.dies > 0 {
		*f.dies--
		return &plugins.Error{Plugin: "fake", Err: plugins.ErrDied}
	}
	fields[0][0]++
	return nil
}

func TestAnObjectiveThatDiesIsStartedAgain(t *testing.T) {
	ctx, dies, started, told := context.Background(), 0, 0, 0
	loss := 1.0
	first := &fakeObjective{dies: &dies, loss: loss}
	o := &objective{process: first,
		start: func(context.Context) (Process, error) {
			started++
			return &fakeObjective{dies: &dies, loss: loss}, nil
		},
		restart: func(name string, at plugin.Position, cause error) {
			told++
			assert.Equal(t, "fake", name)
			assert.ErrorIs(t, cause, plugins.ErrDied)
		}}
	b, err := o.bind(ctx, plugin.BindRequest{})
	require.NoError(t, err)
	other, err := o.bind(ctx, plugin.BindRequest{})
	require.NoError(t, err)
	fields := [][]byte{{0}}
	at := plugin.Position{Step: 7}

	dies = 2
	require.NoError(t, b.Transform(ctx, nil, at, fields))
	require.NoError(t, other.Transform(ctx, nil, at, fields), "each binding is made again in the new process")
	assert.Equal(t, []int{2, 2, 2}, []int{started, told, int(fields[0][0])})
	assert.True(t, first.closed)

	// Of two batches under way one sees the death and the other the end that followed.
	at.Step = 9
	now, _ := o.current()
	now.(*fakeObjective).before = func() {
		dies = 1
		require.NoError(t, other.Transform(ctx, nil, at, fields))
	}
	require.NoError(t, b.Transform(ctx, nil, at, fields))
	assert.Equal(t, []int{3, 3, 4}, []int{started, told, int(fields[0][0])})

	dies, at.Step = 3, 8
	assert.ErrorContains(t, b.Transform(ctx, nil, at, fields), "given up after the plugin's process ended 3 times")

	dies = 1
	assert.ErrorContains(t, b.Transform(ctx, nil, plugin.Position{Step: 20}, fields), "given up after the plugin's process ended 3 times", "and that is final")
	assert.Equal(t, 5, started)

	o.givenUp = nil
	dies, at.Step, loss = 1, 10, 2
	assert.ErrorContains(t, b.Transform(ctx, nil, at, fields), "gives another loss or batch")
}
