package cpu

import (
	"github.com/seedbed/seedbed/abi/ir"
)

// region is a function that an op runs: steps of their own over memory of their own.
type region struct {
	e     *executable
	arena []byte
}

// region compiles a region of an op. Its memory lasts as long as the executable.
func (c *compiler) region(f *ir.Func) (*region, error) {
	e, err := c.b.compile(f)
	if err != nil {
		return nil, err
	}
	c.extra += int(e.memory.Scratch)
	return &region{e: e, arena: alignedBytes(e.arena)}, nil
}

func (c *compiler) regions(op *ir.Op) ([]*region, error) {
	l := make([]*region, len(op.Regions))
	for i, f := range op.Regions {
		var err error
		if l[i], err = c.region(f); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// call runs the region on in and writes its results to out, which no in overlaps.
func (g *region) call(r *run, in, out [][]byte) error {
	e := g.e
	for i := range e.stores {
		switch s := &e.stores[i]; s.kind {
		case inArena:
			e.mem[i] = g.arena[s.offset : s.offset+s.size]
		case inParam:
			e.mem[i] = in[s.index]
		case inConst:
			e.mem[i] = s.data
		case inResult:
			e.mem[i] = out[s.index]
		}
	}
	inner := &run{ctx: r.ctx, b: r.b, mem: e.mem}
	for i := range e.steps {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := e.steps[i].run(inner); err != nil {
			return err
		}
	}
	for k, x := range e.results {
		if s := &e.stores[x.ref]; s.kind != inResult || s.index != k {
			copy(out[k], e.mem[x.ref])
		}
	}
	clear(e.mem)
	return nil
}

// memory returns the memory of some stores.
func (r *run) memory(refs []int) [][]byte {
	l := make([][]byte, len(refs))
	for i, ref := range refs {
		l[i] = r.mem[ref]
	}
	return l
}

func while(c *compiler, op *ir.Op) error {
	g, err := c.regions(op)
	if err != nil {
		return err
	}
	var in, other []int
	for i := range op.Operands {
		in = append(in, c.in(op, i))
	}
	for _, t := range op.Results {
		other = append(other, c.temp(t.Bytes()))
	}
	out := c.outs(op)
	c.emit(func(r *run) error {
		state, even, odd := r.memory(in), r.memory(other), r.memory(out)
		more := [][]byte{{0}}
		for turn := 0; ; turn++ {
			if err := g[0].call(r, state, more); err != nil {
				return err
			}
			if more[0][0] == 0 {
				break
			}
			next := even
			if turn%2 == 1 {
				next = odd
			}
			if err := g[1].call(r, state, next); err != nil {
				return err
			}
			state = next
		}
		for i, ref := range out {
			copy(r.mem[ref], state[i])
		}
		return nil
	})
	return nil
}

func branch(c *compiler, op *ir.Op) error {
	g, err := c.regions(op)
	if err != nil {
		return err
	}
	var in []int
	for i := range op.Operands {
		in = append(in, c.in(op, i))
	}
	out := c.outs(op)
	c.emit(func(r *run) error {
		i := int(view[int32](r.mem[in[0]])[0])
		if i < 0 || i >= len(g) {
			i = len(g) - 1
		}
		return g[i].call(r, r.memory(in[1:]), r.memory(out))
	})
	return nil
}
