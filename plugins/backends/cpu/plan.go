package cpu

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
)

type place uint8

const (
	inArena  place = iota // at offset of the arena
	inParam               // in argument index
	inConst               // in data
	inResult              // in result index
)

// store is the memory of one or more values: a reshape shares its operand's.
type store struct {
	kind      place
	index     int
	size      int
	offset    int
	data      []byte
	def, last int // the first and the last step that touch it
}

type result struct {
	t      ir.Type
	ref    int
	donors []int // parameters whose memory it can take: the first that is donated and that no other result has
}

type executable struct {
	backend *Backend
	name    string
	params  []ir.Param
	results []result
	stores  []store
	steps   []step
	types   []ir.Type // of the function's values
	arena   int
	memory  plugin.Memory
	mem     [][]byte
}

// run is what steps see: the memory of each store.
type run struct {
	ctx context.Context
	b   *Backend
	mem [][]byte
}

func (r *run) f32(ref int) []float32 { return view[float32](r.mem[ref]) }

// plan places the stores of the arena and finds which parameters can give results their memory.
func (e *executable) plan(extra int) {
	e.place()
	e.memory.Scratch = int64(e.arena + extra)
	taken := make([]bool, len(e.params))
	for k := range e.results {
		r := &e.results[k]
		if s := &e.stores[r.ref]; s.kind == inResult && s.index == k {
			r.donors = e.donors(r.ref)
		}
		if r.donor(taken, func(int) bool { return true }) == none {
			e.memory.Results += int64(r.t.Bytes())
		}
	}
	e.mem = make([][]byte, len(e.stores))
}

// donor takes one of the donors that are given.
func (r *result) donor(taken []bool, given func(d int) bool) int {
	for _, d := range r.donors {
		if !taken[d] && given(d) {
			taken[d] = true
			return d
		}
	}
	return none
}

// place gives each store of the arena the lowest offset at which it overlaps no other store that lives beside it.
func (e *executable) place() {
	var live []*store // by offset
	for i := range e.stores {
		s := &e.stores[i]
		if s.kind != inArena {
			continue
		}
		// Stores are made in the order of their first steps.
		live = slices.DeleteFunc(live, func(o *store) bool { return o.last < s.def })
		at, where := 0, 0
		size := (s.size + cacheLine - 1) &^ (cacheLine - 1)
		for where = range live {
			if at+size <= live[where].offset {
				break
			}
			o := live[where]
			at = max(at, o.offset+(o.size+cacheLine-1)&^(cacheLine-1))
			if where == len(live)-1 {
				where = len(live)
				break
			}
		}
		s.offset = at
		live = slices.Insert(live, where, s)
		e.arena = max(e.arena, at+size)
	}
}

// donors returns the parameters of the store's size that nothing reads once the store is written.
func (e *executable) donors(ref int) (l []int) {
	s := &e.stores[ref]
	maker := &e.steps[s.def]
	for p := range e.params {
		q := &e.stores[p] // the parameters' stores come first
		own, paired := maker.pairs[ref]
		dead := q.last < s.def || q.last == s.def && (maker.inPlace || paired && own == p)
		if dead && q.size == s.size && s.size > 0 {
			l = append(l, p)
		}
	}
	return l
}

func (e *executable) Memory() plugin.Memory { return e.memory }

func (e *executable) Release() {
	if e.mem != nil {
		e.backend.stats.executables--
	}
	*e = executable{backend: e.backend, name: e.name}
}

// Execute runs the steps in order.
func (e *executable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	defer func() {
		for _, a := range args {
			if a.Donate && a.Buffer != nil {
				a.Buffer.Release()
			}
		}
	}()
	start := time.Now()
	out, err := e.execute(ctx, args)
	e.backend.stats.runs++
	e.backend.stats.nanos += time.Since(start).Nanoseconds()
	clear(e.mem)
	if err != nil {
		return nil, fmt.Errorf("cpu: func %s: %w", e.name, err)
	}
	return out, nil
}

func (e *executable) execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	if err := cmp.Or(ctx.Err(), e.backend.check(), isa.CheckModes()); err != nil {
		return nil, err
	}
	if e.mem == nil {
		return nil, fmt.Errorf("it was released")
	}
	given, err := e.arguments(args)
	if err != nil {
		return nil, err
	}
	b := e.backend
	if err := b.growArena(e.arena); err != nil {
		return nil, err
	}
	out, moved := make([]*buffer, len(e.results)), make([]*buffer, len(e.results))
	done := false
	defer func() {
		for k, x := range out {
			switch {
			case moved[k] != nil && done:
				moved[k].data = nil // the result's now
			case moved[k] == nil && x != nil && !done:
				x.Release()
			}
		}
	}()
	taken := make([]bool, len(args))
	for k := range e.results {
		r := &e.results[k]
		if d := r.donor(taken, func(d int) bool { return args[d].Donate && args[d].Buffer != nil && once(args, d) }); d != none {
			moved[k] = args[d].Buffer.(*buffer)
			out[k] = &buffer{backend: b, t: r.t, data: given[d]}
		} else if out[k], err = b.buffer(r.t); err != nil {
			return nil, err
		}
	}
	for i := range e.stores {
		switch s := &e.stores[i]; s.kind {
		case inArena:
			e.mem[i] = b.arena[s.offset : s.offset+s.size]
		case inParam:
			e.mem[i] = given[s.index]
		case inConst:
			e.mem[i] = s.data
		case inResult:
			e.mem[i] = out[s.index].data
		}
	}
	vecMu.RLock()
	defer vecMu.RUnlock()
	r := &run{ctx: ctx, b: b, mem: e.mem}
	if err := b.steps(e, r); err != nil {
		return nil, err
	}
	bufs := make([]plugin.Buffer, len(out))
	for k, r := range e.results {
		if s := &e.stores[r.ref]; s.kind != inResult || s.index != k {
			copy(out[k].data, e.mem[r.ref]) // a parameter, a constant or the value of an earlier result
		}
		bufs[k] = out[k]
	}
	done = true
	return bufs, nil
}

// arguments checks the arguments and returns their memory.
func (e *executable) arguments(args []plugin.Argument) ([][]byte, error) {
	if len(args) != len(e.params) {
		return nil, fmt.Errorf("it takes %d arguments, is given %d", len(e.params), len(args))
	}
	given := make([][]byte, len(args))
	for i, a := range args {
		p := e.params[i]
		if a.Buffer == nil {
			if err := checkData(p.Type, a.Data); err != nil {
				return nil, fmt.Errorf("argument %q: %w", p.Name, err)
			}
			given[i] = a.Data
			if uintptr(unsafe.Pointer(unsafe.SliceData(a.Data)))%8 != 0 {
				given[i] = alignedBytes(len(a.Data))
				copy(given[i], a.Data)
			}
			continue
		}
		x, ok := a.Buffer.(*buffer)
		switch {
		case !ok || x.backend != e.backend:
			return nil, fmt.Errorf("argument %q is a buffer of another backend", p.Name)
		case x.released:
			return nil, fmt.Errorf("argument %q was released", p.Name)
		case !x.t.Equal(p.Type):
			return nil, fmt.Errorf("argument %q is %v, must be %v", p.Name, x.t, p.Type)
		}
		given[i] = x.data
	}
	return given, nil
}

// once says whether the buffer of an argument is no other's.
func once(args []plugin.Argument, d int) bool {
	for i, a := range args {
		if i != d && a.Buffer == args[d].Buffer {
			return false
		}
	}
	return true
}
