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
	Name         string  // "adamw", "sgd" or "lars"
	Beta1, Beta2 float64 // of adamw
	Epsilon      float64 // of adamw
	Momentum     float64 // of sgd and lars
	// WeightDecay is decoupled for adamw and sgd: the learning rate times this,
	// a step. LARS adds it to the gradient, as its paper does.
	WeightDecay float64
	// Trust is LARS's coefficient: the learning rate of a parameter is the
	// step's times Trust * |parameter| / (|gradient| + WeightDecay * |parameter|).
	Trust float64
	// MaxGradNorm bounds the norm of the mean gradient over all parameters; 0
	// for no bound.
	MaxGradNorm float64
	// EMADecay is what stays in a step of the running average of each trained
	// parameter, which begins as the parameter does; 0 for no averages.
	EMADecay float64
}

// EMASlot names the running averages of parameters.
const EMASlot = "ema"

// Slots returns the names of the tensors that are kept for each trained
// parameter, such as "exp_avg". They start as zeros, but for EMASlot.
func (o Optimizer) Slots() []string {
	slots := []string{"exp_avg", "exp_avg_sq"}
	if o.Name != "adamw" {
		slots = []string{"momentum_buffer"}
	}
	if o.EMADecay > 0 {
		slots = append(slots, EMASlot)
	}
	return slots
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
	if o.Name == "lars" {
		return map[string]float32{"lr": numerics.F32FromF64(lr)}
	}
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
	switch o.Name {
	case "sgd":
		return []string{"decay", "lr"}
	case "lars":
		return []string{"lr"}
	}
	return []string{"correction", "decay", "step_size"}
}

// Objective is what an update takes of one of a run's objectives.
type Objective struct {
	// Prefix begins the names of its operands and results; empty where a run has
	// one objective.
	Prefix string
	First  *ir.Func // of its grains; see Grain
	// Weight is the factor on the objective's mean loss. It is 1 where a run has
	// one objective.
	Weight float64
}

// Update returns the function that ends a step of some grains. It takes every
// trained parameter and buffer, the parameters' slots (SlotName), and of each
// objective, behind its prefix, every gradient sum (grad.Prefix + name), what
// buffers take, summed (plugin.BufferPrefix + name), and the sums of what the
// loss returned (SumPrefix + name); then the scalars (HostPrefix + name). It
// gives the new parameters, buffers and slots under their names, then GradNorm
// and the sums of the losses as they are, which are for the host (HostResults).
//
// The gradient of several objectives is the sum, in their order, of each one's
// mean gradient times its weight.
func Update(w *Weights, grains int, o Optimizer, objectives ...Objective) (*ir.Func, error) {
	switch o.Name {
	case "adamw", "sgd", "lars":
	default:
		return nil, fmt.Errorf("unknown optimizer %q; there are adamw, sgd and lars", o.Name)
	}
	b := ir.NewBuilder("update")
	scalar := ir.T(ir.F32)
	trained, slots := w.Trained(), o.Slots()
	params, kept := map[string]ir.Value{}, map[string]ir.Value{}
	for _, p := range trained {
		if p.Type.DType != ir.F32 {
			return nil, fmt.Errorf("parameter %q is %v; the optimizer keeps f32 parameters", p.Name, p.Type)
		}
		params[p.Name] = b.Param(p.Name, p.Type)
	}
	for _, x := range w.Buffers {
		if x.Type.DType != ir.F32 {
			return nil, fmt.Errorf("buffer %q is %v; the host keeps f32 buffers", x.Name, x.Type)
		}
		kept[x.Name] = b.Param(x.Name, x.Type)
	}
	for _, slot := range slots {
		for _, p := range trained {
			kept[SlotName(slot, p.Name)] = b.Param(SlotName(slot, p.Name), p.Type)
		}
	}
	in := map[string]ir.Value{} // what the objectives' grains gave, and the scalars
	for _, x := range objectives {
		for _, p := range trained {
			if name := grad.Prefix + p.Name; x.First.Result(name) >= 0 {
				in[x.Prefix+name] = b.Param(x.Prefix+name, p.Type)
			}
		}
		for _, y := range w.Buffers {
			if name := plugin.BufferPrefix + y.Name; x.First.Result(name) >= 0 {
				in[x.Prefix+name] = b.Param(x.Prefix+name, y.Type)
			}
		}
	}
	host := HostResults(objectives...)
	for _, name := range host[1:] {
		in[name] = b.Param(name, scalar)
	}
	for _, x := range objectives {
		if x.First.Result(Weight) < 0 {
			return nil, fmt.Errorf("func %s gives no %q", x.First.Name, Weight)
		}
	}
	for _, n := range o.ScalarNames() {
		in[HostPrefix+n] = b.Param(HostPrefix+n, scalar)
	}

	// gradients are sums over weight; those of several objectives are means.
	one := b.Full(scalar, 1)
	weight, gradients := one, map[string]ir.Value{}
	if len(objectives) == 1 {
		weight = in[objectives[0].Prefix+SumPrefix+Weight]
		for _, p := range trained {
			gradients[p.Name] = in[objectives[0].Prefix+grad.Prefix+p.Name]
		}
	} else {
		for _, x := range objectives {
			factor := b.Div(b.Full(scalar, x.Weight), in[x.Prefix+SumPrefix+Weight])
			for _, p := range trained {
				g, ok := in[x.Prefix+grad.Prefix+p.Name]
				if !ok {
					continue
				}
				wide := b.BroadcastTo(factor, p.Type.Shape...)
				if before, ok := gradients[p.Name]; ok {
					gradients[p.Name] = b.FMA(g, wide, before)
				} else {
					gradients[p.Name] = b.Mul(g, wide)
				}
			}
		}
	}
	for _, p := range trained {
		if _, ok := gradients[p.Name]; !ok {
			return nil, fmt.Errorf("no objective gives a gradient of %q", p.Name)
		}
	}

	// The norm of the sum is the square root of the sum, by rule 7, of the
	// parameters' sums of squares in name order; the mean's is that over weight.
	squares := make([]ir.Value, len(trained))
	for i, p := range trained {
		squares[i] = b.Reshape(sumOfSquares(b, gradients[p.Name]), 1)
	}
	norm := b.Div(b.Sqrt(b.ReduceSum(b.Concatenate(0, squares...), 0)), weight)
	clip := one
	if o.MaxGradNorm > 0 {
		// As torch.nn.utils.clip_grad_norm_.
		clip = b.Min(one, b.Div(b.Full(scalar, o.MaxGradNorm), b.Add(norm, b.Full(scalar, 1e-6))))
	}
	zero := b.Full(scalar, 0)
	results := map[string]ir.Value{}
	for _, p := range trained {
		decay := in[HostPrefix+"decay"]
		if p.NoDecay {
			decay = zero
		}
		x, g := params[p.Name], gradients[p.Name]
		slot := func(k int) string { return SlotName(slots[k], p.Name) }
		switch o.Name {
		case "sgd":
			results[p.Name], results[slot(0)] = b.SGD(x, g, kept[slot(0)], weight, clip, decay, in[HostPrefix+"lr"], o.Momentum)
		case "lars":
			results[p.Name], results[slot(0)] = o.lars(b, x, g, kept[slot(0)], weight, clip, in[HostPrefix+"lr"], p.NoDecay)
		default:
			results[p.Name], results[slot(0)], results[slot(1)] = b.AdamW(x, g, kept[slot(0)], kept[slot(1)],
				weight, clip, decay, in[HostPrefix+"step_size"], in[HostPrefix+"correction"], ir.AdamWHyper{Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon})
		}
		if name := SlotName(EMASlot, p.Name); o.EMADecay > 0 {
			results[name] = b.EMA(kept[name], results[p.Name], o.EMADecay)
		}
	}
	for _, p := range trained {
		b.Return(p.Name, results[p.Name])
	}
	for _, y := range w.Buffers {
		sum, n := ir.NoValue, 0
		for _, x := range objectives {
			if v, ok := in[x.Prefix+plugin.BufferPrefix+y.Name]; ok {
				if n++; n == 1 {
					sum = v
				} else {
					sum = b.Add(sum, v)
				}
			}
		}
		mean := b.Div(sum, b.Full(y.Type, float64(n*grains)))
		b.Return(y.Name, b.EMA(kept[y.Name], mean, y.Decay))
	}
	for _, slot := range slots {
		for _, p := range trained {
			b.Return(SlotName(slot, p.Name), results[SlotName(slot, p.Name)])
		}
	}
	b.Return(GradNorm, norm)
	for _, name := range host[1:] {
		b.Return(name, in[name])
	}
	return b.Func()
}

func sumOfSquares(b *ir.Builder, x ir.Value) ir.Value {
	dims := make([]int, b.Type(x).Rank())
	for d := range dims {
		dims[d] = d
	}
	return b.ReduceDot(x, x, dims...)
}

// lars is a step of LARS (You et al., arXiv 1708.03888, algorithm 1) on one
// parameter, whose momentum has the learning rates in it. A parameter that is
// exempt from weight decay, a bias or a norm's, is also exempt from the local
// learning rate, as is usual (Chen et al., arXiv 2002.05709), and so is one that
// is all zeros or has a gradient of zeros.
func (o Optimizer) lars(b *ir.Builder, p, gradient, momentum, weight, clip, lr ir.Value, exempt bool) (ir.Value, ir.Value) {
	t := b.Type(p)
	wide := func(x ir.Value) ir.Value { return b.BroadcastTo(x, t.Shape...) }
	g := b.Mul(b.Div(gradient, wide(weight)), wide(clip))
	rate := lr
	if !exempt {
		scalar := b.Type(lr)
		zero, decay := b.Full(scalar, 0), b.Full(scalar, o.WeightDecay)
		size, slope := b.Sqrt(sumOfSquares(b, p)), b.Sqrt(sumOfSquares(b, g))
		local := b.Div(b.Mul(b.Full(scalar, o.Trust), size), b.FMA(decay, size, slope))
		some := b.And(b.Compare("gt", size, zero), b.Compare("gt", slope, zero))
		rate = b.Mul(lr, b.Select(some, local, b.Full(scalar, 1)))
		g = b.FMA(wide(decay), p, g)
	}
	v := b.FMA(b.Full(t, o.Momentum), momentum, b.Mul(wide(rate), g))
	return b.Sub(p, v), v
}

// SumName is the name by which an update takes a result of grains: behind
// SumPrefix if the loss returned it.
func SumName(result string) string {
	if strings.HasPrefix(result, grad.Prefix) || isBuffer(result) {
		return result
	}
	return SumPrefix + result
}

// HostResults lists the scalars among the results of an update that the host
// reads: GradNorm, then what each objective's loss returned, behind its prefix
// and SumPrefix, in its order.
func HostResults(objectives ...Objective) []string {
	names := []string{GradNorm}
	for _, x := range objectives {
		for _, r := range x.First.Results {
			if name := SumName(r.Name); name != r.Name {
				names = append(names, x.Prefix+name)
			}
		}
	}
	return names
}
