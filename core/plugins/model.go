package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
)

// model is a model in a process of its own.
type model struct {
	p      *Plugin
	client abiv1.ModelClient
}

func (m *model) Info() plugin.Info { return m.p.Info() }

func (m *model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	if err := wire.CheckConfig(r.Config); err != nil {
		return nil, err
	}
	if err := wire.CheckName(r.Role); err != nil {
		return nil, fmt.Errorf("role: %w", err)
	}
	dims, err := wire.DimsToProto(r.Dims)
	if err != nil {
		return nil, err
	}
	var out *abiv1.BuildResponse
	err = m.p.call(ctx, "Build", func(ctx context.Context) (err error) {
		out, err = m.client.Build(ctx, &abiv1.BuildRequest{Config: r.Config, Role: r.Role, Dims: dims})
		return err
	})
	if err != nil {
		return nil, err
	}
	x, err := moduleFromProto(out, r.Role)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: the module breaks the ABI: %w", m.p.info.Name, err)
	}
	return x, nil
}

func moduleFromProto(m *abiv1.BuildResponse, role string) (*plugin.Module, error) {
	if err := wire.CheckConfig(m.Config); err != nil {
		return nil, err
	}
	if len(m.Config) == 0 {
		return nil, fmt.Errorf("the config is missing")
	}
	if n := max(len(m.Parameters), len(m.Buffers)); n > wire.MaxParameters {
		return nil, fmt.Errorf("%d parameters or buffers are more than %d", n, wire.MaxParameters)
	}
	program, err := wire.FromProto(m.Program)
	if err != nil {
		return nil, err
	}
	name, ok := m.Functions[role]
	if !ok {
		return nil, fmt.Errorf("no function is named for role %q", role)
	}
	x := &plugin.Module{Config: json.RawMessage(m.Config), Forward: program.Func(name)}
	if x.Forward == nil {
		return nil, fmt.Errorf("the program has no function %q, which is that of role %q", clip(name, 256), role)
	}
	for i, pm := range m.Parameters {
		p, err := parameterFromProto(pm)
		if err != nil {
			return nil, fmt.Errorf("parameters[%d] (%q): %w", i, clip(pm.Name, 256), err)
		}
		x.Parameters = append(x.Parameters, p)
	}
	if evaluate, ok := m.EvaluateFunctions[role]; ok {
		if x.Evaluate = program.Func(evaluate); x.Evaluate == nil {
			return nil, fmt.Errorf("the program has no function %q, which evaluates role %q", clip(evaluate, 256), role)
		}
	}
	for i, pm := range m.Buffers {
		b := plugin.ModelBuffer{Name: pm.Name, Decay: pm.Decay}
		err := wire.CheckName(pm.Name)
		if err == nil {
			b.Type, err = wire.TypeFromProto(pm.Type)
		}
		if err == nil {
			b.Init, err = initFromProto(pm.Initializer)
		}
		if err != nil {
			return nil, fmt.Errorf("buffers[%d] (%q): %w", i, clip(pm.Name, 256), err)
		}
		x.Buffers = append(x.Buffers, b)
	}
	return x, x.Check()
}

func parameterFromProto(m *abiv1.Parameter) (plugin.Parameter, error) {
	p := plugin.Parameter{Name: m.Name}
	if err := wire.CheckName(m.Name); err != nil {
		return p, err
	}
	if m.TiedTo != "" {
		return p, fmt.Errorf("is tied to %q; this host does not tie parameters", clip(m.TiedTo, 256))
	}
	var err error
	if p.Type, err = wire.TypeFromProto(m.Type); err != nil {
		return p, err
	}
	if len(m.Tags) > wire.MaxTags {
		return p, fmt.Errorf("%d tags are more than %d", len(m.Tags), wire.MaxTags)
	}
	for i, t := range m.Tags {
		if i > 0 && m.Tags[i-1] >= t {
			return p, fmt.Errorf("tags are not sorted and unique at %q", clip(t, 256))
		}
		if t != "no_decay" {
			return p, fmt.Errorf("unknown tag %q", clip(t, 256))
		}
		p.NoDecay = true
	}
	p.Init, err = initFromProto(m.Initializer)
	return p, err
}

func initFromProto(m *abiv1.Initializer) (plugin.Init, error) {
	switch k := m.GetKind().(type) {
	case *abiv1.Initializer_Zeros_:
		return plugin.Init{Kind: plugin.InitZeros}, nil
	case *abiv1.Initializer_Ones_:
		return plugin.Init{Kind: plugin.InitOnes}, nil
	case *abiv1.Initializer_Normal_:
		return plugin.Init{Kind: plugin.InitNormal, Scale: k.Normal.GetStd(), Mean: k.Normal.GetMean()}, nil
	case *abiv1.Initializer_Uniform_:
		u := k.Uniform
		if math.IsNaN(u.GetHigh()) || u.GetLow() != -u.GetHigh() {
			return plugin.Init{}, fmt.Errorf("its uniform distribution is over [%v, %v); this host draws those around 0", u.GetLow(), u.GetHigh())
		}
		return plugin.Init{Kind: plugin.InitUniform, Scale: u.GetHigh()}, nil
	}
	return plugin.Init{}, fmt.Errorf("the initializer is missing")
}
