package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/objective"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
)

// wrongObjective is causal_lm with something changed.
type wrongObjective struct {
	causal_lm.Objective
	info func(i *plugin.Info)
	// request changes what it is bound to; bindErr what comes out of an error.
	request func(r *plugin.BindRequest)
	bindErr func(err error) error
	binding func(b *wrongBinding)
}

func (o wrongObjective) Info() plugin.Info {
	i := o.Objective.Info()
	if o.info != nil {
		o.info(&i)
	}
	return i
}

func (o wrongObjective) Bind(ctx context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	if o.request != nil {
		o.request(&r)
	}
	b, err := o.Objective.Bind(ctx, r)
	if err != nil && o.bindErr != nil {
		err = o.bindErr(err)
	}
	if err != nil {
		return nil, err
	}
	w := &wrongBinding{Binding: b, loss: b.Loss(), batch: b.Batch()}
	if o.binding != nil {
		o.binding(w)
	}
	return w, nil
}

type wrongBinding struct {
	plugin.Binding
	loss  *ir.Func
	batch []ir.Param
	// transform replaces Transform; inner is the right one.
	transform func(inner func(rows arrow.Record, at plugin.Position, fields [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error
}

func (b *wrongBinding) Loss() *ir.Func    { return b.loss }
func (b *wrongBinding) Batch() []ir.Param { return b.batch }

func (b *wrongBinding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	inner := func(rows arrow.Record, at plugin.Position, fields [][]byte) error {
		return b.Binding.Transform(ctx, rows, at, fields)
	}
	if b.transform == nil {
		return inner(rows, at, fields)
	}
	return b.transform(inner, rows, at, fields)
}

// rewritten copies a function with some ops replaced.
func rewritten(f *ir.Func, change func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value, results func(b *ir.Builder, byName map[string]ir.Value)) *ir.Func {
	b := ir.NewBuilder(f.Name)
	var m []ir.Value
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		in := make([]ir.Value, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = m[v]
		}
		var out []ir.Value
		if change != nil {
			out = change(b, op, in)
		}
		if out == nil {
			out = b.CopyOp(op, m)
		}
		m = append(m, out...)
	}
	byName := map[string]ir.Value{}
	for _, r := range f.Results {
		byName[r.Name] = m[r.Value]
	}
	if results != nil {
		results(b, byName)
	}
	for _, r := range f.Results {
		if v, ok := byName[r.Name]; ok {
			b.Return(r.Name, v)
		}
	}
	g, err := b.Func()
	if err != nil {
		return f
	}
	return g
}

type transformer = func(inner func(rows arrow.Record, at plugin.Position, fields [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error

func objectives() (l []*Mutant) {
	add := func(class, name string, o wrongObjective) {
		l = append(l, &Mutant{Kind: "objective", Class: class, Name: name, units: func(*Mutant) ([]suite.Unit, func() error, error) {
			s, err := objective.ByRole("causal_lm")
			return objective.Units(o, s, 1, 4), func() error { return nil }, err
		}})
	}
	transform := func(class, name string, f transformer) {
		add(class, name, wrongObjective{binding: func(b *wrongBinding) { b.transform = f }})
	}
	var calls atomic.Uint64
	transform("not the same every time", "a batch depends on how many there were", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		if calls.Add(1)%3 == 0 && err == nil {
			fields[0][0] ^= 1
		}
		return err
	})
	transform("not the same every time", "a batch depends on its step", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		if err == nil {
			fields[0][0] ^= byte(at.Step & 1)
		}
		return err
	})
	transform("slots", "the last element is not written", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		if len(fields) == 0 || len(fields[0]) < 4 {
			return inner(rows, at, fields)
		}
		n := len(fields[0]) - 4
		last := slices.Clone(fields[0][n:])
		err := inner(rows, at, fields)
		copy(fields[0][n:], last)
		return err
	})
	transform("slots", "values are added to what the slot held", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		if len(fields) == 0 || len(fields[0]) == 0 {
			return inner(rows, at, fields)
		}
		held := fields[0][0]
		err := inner(rows, at, fields)
		fields[0][0] |= held
		return err
	})
	transform("slots", "a byte after the slot is written", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		for _, f := range fields {
			if cap(f) > len(f) && err == nil {
				f[:len(f)+1][len(f)] = 0
			}
		}
		return err
	})
	transform("slots", "a byte a cache line after the slot is written", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		for _, f := range fields {
			if cap(f) > len(f)+64 && err == nil {
				f[:len(f)+65][len(f)+64] = 0
			}
		}
		return err
	})
	transform("rows are changed", "tokens are set to 0 once read", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		if lists, ok := rows.Column(0).(*array.FixedSizeList); ok && err == nil {
			lists.ListValues().(*array.Int32).Int32Values()[0] = 5
		}
		return err
	})
	transform("slices of records", "the record's offset is ignored", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		lists, ok := rows.Column(0).(*array.FixedSizeList)
		if !ok || lists.Data().Offset() == 0 {
			return inner(rows, at, fields)
		}
		values := lists.ListValues().(*array.Int32).Int32Values()
		width := int(lists.DataType().(*arrow.FixedSizeListType).Len())
		whole := objective.Lists(int(rows.NumRows()), map[string][]int32{"tokens": values[:int(rows.NumRows())*width]})
		defer whole.Release()
		if rows.NumCols() > 1 {
			return inner(rows, at, fields)
		}
		return inner(whole, at, fields)
	})
	shared := make([]byte, 1<<16)
	transform("several at once", "a scratch buffer is shared", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		if len(fields) == 0 {
			return inner(rows, at, fields)
		}
		err := inner(rows, at, fields)
		n := copy(shared, fields[0])
		time.Sleep(time.Millisecond)
		copy(fields[0], shared[:n])
		return err
	})
	for name, change := range ordered(map[string]func(rows arrow.Record, fields [][]byte) (arrow.Record, [][]byte, bool){
		"a row too many is left out": func(rows arrow.Record, fields [][]byte) (arrow.Record, [][]byte, bool) {
			if rows.NumRows() == 4 {
				return rows.NewSlice(0, 3), fields, true
			}
			return rows, fields, false
		},
		"long buffers are cut": func(rows arrow.Record, fields [][]byte) (arrow.Record, [][]byte, bool) {
			l := slices.Clone(fields)
			for i := range l {
				l[i] = l[i][:len(l[i])/4*4]
			}
			return rows, l, true
		},
	}) {
		transform("bad calls are taken", name, func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
			r, f, _ := change(rows, fields)
			return inner(r, at, f)
		})
	}
	transform("bad calls are taken", "an error is swallowed", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		_ = inner(rows, at, fields) // which is the fault
		return nil
	})
	transform("bad calls are taken", "missing buffers panic", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		_ = fields[len(fields)-1][0]
		_ = fields[2][0]
		return inner(rows, at, fields)
	})
	failed := false
	transform("state after an error", "batches after an error differ", func(inner func(arrow.Record, plugin.Position, [][]byte) error, rows arrow.Record, at plugin.Position, fields [][]byte) error {
		err := inner(rows, at, fields)
		if err != nil {
			failed = true
		} else if failed {
			fields[0][0] ^= 1
			failed = false
		}
		return err
	})
	bound := func(class, name string, f func(b *wrongBinding)) { add(class, name, wrongObjective{binding: f}) }
	bound("contract", "fields are not sorted", func(b *wrongBinding) {
		b.batch = slices.Clone(b.batch)
		b.batch[0], b.batch[1] = b.batch[1], b.batch[0]
	})
	bound("contract", "a field that the model takes is missing", func(b *wrongBinding) { b.batch = b.batch[1:] })
	bound("contract", "no weight", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(_ *ir.Builder, m map[string]ir.Value) { delete(m, "weight") })
	})
	bound("contract", "the loss is a vector", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) { m["loss"] = f.Reshape(m["loss"], 1) })
	})
	bound("contract", "the loss is f64", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) { m["loss"] = f.Convert(m["loss"], ir.F64) })
	})
	bound("the loss", "it is not a number where nothing counts", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) {
			zero := f.Zeros(f.Type(m["loss"]))
			m["loss"] = f.Add(m["loss"], f.Div(zero, zero))
		})
	})
	bound("the loss", "the weight is negative", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) { m["weight"] = f.Negate(m["weight"]) })
	})
	bound("what is free", "ignored labels count", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, func(f *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			if op.Name != "linear_cross_entropy" {
				return nil
			}
			return f.Op(op.Name, in, ir.IntAttr("ignore_index", -7), ir.FloatAttr("z_loss", op.Attrs.Float("z_loss")))
		}, nil)
	})
	bound("what is free", "the loss has a penalty on all of hidden", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) {
			h := ir.Value(b.loss.Param("hidden"))
			m["loss"] = f.Add(m["loss"], f.Scale(f.ReduceDot(h, h, 0, 1, 2), 1e-3))
		})
	})
	bound("what is free", "the weight counts by hidden", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) {
			h := ir.Value(b.loss.Param("hidden"))
			m["weight"] = f.Add(m["weight"], f.ReduceDot(h, h, 0, 1, 2))
		})
	})
	bound("gradients", "the loss stops the gradient", func(b *wrongBinding) {
		b.loss = rewritten(b.loss, nil, func(f *ir.Builder, m map[string]ir.Value) {
			m["loss"] = f.Convert(f.Convert(f.Scale(m["loss"], 1024), ir.I64), ir.F32)
		})
	})
	add("contract", "no role", wrongObjective{info: func(i *plugin.Info) { i.Roles = nil }})
	add("contract", "no version", wrongObjective{info: func(i *plugin.Info) { i.Version = "" }})
	add("bad requests are taken", "any role", wrongObjective{request: func(r *plugin.BindRequest) { r.Role = "causal_lm" }})
	add("bad requests are taken", "unknown inputs are left out", wrongObjective{request: func(r *plugin.BindRequest) {
		r.Inputs = slices.DeleteFunc(slices.Clone(r.Inputs), func(p ir.Param) bool { return p.Name == "unheard_of" })
	}})
	add("bad requests are taken", "unknown fields of the configuration are ignored", wrongObjective{request: func(r *plugin.BindRequest) {
		if string(r.Config) == `{"no_such_field": 1}` {
			r.Config = nil
		}
	}})
	add("bad requests are taken", "a configuration that is no object is ignored", wrongObjective{request: func(r *plugin.BindRequest) {
		var o map[string]json.RawMessage
		if json.Unmarshal(r.Config, &o) != nil {
			r.Config = nil
		}
	}})
	add("bad requests are taken", "panics instead of an error", wrongObjective{bindErr: func(err error) error { panic(errors.Unwrap(err)) }})
	return l
}
