package train

import (
	"math/bits"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// MemoryPlan counts the bytes that a run takes: all but Batches on the device.
type MemoryPlan struct {
	Parameters int64 // and buffers
	Slots      int64 // of the optimizer
	Gradients  int64 // sums of chains that exist at the same time
	Scratch    int64 // of the program that needs the most; all share it
	Results    int64 // of an update that takes no memory over
	Batches    int64 // on the host, or in memory shared with it
}

// Total is the most that exists at the same time. Batches count twice, for a
// device with memory of its own.
func (p MemoryPlan) Total() int64 {
	return p.Parameters + p.Slots + p.Gradients + p.Scratch + p.Results + 2*p.Batches
}

// Memory says what the run will take, before anything is there but programs:
// Initialize and Restore take the first of it.
func (t *Trainer) Memory() MemoryPlan {
	var m MemoryPlan
	for i, name := range t.names {
		n := int64(t.types[name].Bytes())
		if i < len(t.weights.Tensors()) {
			m.Parameters += n
		} else {
			m.Slots += n
		}
	}
	// While chain c runs, there are its sums and one of each complete subtree
	// of those before, and the sums of the objectives before.
	sets := 1
	for c := range t.c.Shards {
		sets = max(sets, bits.OnesCount(uint(c))+1)
	}
	before := int64(0)
	programs := []*program{t.update}
	for _, o := range t.objectives {
		types := o.grad.Types()
		sums := int64(0)
		for _, r := range o.grad.Results {
			sums += int64(types[r.Value].Bytes())
		}
		m.Gradients = max(m.Gradients, before+int64(sets)*sums)
		before += sums
		programs = append(programs, o.programs()...)
		for _, f := range o.Binding.Batch() {
			m.Batches += int64(f.Type.Bytes())
		}
	}
	for _, p := range programs {
		m.Scratch = max(m.Scratch, p.Program.Memory().Scratch)
	}
	// Results of first are the sums that are counted; next, combine and update
	// find room in donated sums and state, or need it beside them.
	for _, o := range t.objectives {
		programs = slices.DeleteFunc(programs, func(p *program) bool { return p == o.first })
	}
	for _, p := range programs {
		m.Results = max(m.Results, p.Program.Memory().Results)
	}
	m.Batches *= int64(t.c.Prefetch + t.c.InFlight*t.c.Grains)
	return m
}

// Gradients are the functions that a step runs for each of its grains, one an
// objective, before lowering: forward, loss and gradients.
func (t *Trainer) Gradients() []*ir.Func {
	var l []*ir.Func
	for _, o := range t.objectives {
		l = append(l, o.grad)
	}
	return l
}
