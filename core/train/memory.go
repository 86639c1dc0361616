package train

import (
	"math/bits"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
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

// Beside is the plan of a run and of what takes memory of its own while the
// run's state and batches stay: programs share scratch and come one after the
// other, batches add up.
func (p MemoryPlan) Beside(q MemoryPlan) MemoryPlan {
	p.Scratch, p.Results = max(p.Scratch, q.Scratch), max(p.Results, q.Results)
	p.Batches += q.Batches
	return p
}

// batchBytes is what keeping books of a batch takes, whatever is in it.
const batchBytes = 1 << 10

// batchesOf counts n batches.
func batchesOf(fields []ir.Param, n int) int64 {
	sum := int64(batchBytes)
	for _, f := range fields {
		sum += int64(f.Type.Bytes())
	}
	return sum * int64(n)
}

// Memory says what the run will take, before anything is there but programs:
// Initialize and Restore take the first of it. Before Compile it is the least
// that the run can take: Results are zero and Scratch is what leastScratch says.
func (t *Trainer) Memory() (m MemoryPlan, err error) {
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
	for _, o := range t.objectives {
		types := o.grad.Types()
		sums := int64(0)
		for _, r := range o.grad.Results {
			sums += int64(types[r.Value].Bytes())
		}
		m.Gradients = max(m.Gradients, before+int64(sets)*sums)
		before += sums
		m.Batches += batchesOf(o.Binding.Batch(), t.c.Prefetch+t.c.InFlight*t.c.Grains)
	}
	if t.update == nil {
		for _, o := range t.objectives {
			n, err := leastScratch(o.grad, t.c.Device.Info())
			if err != nil {
				return m, o.wrap(err)
			}
			m.Scratch = max(m.Scratch, n)
		}
		return m, nil
	}
	// Results of first are the sums that are counted; next, combine and update
	// find room in donated sums and state, or need it beside them.
	of := func(p *program, results bool) {
		x := p.Program.Memory()
		if m.Scratch = max(m.Scratch, x.Scratch); results {
			m.Results = max(m.Results, x.Results)
		}
	}
	for _, o := range t.objectives {
		for _, p := range o.programs() {
			of(p, p != o.first)
		}
	}
	of(t.update, true)
	for _, p := range t.weights.Parameters { // Initialize draws a tensor before it scales it
		m.Scratch = max(m.Scratch, int64(p.Type.Bytes()))
	}
	return m, nil
}

// leastScratch is what any device takes to run a function beside its
// parameters: the largest matrix product or convolution with what is computed
// for it. What only moves elements about may be read where they were, and
// counts as its smallest form. Little is known of a device before it compiles,
// but this tells what is hopeless from what is not.
func leastScratch(f *ir.Func, info plugin.BackendInfo) (least int64, err error) {
	if f, err = device.Lower(f, info); err != nil {
		return 0, err
	}
	// A value takes bytes, zero if it is a parameter or a constant, in memory that
	// may be that of the value from.
	type held struct {
		from  ir.Value
		bytes int64
	}
	values := make([]held, len(f.Types()))
	for i := range f.Ops {
		op := &f.Ops[i]
		operands, sum := map[ir.Value]int64{}, int64(0)
		for _, v := range op.Operands {
			h := values[v]
			operands[h.from] = max(operands[h.from], h.bytes)
		}
		for _, n := range operands {
			sum += n
		}
		moves := ir.LookupOp(op.Name).Group == "data movement"
		for k, t := range op.Results {
			v := op.First + ir.Value(k)
			if values[v] = (held{v, int64(t.Bytes())}); !moves {
				continue
			}
			values[v].bytes = min(values[v].bytes, sum)
			if len(op.Operands) == 1 {
				values[v].from = values[op.Operands[0]].from
			}
		}
		if ir.LookupOp(op.Name).Group == "contraction" {
			least = max(least, sum+int64(op.Results[0].Bytes()))
		}
	}
	return least, nil
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
