package device

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
)

// Function is a compiled function of tensors that stay the same from run to run
// and of others that each run is given, whose results all come to the host.
type Function struct {
	Program
	Results []ir.Param // names and types

	params []ir.Param
	held   func(name string) plugin.Buffer
}

// NewFunction compiles f for a device, without what no result depends on. held
// returns the tensors that stay, nil for others; they remain the caller's.
func NewFunction(ctx context.Context, d Device, f *ir.Func, held func(name string) plugin.Buffer) (*Function, error) {
	f, err := grad.Prune(f)
	if err != nil {
		return nil, err
	}
	x := &Function{params: f.Params, held: held}
	types := f.Types()
	for _, r := range f.Results {
		x.Results = append(x.Results, ir.Param{Name: r.Name, Type: types[r.Value]})
	}
	if x.Program, err = Compile(ctx, d, f, nil); err != nil {
		return nil, err
	}
	return x, nil
}

// Run returns the bytes of each result by its name. inputs are those of the
// parameters that are not held; it is an error if one is missing.
func (f *Function) Run(ctx context.Context, inputs map[string][]byte) (_ map[string][]byte, err error) {
	args := make([]plugin.Argument, len(f.params))
	for i, p := range f.params {
		if data, ok := inputs[p.Name]; ok {
			args[i].Data = data
		} else if args[i].Buffer = f.held(p.Name); args[i].Buffer == nil {
			return nil, fmt.Errorf("there are no values for parameter %q", p.Name)
		}
	}
	run, err := f.Queue(ctx, args)
	if err != nil {
		return nil, err
	}
	buffers := run.Results()
	defer func() {
		for _, b := range buffers {
			b.Release()
		}
	}()
	if _, err := run.Wait(ctx); err != nil {
		return nil, err
	}
	if len(buffers) != len(f.Results) {
		return nil, fmt.Errorf("the backend returned %d results of %d", len(buffers), len(f.Results))
	}
	out := map[string][]byte{}
	for i, r := range f.Results {
		out[r.Name] = make([]byte, r.Type.Bytes())
		if err := buffers[i].Download(ctx, out[r.Name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
