package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/wire"
)

// readAhead is how many requests are decoded while one runs.
const readAhead = 64

// Execute runs requests strictly in order while the next are read.
func (s *backendServer) Execute(stream abiv1.Backend_ExecuteServer) error {
	ctx := stream.Context()
	requests := make(chan *abiv1.ExecuteRequest, readAhead)
	var broken error // read once requests is closed
	go func() {
		defer close(requests)
		for {
			m, err := stream.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					broken = err
				}
				return
			}
			select {
			case requests <- m:
			case <-ctx.Done():
				broken = ctx.Err()
				return
			}
		}
	}()
	next := uint64(0)
	for m := range requests {
		if m.Sequence != next {
			return fmt.Errorf("execute: request %d follows request %d of the stream", m.Sequence, int64(next)-1)
		}
		next++
		out, err := s.execute(ctx, m)
		if err != nil {
			return err
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
	return broken
}

// execute runs one request. On error the results do not exist, and what was
// donated is gone if the function was run.
func (s *backendServer) execute(ctx context.Context, m *abiv1.ExecuteRequest) (*abiv1.ExecuteResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := s.executables[m.Executable]
	if e == nil {
		return nil, notFound("executable", m.Executable)
	}
	f := e.funcs[m.Function]
	if f == nil {
		return nil, fmt.Errorf("execute: executable %d has no function %q", m.Executable, clip(m.Function, 256))
	}
	args, donated, err := s.arguments(f, m)
	if err != nil {
		return nil, fmt.Errorf("execute %s: %w", m.Function, err)
	}
	if err := s.targets(f, m, donated); err != nil {
		return nil, fmt.Errorf("execute %s: %w", m.Function, err)
	}
	for n := range donated {
		s.remove(n)
	}
	begin := time.Now()
	results, err := f.Execute(ctx, args)
	took := time.Since(begin)
	if err != nil {
		return nil, err
	}
	s.runs++
	s.runTime += took
	out := &abiv1.ExecuteResponse{Sequence: m.Sequence, RunNs: uint64(took)}
	if err := s.keep(ctx, f, m, results, out); err != nil {
		for _, b := range results {
			if b != nil {
				b.Release()
			}
		}
		return nil, fmt.Errorf("execute %s: %w", m.Function, err)
	}
	return out, nil
}

// arguments finds the value of each parameter.
func (s *backendServer) arguments(f *function, m *abiv1.ExecuteRequest) (args []Argument, donated map[uint64]bool, err error) {
	if len(m.Inputs) != len(f.params) {
		return nil, nil, fmt.Errorf("takes %d inputs, is given %d", len(f.params), len(m.Inputs))
	}
	args = make([]Argument, len(m.Inputs))
	donated = map[uint64]bool{}
	uses := make(map[uint64]int, len(m.Inputs))
	for i, in := range m.Inputs {
		p := f.params[i]
		wrong := func(format string, a ...any) error {
			return fmt.Errorf("input %d (%q): %w", i, p.Name, fmt.Errorf(format, a...))
		}
		switch x := in.Source.(type) {
		case *abiv1.ExecuteInput_Buffer:
			b := s.buffers[x.Buffer]
			if b == nil {
				return nil, nil, notFound("buffer", x.Buffer)
			}
			if !b.Type().Equal(p.Type) {
				return nil, nil, wrong("buffer %d is %v, the parameter %v", x.Buffer, b.Type(), p.Type)
			}
			uses[x.Buffer]++
			args[i] = Argument{Buffer: b, Donate: in.Donate}
			if in.Donate {
				donated[x.Buffer] = true
			}
			continue
		case *abiv1.ExecuteInput_Inline:
			if len(x.Inline) > wire.MaxInline {
				return nil, nil, wrong("%d bytes inline are more than %d", len(x.Inline), wire.MaxInline)
			}
			args[i].Data = x.Inline
		case *abiv1.ExecuteInput_BatchField:
			b := x.BatchField
			if args[i].Data, err = s.memory.Region(b.GetSegment(), b.GetSlot(), b.GetOffset(), b.GetLength()); err != nil {
				return nil, nil, wrong("%w", err)
			}
		default:
			return nil, nil, wrong("is missing")
		}
		if in.Donate {
			return nil, nil, wrong("only a buffer can be donated")
		}
		if len(args[i].Data) != p.Type.Bytes() {
			return nil, nil, wrong("%d bytes, %v takes %d", len(args[i].Data), p.Type, p.Type.Bytes())
		}
		if args[i].Data == nil {
			args[i].Data = []byte{} // of a tensor without elements
		}
	}
	for _, in := range m.Inputs {
		if n := in.GetBuffer(); in.Donate && uses[n] > 1 {
			return nil, nil, fmt.Errorf("buffer %d is donated and an input %d times", n, uses[n])
		}
	}
	return args, donated, nil
}

// targets checks where the results shall go.
func (s *backendServer) targets(f *function, m *abiv1.ExecuteRequest, donated map[uint64]bool) error {
	if len(m.Outputs) != len(f.results) {
		return fmt.Errorf("returns %d results, %d outputs are given", len(f.results), len(m.Outputs))
	}
	taken := make(map[uint64]bool, len(m.Outputs))
	for i, o := range m.Outputs {
		switch x := o.Target.(type) {
		case *abiv1.ExecuteOutput_Buffer:
			if !donated[x.Buffer] {
				if err := free("buffer", s.buffers, x.Buffer); err != nil {
					return fmt.Errorf("output %d: %w", i, err)
				}
			}
			if taken[x.Buffer] {
				return fmt.Errorf("output %d: buffer number %d is used twice", i, x.Buffer)
			}
			taken[x.Buffer] = true
		case *abiv1.ExecuteOutput_Inline_:
			if n := f.results[i].Bytes(); n > wire.MaxInline {
				return fmt.Errorf("output %d: %v takes %d bytes, more than the %d that come inline", i, f.results[i], n, wire.MaxInline)
			}
		default:
			return fmt.Errorf("output %d is missing", i)
		}
	}
	return nil
}

// keep puts the results where they shall go: first into the response, which
// can fail, then under their numbers.
func (s *backendServer) keep(ctx context.Context, f *function, m *abiv1.ExecuteRequest, results []Buffer, out *abiv1.ExecuteResponse) error {
	if len(results) != len(f.results) {
		return fmt.Errorf("the backend returned %d results of %d", len(results), len(f.results))
	}
	for i, b := range results {
		if b == nil || !b.Type().Equal(f.results[i]) {
			return fmt.Errorf("the backend's result %d is not %v", i, f.results[i])
		}
		if m.Outputs[i].GetInline() == nil {
			continue
		}
		data := make([]byte, f.results[i].Bytes())
		if err := b.Download(ctx, data); err != nil {
			return err
		}
		out.InlineResults = append(out.InlineResults, data)
	}
	for i, b := range results {
		if m.Outputs[i].GetInline() != nil {
			b.Release()
		} else {
			s.add(m.Outputs[i].GetBuffer(), b)
		}
	}
	return nil
}
