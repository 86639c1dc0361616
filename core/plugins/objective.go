package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/record"
	"github.com/seedbed/seedbed/abi/wire"
)

// objective is an objective in a process of its own.
type objective struct {
	p      *Plugin
	client abiv1.ObjectiveClient
}

func (o *objective) Info() plugin.Info { return o.p.Info() }

func (o *objective) Bind(ctx context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	if err := errors.Join(wire.CheckConfig(r.Config), wire.CheckName(r.Role), wire.CheckProperties(r.Properties)); err != nil {
		return nil, err
	}
	m := &abiv1.BindRequest{Config: r.Config, Role: r.Role, Properties: r.Properties}
	var err error
	if m.Dims, err = wire.DimsToProto(r.Dims); err != nil {
		return nil, err
	}
	if m.Inputs, err = wire.FieldsToProto(r.Inputs); err != nil {
		return nil, fmt.Errorf("the model's inputs: %w", err)
	}
	if m.Outputs, err = wire.FieldsToProto(r.Outputs); err != nil {
		return nil, fmt.Errorf("the model's outputs: %w", err)
	}
	if m.RowSchema, err = record.EncodeSchema(r.Rows); err != nil {
		return nil, fmt.Errorf("the dataset's rows: %w", err)
	}
	if m.Binding = o.p.bindings.Add(1) - 1; m.Binding >= wire.MaxBindings {
		return nil, fmt.Errorf("plugin %s: more than %d bindings; start it again", o.p.info.Name, wire.MaxBindings)
	}
	var out *abiv1.BindResponse
	err = o.p.call(ctx, "Bind", func(ctx context.Context) (err error) {
		out, err = o.client.Bind(ctx, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := &binding{o: o, number: m.Binding, rows: r.Rows}
	if err := b.fromProto(out); err != nil {
		return nil, fmt.Errorf("plugin %s: the binding breaks the ABI: %w", o.p.info.Name, err)
	}
	return b, nil
}

// binding is a binding in the plugin's process. Calls of Transform that
// overlap go over streams of their own.
type binding struct {
	o       *objective
	number  uint32
	rows    *arrow.Schema
	config  json.RawMessage
	loss    *ir.Func
	fields  []ir.Param
	metrics []plugin.Metric

	mu   sync.Mutex
	idle []*transforms
}

// transforms is an open stream.
type transforms struct {
	abiv1.Objective_TransformClient
	cancel context.CancelFunc
}

var (
	_ plugin.Binding    = (*binding)(nil)
	_ plugin.Configured = (*binding)(nil)
	_ plugin.Measured   = (*binding)(nil)
)

func (b *binding) Loss() *ir.Func           { return b.loss }
func (b *binding) Batch() []ir.Param        { return b.fields }
func (b *binding) Config() json.RawMessage  { return b.config }
func (b *binding) Metrics() []plugin.Metric { return slices.Clone(b.metrics) }

func (b *binding) fromProto(m *abiv1.BindResponse) error {
	if err := wire.CheckConfig(m.Config); err != nil {
		return err
	}
	if len(m.Config) == 0 {
		return errors.New("the config is missing")
	}
	program, err := wire.FromProto(m.Loss)
	if err != nil {
		return err
	}
	if len(program.Funcs) != 1 {
		return fmt.Errorf("the loss is %d functions, not one", len(program.Funcs))
	}
	b.config, b.loss = json.RawMessage(m.Config), program.Funcs[0]
	if b.fields, err = wire.FieldsFromProto(m.Batch); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	if !slices.IsSortedFunc(b.fields, func(x, y ir.Param) int { return strings.Compare(x.Name, y.Name) }) {
		return errors.New("batch: the fields are not sorted by name")
	}
	if _, err := record.TensorSchema(b.fields); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	if len(m.Metrics) > wire.MaxMetrics {
		return fmt.Errorf("%d metrics are more than %d", len(m.Metrics), wire.MaxMetrics)
	}
	var want []string
	for _, r := range b.loss.Results {
		if r.Name != "loss" && r.Name != "weight" {
			want = append(want, r.Name)
		}
	}
	if !slices.EqualFunc(m.Metrics, want, func(x *abiv1.Metric, name string) bool { return x.Name == name }) {
		return fmt.Errorf("the metrics are not the loss's results beside loss and weight, in order: %q", want)
	}
	for _, x := range m.Metrics {
		if len(x.Doc) > wire.MaxShortDocLen {
			return fmt.Errorf("metric %q: the doc has %d bytes, more than %d", x.Name, len(x.Doc), wire.MaxShortDocLen)
		}
		b.metrics = append(b.metrics, plugin.Metric{Name: x.Name, Doc: x.Doc, PerWeight: x.PerWeight})
	}
	return nil
}

func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	if len(fields) != len(b.fields) {
		return fmt.Errorf("%d buffers for %d fields", len(fields), len(b.fields))
	}
	for i, f := range b.fields {
		if len(fields[i]) != f.Type.Bytes() {
			return fmt.Errorf("field %q has a buffer of %d bytes, needs %d", f.Name, len(fields[i]), f.Type.Bytes())
		}
	}
	if !rows.Schema().Equal(b.rows) {
		return fmt.Errorf("the rows have another schema than those that the objective was bound to: %v", rows.Schema().Fields())
	}
	m := &abiv1.TransformRequest{Binding: b.number, Seed: at.Seed, Step: at.Step, Part: at.Grain}
	memory := b.o.p.memory
	s, err := b.place(rows, m, memory)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	defer s.give()
	m.Into = memory.locateAll(fields)
	var out *abiv1.TransformResponse
	err = b.o.p.hold(ctx, "Transform", func(ctx context.Context) (err error) {
		out, err = b.exchange(m)
		return err
	})
	if err != nil {
		return err
	}
	if err := b.answer(m, out, fields); err != nil {
		return fmt.Errorf("plugin %s: Transform breaks the ABI: %w", b.o.p.info.Name, err)
	}
	return nil
}

// place puts the rows into a slot, which is to be given back, or into the
// message.
func (b *binding) place(rows arrow.Record, m *abiv1.TransformRequest, memory *Memory) (s *slot, err error) {
	if memory != nil {
		flat, err := record.Flatten(rows, func(n int) ([]byte, error) {
			// An empty batch takes a slot all the same.
			if s = memory.take(max(n, 1)); s == nil {
				return nil, errNoSlot
			}
			return s.data, nil
		})
		if err == nil {
			r := &abiv1.SlotRows{
				Slot: &abiv1.Slot{Segment: memory.segment.ID, Slot: uint32(s.number), Offsets: flat.Offsets, Lengths: flat.Lengths},
				Rows: uint64(flat.Rows),
			}
			for _, n := range flat.Nodes {
				r.Nodes = append(r.Nodes, &abiv1.FieldNode{Length: uint64(n.Length), NullCount: uint64(n.Nulls)})
			}
			m.Rows = &abiv1.TransformRequest_SlotRows{SlotRows: r}
			return s, nil
		}
		s.give()
		if !errors.Is(err, errNoSlot) {
			return nil, err
		}
	}
	stream, err := record.EncodeRows(rows)
	if err != nil {
		return nil, err
	}
	m.Rows = &abiv1.TransformRequest_ArrowRows{ArrowRows: stream}
	return nil, nil
}

var errNoSlot = errors.New("no slot is free")

// exchange sends a request on a stream that nobody else uses and waits for its
// answer.
func (b *binding) exchange(m *abiv1.TransformRequest) (*abiv1.TransformResponse, error) {
	b.mu.Lock()
	var s *transforms
	if n := len(b.idle); n > 0 {
		s, b.idle = b.idle[n-1], b.idle[:n-1]
	}
	b.mu.Unlock()
	if s == nil {
		// The stream outlives the call.
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := b.o.client.Transform(ctx)
		if err != nil {
			cancel()
			return nil, err
		}
		s = &transforms{stream, cancel}
	}
	// Where sending fails, receiving says why.
	if err := s.Send(m); err != nil && !errors.Is(err, io.EOF) {
		s.cancel()
		return nil, err
	}
	out, err := s.Recv()
	if err != nil {
		s.cancel()
		if errors.Is(err, io.EOF) {
			err = errCut
		}
		return nil, err
	}
	b.mu.Lock()
	b.idle = append(b.idle, s)
	b.mu.Unlock()
	return out, nil
}

// answer checks a batch and copies one that came inline.
func (b *binding) answer(m *abiv1.TransformRequest, out *abiv1.TransformResponse, fields [][]byte) error {
	if out.Step != m.Step || out.Part != m.Part {
		return fmt.Errorf("the batch is of step %d, part %d, not of step %d, part %d", out.Step, out.Part, m.Step, m.Part)
	}
	switch x := out.Batch.(type) {
	case *abiv1.TransformResponse_Slot:
		want := m.Into
		if want == nil {
			return errors.New("the batch is in a slot that was not offered")
		}
		if x.Slot.Segment != want.Segment || x.Slot.Slot != want.Slot || !slices.Equal(x.Slot.Offsets, want.Offsets) || !slices.Equal(x.Slot.Lengths, want.Lengths) {
			return errors.New("the batch is in another slot than the one offered")
		}
		return nil
	case *abiv1.TransformResponse_ArrowBatch:
		return record.DecodeTensors(b.fields, x.ArrowBatch, fields)
	}
	return errors.New("the batch is missing")
}
