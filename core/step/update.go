package step

import (
	"fmt"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
)

// Optimizer says how parameters follow gradients.
type Optimizer struct {
	Name         string  // "adamw" or "sgd"
	Beta1, Beta2 float64 // of adamw
	Epsilon      float64 // of adamw
	Momentum     float64 // of sgd
	WeightDecay  float64 // decoupled: the learning rate times this, a step
	// MaxGradNorm bounds the norm of the mean gradient over all parameters; 0
	// for no bound.
	MaxGradNorm float64
}

// Slots returns the names of the tensors that the optimizer keeps for each
// parameter, such as "exp_avg". They start as zeros.
func (o Optimizer) Slots() []string {
	if o.Name == "sgd" {
		return []string{"momentum_buffer"}
	}
	return []string{"exp_avg", "exp_avg_sq"}
}

// HostPrefix begins the names of an update's operands and results that are the
// host's: the scalars, the norm.
const HostPrefix = "step."

// SumPrefix begins the names of an update's operands and results that hold
// what the loss returned, summed over the step.
const SumPrefix = "sum."

// GradNorm is the result of an update that holds the norm of the mean gradient
// over all parameters, before clipping, f32[].
const GradNorm = HostPrefix + "grad_norm"

// SlotName names a parameter's tensor in a slot, as checkpoints do.
func SlotName(slot, parameter string) string { return slot + "." + parameter }

// Scalars are the operands of an update that change from step to step, by
// the names of the update's operands after HostPrefix (rule 16): computed in float64 and
// rounded to float32 once. step counts from 0.
func (o Optimizer) Scalars(lr float64, step uint64) map[string]float32 {
	s := map[string]float32{"decay": numerics.F32FromF64(float64(lr * o.WeightDecay))}
	if o.Name == "sgd" {
		s["lr"] = numerics.F32FromF64(lr)
		return s
	}
	s["step_size"] = numerics.F32FromF64(lr / numerics.BiasCorrection(o.Beta1, step+1))
	s["correction"] = numerics.Sqrt(numerics.F32FromF64(numerics.BiasCorrection(o.Beta2, step+1)))
	return s
}

// ScalarNames lists the names that Scalars gives, in the order of Update's
// parameters.
func (o Optimizer) ScalarNames() []string {
	if o.Name == "sgd" {
		return []string{"decay", "lr"}
	}
	return []string{"correction", "decay", "step_size"}
}

// Update returns the function that ends a step, whose grains gave the results
// of first (Grain). It takes every parameter and buffer, the parameters' slots
// (SlotName), every gradient sum (grad.Prefix + name), what buffers take, summed
// (plugin.BufferPrefix + name), the sums of what the loss returned (SumPrefix +
// name), and the scalars (HostPrefix + name); it gives the new parameters,
// buffers and slots under their names, then GradNorm and the sums of the loss as
// they are, which are for the host (HostResults).
func Update(m *plugin.Module, first *ir.Func, grains int, o Optimizer) (*ir.Func, error) {
	if o.Name != "adamw" && o.Name != "sgd" {
		return nil, fmt.Errorf("unknown optimizer %q; there are adamw and sgd", o.Name)
	}
	b := ir.NewBuilder("update")
	scalar := ir.T(ir.F32)
	type state struct{ p, g ir.Value }
	states := make([]state, len(m.Parameters))
	slots := map[string]ir.Value{}
	for i, p := range m.Parameters {
		if p.Type.DType != ir.F32 {
			return nil, fmt.Errorf("parameter %q is %v; the optimizer keeps f32 parameters", p.Name, p.Type)
		}
		states[i].p = b.Param(p.Name, p.Type)
	}
	average := make([]ir.Value, len(m.Buffers))
	for i, x := range m.Buffers {
		if x.Type.DType != ir.F32 {
			return nil, fmt.Errorf("buffer %q is %v; the host keeps f32 buffers", x.Name, x.Type)
		}
		average[i] = b.Param(x.Name, x.Type)
	}
	for _, slot := range o.Slots() {
		for _, p := range m.Parameters {
			slots[SlotName(slot, p.Name)] = b.Param(SlotName(slot, p.Name), p.Type)
		}
	}
	for i, p := range m.Parameters {
		states[i].g = b.Param(grad.Prefix+p.Name, p.Type)
	}
	seen := make([]ir.Value, len(m.Buffers))
	for i, x := range m.Buffers {
		seen[i] = b.Param(plugin.BufferPrefix+x.Name, x.Type)
	}
	sums := map[string]ir.Value{}
	for _, name := range HostResults(first)[1:] {
		sums[name] = b.Param(name, scalar)
	}
	weight, ok := sums[SumPrefix+Weight]
	if !ok {
		return nil, fmt.Errorf("func %s gives no %q", first.Name, Weight)
	}
	in := map[string]ir.Value{}
	for _, n := range o.ScalarNames() {
		in[n] = b.Param(HostPrefix+n, scalar)
	}

	// The norm of the sum is the square root of the sum, by rule 7, of the
	// parameters' sums of squares in name order; the mean's is that over weight.
	squares := make([]ir.Value, len(states))
	for i, s := range states {
		dims := make([]int, b.Type(s.g).Rank())
		for d := range dims {
			dims[d] = d
		}
		squares[i] = b.Reshape(b.ReduceDot(s.g, s.g, dims...), 1)
	}
	norm := b.Div(b.Sqrt(b.ReduceSum(b.Concatenate(0, squares...), 0)), weight)
	one := b.Full(scalar, 1)
	clip := one
	if o.MaxGradNorm > 0 {
		// As torch.nn.utils.clip_grad_norm_.
		clip = b.Min(one, b.Div(b.Full(scalar, o.MaxGradNorm), b.Add(norm, b.Full(scalar, 1e-6))))
	}
	zero := b.Full(scalar, 0)
	results := map[string]ir.Value{}
	for i, p := range m.Parameters {
		decay := in["decay"]
		if p.NoDecay {
			decay = zero
		}
		s := states[i]
		slot := func(k int) string { return SlotName(o.Slots()[k], p.Name) }
		if o.Name == "sgd" {
			results[p.Name], results[slot(0)] = b.SGD(s.p, s.g, slots[slot(0)], weight, clip, decay, in["lr"], o.Momentum)
			continue
		}
		results[p.Name], results[slot(0)], results[slot(1)] = b.AdamW(s.p, s.g, slots[slot(0)], slots[slot(1)],
			weight, clip, decay, in["step_size"], in["correction"], ir.AdamWHyper{Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon})
	}
	for _, p := range m.Parameters {
		b.Return(p.Name, results[p.Name])
	}
	for i, x := range m.Buffers {
		mean := b.Div(seen[i], b.Full(x.Type, float64(grains)))
		b.Return(x.Name, b.EMA(average[i], mean, x.Decay))
	}
	for _, slot := range o.Slots() {
		for _, p := range m.Parameters {
			b.Return(SlotName(slot, p.Name), results[SlotName(slot, p.Name)])
		}
	}
	b.Return(GradNorm, norm)
	for _, name := range HostResults(first)[1:] {
		b.Return(name, sums[name])
	}
	return b.Func()
}

// HostResults lists the scalars among the results of an update that the host
// reads: GradNorm, then what the loss returned, in its order.
func HostResults(first *ir.Func) []string {
	names := []string{GradNorm}
	for _, r := range first.Results {
		if !strings.HasPrefix(r.Name, grad.Prefix) && !isBuffer(r.Name) {
			names = append(names, SumPrefix+r.Name)
		}
	}
	return names
}
