package plugin

import (
	"context"
	"fmt"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/wire"
)

// noDecay is the tag of a parameter that is exempt from weight decay.
const noDecay = "no_decay"

type modelServer struct {
	abiv1.UnimplementedModelServer
	model Model
}

func (s *modelServer) Build(ctx context.Context, r *abiv1.BuildRequest) (*abiv1.BuildResponse, error) {
	if err := wire.CheckConfig(r.Config); err != nil {
		return nil, err
	}
	if err := wire.CheckName(r.Role); err != nil {
		return nil, fmt.Errorf("role: %w", err)
	}
	dims, err := wire.DimsFromProto(r.Dims)
	if err != nil {
		return nil, err
	}
	m, err := s.model.Build(ctx, BuildRequest{Config: r.Config, Role: r.Role, Dims: dims})
	if err != nil {
		return nil, err
	}
	return moduleToProto(m, r.Role)
}

func moduleToProto(m *Module, role string) (*abiv1.BuildResponse, error) {
	if m == nil {
		return nil, fmt.Errorf("the model returned no module")
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := wire.CheckConfig(m.Config); err != nil {
		return nil, err
	}
	if n := max(len(m.Parameters), len(m.Buffers)); n > wire.MaxParameters {
		return nil, fmt.Errorf("%d parameters or buffers are more than %d", n, wire.MaxParameters)
	}
	functions := &ir.Program{Funcs: []*ir.Func{m.Forward}}
	if m.Evaluate != nil {
		functions.Funcs = append(functions.Funcs, m.Evaluate)
	}
	program, err := wire.ToProto(functions)
	if err != nil {
		return nil, err
	}
	out := &abiv1.BuildResponse{
		Config:     m.Config,
		Program:    program,
		Functions:  map[string]string{role: m.Forward.Name},
		Parameters: make([]*abiv1.Parameter, len(m.Parameters)),
	}
	for i, p := range m.Parameters {
		t, err := wire.TypeToProto(p.Type)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		pm := &abiv1.Parameter{Name: p.Name, Type: t}
		if pm.Initializer, err = initToProto(p.Init); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		if p.NoDecay {
			pm.Tags = []string{noDecay}
		}
		out.Parameters[i] = pm
	}
	if m.Evaluate != nil {
		out.EvaluateFunctions = map[string]string{role: m.Evaluate.Name}
	}
	for _, x := range m.Buffers {
		pm := &abiv1.ModelBuffer{Name: x.Name, Decay: x.Decay}
		if pm.Type, err = wire.TypeToProto(x.Type); err != nil {
			return nil, fmt.Errorf("buffer %q: %w", x.Name, err)
		}
		if pm.Initializer, err = initToProto(x.Init); err != nil {
			return nil, fmt.Errorf("buffer %q: %w", x.Name, err)
		}
		out.Buffers = append(out.Buffers, pm)
	}
	return out, nil
}

func initToProto(i Init) (*abiv1.Initializer, error) {
	switch i.Kind {
	case InitZeros:
		return &abiv1.Initializer{Kind: &abiv1.Initializer_Zeros_{Zeros: &abiv1.Initializer_Zeros{}}}, nil
	case InitOnes:
		return &abiv1.Initializer{Kind: &abiv1.Initializer_Ones_{Ones: &abiv1.Initializer_Ones{}}}, nil
	case InitNormal:
		return &abiv1.Initializer{Kind: &abiv1.Initializer_Normal_{Normal: &abiv1.Initializer_Normal{Mean: i.Mean, Std: i.Scale}}}, nil
	case InitUniform:
		return &abiv1.Initializer{Kind: &abiv1.Initializer_Uniform_{Uniform: &abiv1.Initializer_Uniform{Low: -i.Scale, High: i.Scale}}}, nil
	}
	return nil, fmt.Errorf("unknown init %q", i.Kind)
}
