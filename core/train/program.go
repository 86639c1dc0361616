package train

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

// program is a compiled function and the names of what it takes and gives.
type program struct {
	device.Program
	params, results []string
}

// compile lowers a function to what the device runs. The results named in host
// come with a run.
func compile(ctx context.Context, d device.Device, f *ir.Func, host []string) (*program, error) {
	c, err := device.Compile(ctx, d, f, host)
	if err != nil {
		return nil, err
	}
	p := &program{Program: c}
	for _, x := range f.Params {
		p.params = append(p.params, x.Name)
	}
	for _, r := range f.Results {
		p.results = append(p.results, r.Name)
	}
	return p, nil
}

// tensors are tensors on the device by name.
type tensors map[string]plugin.Buffer

func (t tensors) release() {
	for _, b := range t {
		if b != nil {
			b.Release()
		}
	}
	clear(t)
}

// queue asks for a run on arguments found by name and returns the results that
// stay on the device.
func (p *program) queue(ctx context.Context, args func(name string) plugin.Argument) (tensors, device.Run, error) {
	in := make([]plugin.Argument, len(p.params))
	for i, name := range p.params {
		in[i] = args(name)
	}
	run, err := p.Queue(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	out := run.Results()
	if len(out) != len(p.results) {
		return nil, nil, fmt.Errorf("the device returned %d results of %d", len(out), len(p.results))
	}
	results := tensors{}
	for i, name := range p.results {
		if out[i] != nil {
			results[name] = out[i]
		}
	}
	return results, run, nil
}

// scalars decodes host results that are f32[].
func scalars(names []string, data [][]byte) (map[string]float64, error) {
	if len(data) != len(names) {
		return nil, fmt.Errorf("the device gave %d results to the host, of %d", len(data), len(names))
	}
	out := make(map[string]float64, len(names))
	for i, name := range names {
		if len(data[i]) != 4 {
			return nil, fmt.Errorf("the device gave %d bytes as result %q, which is f32[]", len(data[i]), name)
		}
		out[name] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[i])))
	}
	return out, nil
}

func bytesOf(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// stateBytes is the value of step.State at a position.
func stateBytes(at plugin.Position) []byte {
	var b []byte
	for _, v := range []uint32{uint32(at.Seed), uint32(at.Seed >> 32), uint32(at.Step), uint32(at.Grain)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}
