package cpu

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// A lowering appends the steps of one op.
type lowering func(c *compiler, op *ir.Op) error

// step is a piece of a compiled function.
type step struct {
	work *work // that it is part of
	run  func(r *run) error
	// inPlace says that element i of the output depends on elements i of inputs of the output's size alone.
	inPlace bool
	// pairs gives, by output of a step with several, the one input whose memory it may take.
	pairs map[int]int
}

// compiler turns a function of primitives into steps over stores.
type compiler struct {
	b      *Backend
	types  []ir.Type
	refs   []int    // by value: its store, or none
	splats [][]byte // by value: the element that fills it, or nil
	stores []store
	steps  []step
	work   *work // being lowered
	used   []int // stores read or written by the step being made
	extra  int   // bytes that steps keep for themselves
	fusion fusion
	failed error // of an op that had been put off
}

const none = -1

// Compile plans a function: a step for each primitive, and where each value lives.
func (b *Backend) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	if err := cmp.Or(ctx.Err(), b.check()); err != nil {
		return nil, err
	}
	e, err := b.compile(f)
	if err != nil {
		return nil, err
	}
	b.stats.executables++
	return e, nil
}

func (b *Backend) compile(f *ir.Func) (*executable, error) {
	f, err := ir.Expand(f, keeps)
	if err != nil {
		return nil, err
	}
	if f, err = widen(f); err != nil {
		return nil, err
	}
	if f, err = rewrite(f); err != nil {
		return nil, err
	}
	c := &compiler{b: b, types: f.Types(), fusion: newFusion(f)}
	for i, p := range f.Params {
		if err := checkType(p.Type); err != nil {
			return nil, fmt.Errorf("func %s: parameter %q: %w", f.Name, p.Name, err)
		}
		c.refs = append(c.refs, c.store(store{kind: inParam, index: i, size: p.Type.Bytes()}))
	}
	c.refs = append(c.refs, slices.Repeat([]int{none}, len(c.types)-len(f.Params))...)
	c.splats = make([][]byte, len(c.types))
	for i := range f.Ops {
		op := &f.Ops[i]
		if err := cmp.Or(c.lower(op), c.failed); err != nil {
			return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: err.Error()}
		}
	}
	e := &executable{backend: b, name: f.Name, params: slices.Clone(f.Params)}
	for k, r := range f.Results {
		ref := c.value(r.Value)
		c.used = nil
		s := &c.stores[ref]
		if s.kind == inArena {
			s.kind, s.index = inResult, k
		}
		s.last = math.MaxInt
		e.results = append(e.results, result{t: c.types[r.Value], ref: ref})
	}
	e.stores, e.steps, e.types = c.stores, c.steps, c.types
	e.plan(c.extra)
	return e, nil
}

func (c *compiler) lower(op *ir.Op) error {
	for _, v := range op.Operands {
		if err := checkType(c.types[v]); err != nil {
			return err
		}
	}
	if err := checkType(op.Results[0]); err != nil {
		return err
	}
	c.begin(op)
	l := lowerings[op.Name]
	if l == nil {
		return fmt.Errorf("the cpu backend does not know the op")
	}
	switch {
	case !c.read(op) || c.refs[op.First] != none || c.isReluMask(op) || c.putOff(op) || c.putOffHeads(op):
		return nil
	case c.fusable(op):
		c.chain(op)
		return nil
	}
	return l(c, op)
}

func (c *compiler) store(s store) int {
	c.stores = append(c.stores, s)
	return len(c.stores) - 1
}

// value returns the store of a value, which the next step reads. A value of equal elements is written out now.
func (c *compiler) value(v ir.Value) int {
	c.ready(v)
	if c.refs[v] == none {
		t, e := c.types[v], c.splats[v]
		used := c.used
		c.used = nil
		out := c.temp(t.Bytes())
		c.emit(func(r *run) error { return fillWith(r, r.mem[out], e) })
		c.refs[v], c.used = out, used
	}
	c.used = append(c.used, c.refs[v])
	return c.refs[v]
}

// ready sees to it that a value is in a store or is a splat.
func (c *compiler) ready(v ir.Value) {
	if c.fusion.putOff[v] != nil {
		c.force(v)
	}
}

func (c *compiler) in(op *ir.Op, i int) int { return c.value(op.Operands[i]) }

// out makes the store of op's result, which the next step writes. All operands are asked for before.
func (c *compiler) out(op *ir.Op) int {
	c.refs[op.First] = c.temp(op.Results[0].Bytes())
	return c.refs[op.First]
}

// temp makes a store that the next step writes.
func (c *compiler) temp(bytes int) int {
	ref := c.store(store{size: bytes, def: len(c.steps)})
	c.used = append(c.used, ref)
	return ref
}

// emit appends a step that uses the stores asked for since the last.
func (c *compiler) emit(run func(r *run) error) {
	for _, ref := range c.used {
		c.stores[ref].last = max(c.stores[ref].last, len(c.steps))
	}
	c.used = nil
	c.steps = append(c.steps, step{work: c.work, run: run})
}

func (c *compiler) emitInPlace(run func(r *run) error) {
	c.emit(run)
	c.steps[len(c.steps)-1].inPlace = true
}

// scalar returns the element that fills a value.
func (c *compiler) scalar(v ir.Value) (float32, bool) {
	e := c.splats[v]
	if e == nil {
		return 0, false
	}
	return view[float32](slices.Clone(e))[0], true
}
