package plugins

import (
	"context"
	"fmt"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/core/device"
)

// maxInlineTotal bounds what the arguments of a run may take within its
// message, half of what a message may have.
const maxInlineTotal = wire.MaxMessageBytes / 2

// remoteProgram is a compiled function in the plugin's process.
type remoteProgram struct {
	d        *remote
	number   uint64
	name     string
	params   []ir.Param
	results  []ir.Type
	host     []int // results that come to the host, in the order asked for
	memory   plugin.Memory
	after    uint64 // runs that must have ended before it is released
	released bool
}

func (x *remoteProgram) Memory() plugin.Memory { return x.memory }

func (x *remoteProgram) Release() {
	d := x.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if !x.released {
		x.released = true
		d.discard(garbage{number: x.number, executable: true, after: x.after})
	}
}

func (x *remoteProgram) Queue(ctx context.Context, args []plugin.Argument) (device.Run, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(args) != len(x.params) {
		return nil, fmt.Errorf("func %s takes %d arguments, is given %d", x.name, len(x.params), len(args))
	}
	d := x.d
	r := &run{x: x, m: &abiv1.ExecuteRequest{Executable: x.number, Function: x.name}, done: make(chan struct{})}
	r.m.Inputs = make([]*abiv1.ExecuteInput, len(args))
	buffers := make([]*remoteBuffer, len(args))
	var temporary []*remoteBuffer
	undo := func(err error) (device.Run, error) {
		for _, b := range temporary {
			b.Release()
		}
		r.give()
		return nil, err
	}
	inline := 0
	for i, a := range args {
		p := x.params[i]
		if a.Buffer == nil {
			if len(a.Data) != p.Type.Bytes() {
				return undo(fmt.Errorf("func %s: argument %q has %d bytes, %v takes %d", x.name, p.Name, len(a.Data), p.Type, p.Type.Bytes()))
			}
			if r.m.Inputs[i] = r.data(a.Data, &inline); r.m.Inputs[i] != nil {
				continue
			}
			b, err := d.Upload(ctx, p.Type, a.Data)
			if err != nil {
				return undo(fmt.Errorf("func %s: argument %q: %w", x.name, p.Name, err))
			}
			temporary = append(temporary, b.(*remoteBuffer))
			a = plugin.Argument{Buffer: b, Donate: true}
		}
		b, ok := a.Buffer.(*remoteBuffer)
		if !ok || b.d != d {
			return undo(fmt.Errorf("func %s: argument %q is a buffer of another device", x.name, p.Name))
		}
		if !b.t.Equal(p.Type) {
			return undo(fmt.Errorf("func %s: argument %q is %v, the parameter %v", x.name, p.Name, b.t, p.Type))
		}
		buffers[i] = b
		r.m.Inputs[i] = &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_Buffer{Buffer: b.number}, Donate: a.Donate}
	}
	if err := x.queue(r, buffers); err != nil {
		return undo(d.p.explain(ctx, "Execute", err))
	}
	return r, nil
}

// queue checks what may have changed and queues the run.
func (x *remoteProgram) queue(r *run, buffers []*remoteBuffer) error {
	d := x.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	if x.released || d.closed {
		return fmt.Errorf("func %s was released", x.name)
	}
	uses := make(map[*remoteBuffer]int, len(buffers))
	for i, b := range buffers {
		if b == nil {
			continue
		}
		uses[b]++
		if b.released {
			return fmt.Errorf("func %s: argument %q was released or donated", x.name, x.params[i].Name)
		}
	}
	for i, b := range buffers {
		if b != nil && r.m.Inputs[i].Donate && uses[b] > 1 {
			return fmt.Errorf("func %s: argument %q is donated and used %d times", x.name, x.params[i].Name, uses[b])
		}
	}
	r.results = make([]plugin.Buffer, len(x.results))
	r.m.Outputs = make([]*abiv1.ExecuteOutput, len(x.results))
	for _, i := range x.host {
		r.m.Outputs[i] = &abiv1.ExecuteOutput{Target: &abiv1.ExecuteOutput_Inline_{Inline: &abiv1.ExecuteOutput_Inline{}}}
	}
	for i, t := range x.results {
		if r.m.Outputs[i] != nil {
			continue
		}
		number := d.p.numbers.Add(1)
		d.buffers[number] = true
		r.m.Outputs[i] = &abiv1.ExecuteOutput{Target: &abiv1.ExecuteOutput_Buffer{Buffer: number}}
		r.results[i] = &remoteBuffer{d: d, number: number, t: t, made: r, after: d.asked + 1}
	}
	if err := d.queue(r); err != nil {
		return err
	}
	x.after = d.asked
	for i, b := range buffers {
		if b == nil {
			continue
		}
		b.after = d.asked
		if r.m.Inputs[i].Donate {
			b.released = true
			delete(d.buffers, b.number)
		}
	}
	return nil
}

// run is a run that was queued.
type run struct {
	x       *remoteProgram
	m       *abiv1.ExecuteRequest
	results []plugin.Buffer
	slots   []*slot // of arguments, until the run has ended

	done chan struct{} // closed when the run has ended; then:
	host [][]byte
	err  error
}

// data returns bytes as an input: in place, in the message, or through a slot;
// nil where none of them will do.
func (r *run) data(data []byte, inline *int) *abiv1.ExecuteInput {
	memory := r.x.d.p.memory
	field := func(number int, offset uint64) *abiv1.ExecuteInput {
		return &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_BatchField{BatchField: &abiv1.BatchField{
			Segment: memory.segment.ID, Slot: uint32(number), Offset: offset, Length: uint64(len(data)),
		}}}
	}
	if number, offset, ok := memory.locate(data); ok {
		return field(number, offset)
	}
	if len(data) <= wire.MaxInline && *inline+len(data) <= maxInlineTotal {
		*inline += len(data)
		return &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_Inline{Inline: data}}
	}
	if s := memory.take(len(data)); s != nil {
		copy(s.data, data)
		r.slots = append(r.slots, s)
		return field(s.number, 0)
	}
	return nil
}

func (r *run) give() {
	for _, s := range r.slots {
		s.give()
	}
	r.slots = nil
}

// check compares an answer with what was asked for.
func (r *run) check(m *abiv1.ExecuteResponse) error {
	if m.Sequence != r.m.Sequence {
		return fmt.Errorf("an answer to request %d, request %d is due", m.Sequence, r.m.Sequence)
	}
	k := 0
	for i, t := range r.x.results {
		if r.results[i] != nil {
			continue
		}
		if k >= len(m.InlineResults) || len(m.InlineResults[k]) != t.Bytes() {
			return fmt.Errorf("func %s: result %d, %v, did not come as %d bytes", r.x.name, i, t, t.Bytes())
		}
		k++
	}
	if k != len(m.InlineResults) {
		return fmt.Errorf("func %s: %d results came for %d", r.x.name, len(m.InlineResults), k)
	}
	return nil
}

// end ends the run. inline holds its host results in the order of results.
func (r *run) end(inline [][]byte, err error) {
	if err == nil {
		at := make(map[int][]byte, len(inline))
		k := 0
		for i := range r.x.results {
			if r.results[i] == nil {
				at[i] = inline[k]
				k++
			}
		}
		for _, i := range r.x.host {
			r.host = append(r.host, at[i])
		}
	}
	r.err = err
	r.give()
	close(r.done)
}

func (r *run) Results() []plugin.Buffer { return r.results }

func (r *run) Wait(ctx context.Context) ([][]byte, error) {
	select {
	case <-r.done:
		return r.host, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
