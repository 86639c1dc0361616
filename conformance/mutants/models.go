package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/model"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/resnet"
)

// wrongModel is a model with something changed.
type wrongModel struct {
	plugin.Model
	info    func(i *plugin.Info)
	request func(r *plugin.BuildRequest)
	err     func(err error) error
	module  func(m *plugin.Module)
}

func (w wrongModel) Info() plugin.Info {
	i := w.Model.Info()
	if w.info != nil {
		w.info(&i)
	}
	return i
}

func (w wrongModel) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	if w.request != nil {
		w.request(&r)
	}
	m, err := w.Model.Build(ctx, r)
	if err != nil {
		if w.err != nil {
			err = w.err(err)
		}
		return nil, err
	}
	if w.module != nil {
		w.module(m)
	}
	return m, nil
}

func models() (l []*Mutant) {
	of := func(m plugin.Model, class, name string, w wrongModel) {
		w.Model = m
		l = append(l, &Mutant{Kind: "model", Class: class, Name: name, units: func(*Mutant) ([]suite.Unit, func() error, error) {
			s, err := model.ByName(m.Info().Name)
			return model.Units(w, s, 1, 4), func() error { return nil }, err
		}})
	}
	add := func(class, name string, w wrongModel) { of(gpt.Model, class, name, w) }
	module := func(class, name string, f func(m *plugin.Module)) { add(class, name, wrongModel{module: f}) }
	change := func(class, name string, f func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) {
		module(class, name, func(m *plugin.Module) { m.Forward = rewritten(m.Forward, f, nil) })
	}
	outputs := func(class, name string, f func(m *plugin.Module, b *ir.Builder, out map[string]ir.Value)) {
		module(class, name, func(m *plugin.Module) {
			m.Forward = rewritten(m.Forward, nil, func(b *ir.Builder, out map[string]ir.Value) { f(m, b, out) })
		})
	}
	module("parameters", "one that nothing uses", func(m *plugin.Module) {
		p := plugin.Parameter{Name: "zzz.weight", Type: ir.T(ir.F32, 3), Init: plugin.Init{Kind: plugin.InitNormal, Scale: 0.02}}
		f := m.Forward
		b := ir.NewBuilder(f.Name)
		var args []ir.Value
		for i, q := range f.Params {
			if i == len(m.Parameters) {
				b.Param(p.Name, p.Type)
			}
			args = append(args, b.Param(q.Name, q.Type))
		}
		for i, v := range b.Inline(f, args) {
			b.Return(f.Results[i].Name, v)
		}
		if g, err := b.Func(); err == nil {
			m.Forward, m.Parameters = g, append(slices.Clone(m.Parameters), p)
		}
	})
	module("parameters", "out of order", func(m *plugin.Module) {
		m.Parameters = slices.Clone(m.Parameters)
		m.Parameters[0], m.Parameters[1] = m.Parameters[1], m.Parameters[0]
	})
	module("parameters", "one is declared with another shape", func(m *plugin.Module) {
		m.Parameters = slices.Clone(m.Parameters)
		m.Parameters[0].Type = m.Parameters[0].Type.With(append(slices.Clone(m.Parameters[0].Type.Shape), 1)...)
	})
	module("parameters", "one is not declared", func(m *plugin.Module) { m.Parameters = m.Parameters[1:] })
	scale := func(name string, f func(i *plugin.Init)) {
		module("initial values", name, func(m *plugin.Module) {
			m.Parameters = slices.Clone(m.Parameters)
			for i := range m.Parameters {
				if m.Parameters[i].Init.Kind == plugin.InitNormal {
					f(&m.Parameters[i].Init)
				}
			}
		})
	}
	scale("all begin at zero by a scale of 0", func(i *plugin.Init) { i.Scale = 0 })
	scale("a scale of 50", func(i *plugin.Init) { i.Scale = 50 })
	scale("a negative scale", func(i *plugin.Init) { i.Scale = -0.02 })
	scale("an unknown distribution", func(i *plugin.Init) { i.Kind = "xavier" })
	var builds atomic.Int64
	module("not the same every time", "a constant counts the builds", func(m *plugin.Module) {
		n := float64(builds.Add(1))
		m.Forward = rewritten(m.Forward, nil, func(b *ir.Builder, out map[string]ir.Value) {
			out["hidden"] = b.Scale(out["hidden"], 1+float64(n/1024))
		})
	})
	module("not the same every time", "weight decay depends on the build", func(m *plugin.Module) {
		m.Parameters = slices.Clone(m.Parameters)
		m.Parameters[0].NoDecay = builds.Add(1)%2 == 0
	})
	module("configuration", "the whole one is empty", func(m *plugin.Module) { m.Config = json.RawMessage(`{}`) })
	module("configuration", "the whole one is not an object", func(m *plugin.Module) { m.Config = json.RawMessage(`[]`) })
	module("configuration", "the whole one has a field too many", func(m *plugin.Module) {
		m.Config = json.RawMessage(strings.Replace(string(m.Config), "{", `{"more": 1,`, 1))
	})
	outputs("contract", "hidden has another name", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		b.Return("states", out["hidden"])
		delete(out, "hidden")
	})
	outputs("contract", "hidden is flat", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		s := b.Type(out["hidden"]).Shape
		if len(s) == 3 {
			out["hidden"] = b.Reshape(out["hidden"], s[0]*s[1], s[2])
		}
	})
	outputs("contract", "hidden is bf16", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		out["hidden"] = b.Convert(out["hidden"], ir.BF16)
	})
	outputs("contract", "the embedding is transposed", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		out["output_embedding"] = b.Transpose(out["output_embedding"], 1, 0)
	})
	add("contract", "no role", wrongModel{info: func(i *plugin.Info) { i.Roles = nil }})
	change("look ahead", "attention is not causal", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		if op.Name != "scaled_dot_product_attention" {
			return nil
		}
		return b.Op(op.Name, in, ir.BoolAttr("causal", false), ir.FloatAttr("scale", op.Attrs.Float("scale")))
	})
	outputs("look ahead", "the mean over positions is taken out", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		h := out["hidden"]
		t := b.Type(h)
		mean := b.Scale(b.ReduceSum(h, 1), 1/float64(t.Shape[1]))
		out["hidden"] = b.Sub(h, b.BroadcastInDim(mean, t.Shape, []int{0, 2}))
	})
	outputs("rows see each other", "the mean over rows is taken out", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		h := out["hidden"]
		t := b.Type(h)
		mean := b.Scale(b.ReduceSum(h, 0), 1e-3/float64(t.Shape[0]))
		out["hidden"] = b.Sub(h, b.BroadcastInDim(mean, t.Shape, []int{1, 2}))
	})
	outputs("rows see each other", "all rows are the first", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		h := out["hidden"]
		t := b.Type(h)
		out["hidden"] = b.BroadcastInDim(b.SliceDim(h, 0, 0, 1), t.Shape, []int{0, 1, 2})
	})
	outputs("values", "hidden is not a number", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		out["hidden"] = b.Log(b.Sub(out["hidden"], b.Full(b.Type(out["hidden"]), 1e6)))
	})
	outputs("values", "hidden is all zeros", func(_ *plugin.Module, b *ir.Builder, out map[string]ir.Value) {
		out["hidden"] = b.Scale(out["hidden"], 0)
	})
	change("gradients", "the MLP is rounded to integers", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		switch op.Name {
		case "gelu_tanh", "gelu", "relu", "silu":
			return []ir.Value{b.Convert(b.Convert(b.Scale(in[0], 8), ir.I32), ir.F32)}
		}
		return nil
	})
	change("gradients", "attention scores do not count", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		if op.Name != "scaled_dot_product_attention" {
			return nil
		}
		return b.Op(op.Name, in, ir.BoolAttr("causal", true), ir.FloatAttr("scale", 0))
	})
	request := func(name string, f func(r *plugin.BuildRequest)) {
		add("bad requests are taken", name, wrongModel{request: f})
	}
	request("any role", func(r *plugin.BuildRequest) { r.Role = "causal_lm" })
	request("sizes below 1 become 1", func(r *plugin.BuildRequest) {
		d := map[string]int{}
		for k, v := range r.Dims {
			d[k] = max(v, 1)
		}
		r.Dims = d
	})
	request("unknown dimensions are ignored", func(r *plugin.BuildRequest) {
		d := map[string]int{}
		for _, k := range []string{"batch", "sequence"} {
			if v, ok := r.Dims[k]; ok {
				d[k] = v
			}
		}
		r.Dims = d
	})
	request("unknown fields are ignored", func(r *plugin.BuildRequest) {
		if string(r.Config) == `{"no_such_field": 1}` {
			r.Config = nil
		}
	})
	request("what is no object is ignored", func(r *plugin.BuildRequest) {
		var o map[string]json.RawMessage
		if json.Unmarshal(r.Config, &o) != nil {
			r.Config = json.RawMessage(`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}`)
		}
	})
	request("negative numbers become 1", func(r *plugin.BuildRequest) {
		r.Config = json.RawMessage(strings.ReplaceAll(string(r.Config), ":-1", ":1"))
	})
	failure := func(name string, f func(err error) error) { add("wrong errors", name, wrongModel{err: f}) }
	failure("the field is not named", func(err error) error {
		var c *plugin.ConfigError
		if errors.As(err, &c) {
			return &plugin.ConfigError{Msg: c.Msg}
		}
		return err
	})
	failure("errors of the configuration are plain", func(err error) error { return errors.New(err.Error()) })
	failure("errors panic", func(err error) error { panic(err) })
	buffers := func(name string, f func(m *plugin.Module)) {
		of(resnet.Model, "buffers", name, wrongModel{module: f})
	}
	buffers("one is missing", func(m *plugin.Module) { m.Buffers = m.Buffers[1:] })
	buffers("one begins with noise", func(m *plugin.Module) {
		m.Buffers = slices.Clone(m.Buffers)
		m.Buffers[0].Init = plugin.Init{Kind: plugin.InitNormal, Scale: 1}
	})
	buffers("the decay depends on the build", func(m *plugin.Module) {
		m.Buffers = slices.Clone(m.Buffers)
		m.Buffers[0].Decay = 1 / float64(1+builds.Add(1))
	})
	buffers("there is no evaluation", func(m *plugin.Module) { m.Evaluate = nil })
	buffers("evaluation gives too little", func(m *plugin.Module) {
		f := *m.Evaluate
		f.Results = f.Results[:1]
		m.Evaluate = &f
	})
	buffers("evaluation is training", func(m *plugin.Module) {
		b := ir.NewBuilder(m.Evaluate.Name)
		var args []ir.Value
		for _, p := range m.Evaluate.Params {
			if v := b.Param(p.Name, p.Type); m.Forward.Param(p.Name) >= 0 {
				args = append(args, v)
			}
		}
		for i, v := range b.Inline(m.Forward, args) {
			if name := m.Forward.Results[i].Name; !strings.HasPrefix(name, plugin.BufferPrefix) {
				b.Return(name, v)
			}
		}
		if f, err := b.Func(); err == nil {
			m.Evaluate = f
		}
	})
	evaluate := func(name string, f func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value) {
		buffers(name, func(m *plugin.Module) { m.Evaluate = rewritten(m.Evaluate, f, nil) })
	}
	evaluate("evaluation takes the mean of the batch", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		if op.Name != "batch_norm_inference" {
			return nil
		}
		_, mean, _ := b.BatchNormTraining(in[0], in[1], in[2], op.Attrs.Float("epsilon"))
		weightless := b.Add(mean, b.Scale(in[3], 0x1p-20)) // the buffer is used
		return []ir.Value{b.BatchNormInference(in[0], in[1], in[2], weightless, in[4], op.Attrs.Float("epsilon"))}
	})
	evaluate("evaluation takes the logarithm of a buffer", func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		if op.Name != "batch_norm_inference" {
			return nil
		}
		return []ir.Value{b.BatchNormInference(in[0], in[1], in[2], b.Log(b.Negate(in[4])), in[4], op.Attrs.Float("epsilon"))}
	})
	buffers("what one takes does not depend on the batch", func(m *plugin.Module) {
		m.Forward = rewritten(m.Forward, nil, func(b *ir.Builder, out map[string]ir.Value) {
			name := plugin.BufferPrefix + m.Buffers[0].Name
			out[name] = b.Full(b.Type(out[name]), 0.5)
		})
	})
	return l
}
