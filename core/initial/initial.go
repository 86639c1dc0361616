package initial

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// streamStep is the step of the streams that initial values come from: one
// that no run reaches, so that training never draws the same bits.
const streamStep = 1<<32 - 1

// Values returns the first values of parameter number index (in name order) of
// a run: element i depends on seed, index and i alone. Normal values are
// rule 14's times the scale, one rounding, plus a mean that is not 0, another;
// uniform ones are
// fma(u, 2 scale, -scale).
func Values(p plugin.Parameter, index int, seed uint64) ([]float32, error) {
	if p.Type.DType != ir.F32 {
		return nil, fmt.Errorf("parameter %q is %v; initial values are f32", p.Name, p.Type)
	}
	if index < 0 || index > 1<<31 {
		return nil, fmt.Errorf("parameter %q has number %d", p.Name, index)
	}
	out := make([]float32, p.Type.Elements())
	s := numerics.Stream{Seed: seed, Stream: uint32(index), Step: streamStep}
	scale := numerics.F32FromF64(p.Init.Scale)
	switch p.Init.Kind {
	case plugin.InitZeros:
	case plugin.InitOnes:
		for i := range out {
			out[i] = 1
		}
	case plugin.InitNormal:
		s.FillNormal(out, 0)
		mean := numerics.F32FromF64(p.Init.Mean)
		for i, z := range out {
			out[i] = float32(z * scale)
			if mean != 0 {
				out[i] += mean
			}
		}
	case plugin.InitUniform:
		for i := range out {
			out[i] = numerics.FMA(s.UniformAt(uint64(i)), 2*scale, -scale)
		}
	default:
		return nil, fmt.Errorf("parameter %q: unknown init %q", p.Name, p.Init.Kind)
	}
	return out, nil
}
