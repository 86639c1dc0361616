package run

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
)

// applyRows is how many rows a model is applied to at a time.
const applyRows = 64

// apply compiles a step.Application for the tensors of its model's state. What
// it draws at random it draws the same each time.
func apply(ctx context.Context, d device.Device, b *ir.Builder, state map[string]plugin.Buffer) (*device.Function, error) {
	f, err := b.Func()
	if err != nil {
		return nil, err
	}
	if i := f.Param(step.State); i >= 0 {
		t := f.Params[i].Type
		if state[step.State], err = d.Upload(ctx, t, make([]byte, t.Bytes())); err != nil {
			return nil, err
		}
	}
	return device.NewFunction(ctx, d, f, func(name string) plugin.Buffer { return state[name] })
}

// first puts a model's first values on a device.
func first(ctx context.Context, d device.Device, m *plugin.Module, seed uint64) (map[string]plugin.Buffer, error) {
	state := map[string]plugin.Buffer{}
	put := func(i int, p plugin.Parameter) error {
		v, err := initial.Values(p, i, seed)
		if err != nil {
			return err
		}
		data := make([]byte, 0, 4*len(v))
		for _, x := range v {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		state[p.Name], err = d.Upload(ctx, p.Type, data)
		return err
	}
	for i, p := range m.Parameters {
		if err := put(i, p); err != nil {
			return nil, err
		}
	}
	for _, x := range m.Buffers {
		if err := put(0, plugin.Parameter{Name: x.Name, Type: x.Type, Init: x.Init}); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// eachBatch makes batches of applyRows rows of a dataset in order, as evaluations do,
// and calls f with each, the rows it is made of and the number of them that
// count: the last batch is filled up.
func eachBatch(ctx context.Context, d datasets.Dataset, b plugin.Binding, seed uint64, f func(record arrow.Record, fields map[string][]byte, n int) error) error {
	fields := map[string][]byte{}
	var buffers [][]byte
	for _, p := range b.Batch() {
		fields[p.Name] = make([]byte, p.Type.Bytes())
		buffers = append(buffers, fields[p.Name])
	}
	for from := int64(0); from < d.Len(); from += applyRows {
		list := make([]int64, applyRows)
		for i := range list {
			list[i] = min(from+int64(i), d.Len()-1)
		}
		record, err := d.Read(ctx, list)
		if err != nil {
			return err
		}
		err = b.Transform(ctx, record, plugin.Position{Seed: seed, Step: plugin.EvaluationStep, Grain: uint64(from) / applyRows}, buffers)
		if err == nil {
			err = f(record, fields, int(min(applyRows, d.Len()-from)))
		}
		record.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
