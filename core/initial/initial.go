package initial

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Step is the step of the streams that initial values come from: one
// that no run reaches, so that training never draws the same bits.
const Step = 1<<32 - 1

// Values returns the first values of parameter number index (in name order) of
// a run: element i depends on seed, index and i alone. Normal values are
// rule 14's times the scale, one rounding, plus a mean that is not 0, another;
// uniform ones are
// fma(u, 2 scale, -scale).
func Values(p plugin.Parameter, index int, seed uint64) ([]float32, error) {
	if err := check(p, index); err != nil {
		return nil, err
	}
	out := make([]float32, p.Type.Elements())
	s := numerics.Stream{Seed: seed, Stream: uint32(index), Step: Step}
	scale, mean := numerics.F32FromF64(p.Init.Scale), numerics.F32FromF64(p.Init.Mean)
	switch p.Init.Kind {
	case plugin.InitZeros:
	case plugin.InitOnes:
		for i := range out {
			out[i] = 1
		}
	case plugin.InitNormal:
		inParts(out, func(part []float32, first uint64) {
			s.FillNormal(part, first)
			for i, z := range part {
				part[i] = float32(z * scale)
				if mean != 0 {
					part[i] += mean
				}
			}
		})
	case plugin.InitUniform:
		inParts(out, func(part []float32, first uint64) {
			s.FillUniform(part, first)
			for i, u := range part {
				part[i] = numerics.FMA(u, 2*scale, -scale)
			}
		})
	default:
		return nil, fmt.Errorf("parameter %q: unknown init %q", p.Name, p.Init.Kind)
	}
	return out, nil
}

// Value gives what Values gives, as a value of a program, of a step.State (u32[4]) that is the seed's at step Step and grain 0.
func Value(b *ir.Builder, state ir.Value, p plugin.Parameter, index int) (ir.Value, error) {
	if err := check(p, index); err != nil {
		return ir.NoValue, err
	}
	t := p.Type
	scale, mean := float64(numerics.F32FromF64(p.Init.Scale)), float64(numerics.F32FromF64(p.Init.Mean))
	drawn := []ir.Attr{ir.IntsAttr("shape", t.Shape...), ir.IntAttr("stream", index)}
	switch p.Init.Kind {
	case plugin.InitZeros:
		return b.Zeros(t), nil
	case plugin.InitOnes:
		return b.Full(t, 1), nil
	case plugin.InitNormal:
		x := b.Mul(b.Op("random_normal", []ir.Value{state}, drawn...)[0], b.Full(t, scale))
		if mean != 0 {
			x = b.Add(x, b.Full(t, mean))
		}
		return x, nil
	case plugin.InitUniform:
		return b.Op("random_uniform", []ir.Value{state}, append(drawn, ir.FloatAttr("low", -scale), ir.FloatAttr("high", scale))...)[0], nil
	}
	return ir.NoValue, fmt.Errorf("parameter %q: unknown init %q", p.Name, p.Init.Kind)
}

func check(p plugin.Parameter, index int) error {
	if p.Type.DType != ir.F32 {
		return fmt.Errorf("parameter %q is %v; initial values are f32", p.Name, p.Type)
	}
	if index < 0 || index > 1<<31 {
		return fmt.Errorf("parameter %q has number %d", p.Name, index)
	}
	return nil
}

// partSize is a number of elements that a processor draws at a time: whole blocks of the generator.
const partSize = 1 << 14

// inParts calls draw for each part of x, the index of whose first element it is told, on all processors.
func inParts(x []float32, draw func(part []float32, first uint64)) {
	var next atomic.Int64
	var done sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(x)+partSize-1)/partSize) {
		done.Go(func() {
			for {
				lo := int(next.Add(partSize)) - partSize
				if lo >= len(x) {
					return
				}
				draw(x[lo:min(lo+partSize, len(x))], uint64(lo))
			}
		})
	}
	done.Wait()
}
