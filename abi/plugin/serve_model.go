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
	if len(m.Parameters) > wire.MaxParameters {
		return nil, fmt.Errorf("%d parameters are more than %d", len(m.Parameters), wire.MaxParameters)
	}
	program, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{m.Forward}})
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
		pm := &abiv1.Parameter{Name: p.Name, Type: t, Initializer: &abiv1.Initializer{}}
		switch p.Init.Kind {
		case InitZeros:
			pm.Initializer.Kind = &abiv1.Initializer_Zeros_{Zeros: &abiv1.Initializer_Zeros{}}
		case InitOnes:
			pm.Initializer.Kind = &abiv1.Initializer_Ones_{Ones: &abiv1.Initializer_Ones{}}
		case InitNormal:
			pm.Initializer.Kind = &abiv1.Initializer_Normal_{Normal: &abiv1.Initializer_Normal{Mean: p.Init.Mean, Std: p.Init.Scale}}
		case InitUniform:
			pm.Initializer.Kind = &abiv1.Initializer_Uniform_{Uniform: &abiv1.Initializer_Uniform{Low: -p.Init.Scale, High: p.Init.Scale}}
		default:
			return nil, fmt.Errorf("parameter %q: unknown init %q", p.Name, p.Init.Kind)
		}
		if p.NoDecay {
			pm.Tags = []string{noDecay}
		}
		out.Parameters[i] = pm
	}
	return out, nil
}
