package cpu

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pages"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// work is what people call a piece of a function: an op, or several that run as one. Steps that follow each other for the same work
// are one entry of a record.
type work struct {
	ops     []*ir.Op
	in, out []ir.Type // what goes through memory
	known   *plugin.ProfiledOp
}

// begin says that the steps to come are for ops.
func (c *compiler) begin(ops ...*ir.Op) *work {
	before := c.work
	c.work = &work{ops: ops}
	inside := func(v ir.Value) bool {
		return slices.ContainsFunc(ops, func(op *ir.Op) bool { return v >= op.First && int(v-op.First) < len(op.Results) })
	}
	var read []ir.Value
	for _, op := range ops {
		for _, v := range op.Operands {
			if !inside(v) && c.splats[v] == nil && !slices.Contains(read, v) {
				read = append(read, v)
			}
		}
		for i, t := range op.Results {
			if slices.ContainsFunc(c.fusion.readers[op.Result(i)], func(k int) bool {
				return k == len(c.fusion.f.Ops) || !slices.Contains(ops, &c.fusion.f.Ops[k])
			}) {
				c.work.out = append(c.work.out, t)
			}
		}
	}
	for _, v := range read {
		if p := c.fusion.putOff[v]; p != nil && p.Name == "broadcast_in_dim" { // it is read where its operand is
			v = p.Operands[0]
		}
		c.work.in = append(c.work.in, c.types[v])
	}
	return before
}

// describe says what a record tells of the work beside its time.
func (w *work) describe(types []ir.Type) plugin.ProfiledOp {
	if w.known != nil {
		return *w.known
	}
	var p plugin.ProfiledOp
	var names []string
	for _, op := range w.ops {
		names = append(names, op.Name)
		in := make([]ir.Type, len(op.Operands))
		for i, v := range op.Operands {
			in[i] = types[v]
		}
		if n, err := cost.Of(op, in); err == nil { // of loops nothing is known
			p.FLOPs += n.Contractions
		}
	}
	p.Name = strings.Join(names, "+")
	var text strings.Builder
	result := w.ops[0].Results[0].Bytes()
	for _, t := range w.in {
		n := t.Bytes()
		if picks[w.ops[0].Name] {
			n = min(n, result)
		}
		p.Bytes += int64(n)
		fmt.Fprintf(&text, "%v ", t)
	}
	text.WriteString("->")
	for _, t := range w.out {
		p.Bytes += int64(t.Bytes())
		fmt.Fprintf(&text, " %v", t)
	}
	p.Types = text.String()
	w.known = &p
	return p
}

// picks are the ops that read no more of an operand than they give.
var picks = map[string]bool{"gather": true, "slice": true, "dynamic_slice": true}

// recorder is what a backend records.
type recorder struct {
	on   bool
	runs []plugin.ProfiledRun
	ops  int
}

var _ plugin.Profiler = (*Backend)(nil)

// Profile returns what runs have done since the last call. Where it ends a record it measures the memory's speed, which takes about a
// quarter of a second of all workers.
func (b *Backend) Profile(ctx context.Context, record bool) (plugin.Profile, error) {
	if err := ctx.Err(); err != nil {
		return plugin.Profile{}, err
	}
	if err := b.check(); err != nil {
		return plugin.Profile{}, err
	}
	p, full := plugin.Profile{Runs: b.recorder.runs}, b.recorder.ops > plugin.MaxProfiledOps
	b.recorder = recorder{on: record}
	if full {
		return plugin.Profile{}, fmt.Errorf("cpu: more than %d ops ran since the record began; record fewer steps", plugin.MaxProfiledOps)
	}
	if len(p.Runs) > 0 && !record {
		var err error
		if p.PeakBytes, err = b.memorySpeed(); err != nil {
			return plugin.Profile{}, err
		}
	}
	return p, nil
}

// steps runs the steps, and records when.
func (b *Backend) steps(e *executable, r *run) error {
	rec := &b.recorder
	if !rec.on || rec.ops > plugin.MaxProfiledOps {
		for i := range e.steps {
			if err := r.step(&e.steps[i]); err != nil {
				return err
			}
		}
		return nil
	}
	begin := time.Now()
	p := plugin.ProfiledRun{Function: e.name, Begin: begin}
	var last *work
	seen := map[*work]bool{}
	for i := range e.steps {
		s := &e.steps[i]
		if s.work != last {
			last = s.work
			op := s.work.describe(e.types)
			if seen[last] { // its steps come in several pieces
				op.FLOPs, op.Bytes = 0, 0
			}
			seen[last] = true
			op.Begin = time.Since(begin)
			p.Ops = append(p.Ops, op)
		}
		if err := r.step(s); err != nil {
			return err
		}
		op := &p.Ops[len(p.Ops)-1]
		op.Took = time.Since(begin) - op.Begin
	}
	p.Took = time.Since(begin)
	rec.runs = append(rec.runs, p)
	rec.ops += len(p.Ops)
	return nil
}

const (
	speedPass   = 16 << 20 // elements of each of three arrays: more than caches hold
	speedPasses = 6
	speedPart   = 1 << 16
)

// memorySpeed measures how many bytes a second all workers read and write in memory that no cache holds: that of the fastest of a few
// passes of a sum of two arrays into a third.
func (b *Backend) memorySpeed() (float64, error) {
	var own pages.Allocator // so that it does not count as the backend's
	data, err := own.Get(3 * 4 * speedPass)
	if err != nil {
		return 0, err
	}
	defer func() {
		own.Put(data)
		own.Trim()
	}()
	x := view[float32](data)
	clear(x)
	best := 0.0
	for range speedPasses {
		begin := time.Now()
		err := b.pool.For(speedPass/speedPart, func(_, i int) {
			lo, hi := i*speedPart, (i+1)*speedPart
			vec.Add(x[lo:hi], x[speedPass+lo:speedPass+hi], x[2*speedPass+lo:2*speedPass+hi])
		})
		if err != nil {
			return 0, err
		}
		best = max(best, 3*4*speedPass/time.Since(begin).Seconds())
	}
	return best, nil
}

// step runs a step unless the run is to end.
func (r *run) step(s *step) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return s.run(r)
}
