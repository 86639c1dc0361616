package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/record"
	"github.com/seedbed/seedbed/abi/shm"
	"github.com/seedbed/seedbed/abi/wire"
)

type objectiveServer struct {
	abiv1.UnimplementedObjectiveServer
	objective Objective
	memory    *shm.Set

	mu       sync.Mutex
	bindings map[uint32]*bound
}

// bound is a binding and what is needed of it for every batch.
type bound struct {
	Binding
	rows   *arrow.Schema
	fields []ir.Param
}

func (s *objectiveServer) Bind(ctx context.Context, m *abiv1.BindRequest) (*abiv1.BindResponse, error) {
	if m.Binding >= wire.MaxBindings {
		return nil, fmt.Errorf("binding %d is not below %d", m.Binding, wire.MaxBindings)
	}
	r := BindRequest{Config: m.Config, Role: m.Role, Properties: m.Properties}
	var err error
	if err := errors.Join(wire.CheckConfig(m.Config), wire.CheckName(m.Role), wire.CheckProperties(m.Properties)); err != nil {
		return nil, err
	}
	if r.Dims, err = wire.DimsFromProto(m.Dims); err != nil {
		return nil, err
	}
	if r.Inputs, err = wire.FieldsFromProto(m.Inputs); err != nil {
		return nil, fmt.Errorf("inputs: %w", err)
	}
	if r.Outputs, err = wire.FieldsFromProto(m.Outputs); err != nil {
		return nil, fmt.Errorf("outputs: %w", err)
	}
	if r.Rows, err = record.DecodeSchema(m.RowSchema); err != nil {
		return nil, fmt.Errorf("row_schema: %w", err)
	}
	b, err := s.objective.Bind(ctx, r)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, errors.New("the objective returned no binding")
	}
	out, err := bindingToProto(b, m.Config)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bindings == nil {
		s.bindings = map[uint32]*bound{}
	}
	s.bindings[m.Binding] = &bound{Binding: b, rows: r.Rows, fields: b.Batch()}
	return out, nil
}

func bindingToProto(b Binding, config []byte) (*abiv1.BindResponse, error) {
	if b.Loss() == nil {
		return nil, errors.New("the binding has no loss")
	}
	program, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{b.Loss()}})
	if err != nil {
		return nil, err
	}
	fields := b.Batch()
	if !slices.IsSortedFunc(fields, func(x, y ir.Param) int { return strings.Compare(x.Name, y.Name) }) {
		return nil, errors.New("the batch's fields are not sorted by name")
	}
	if _, err := record.TensorSchema(fields); err != nil {
		return nil, err
	}
	out := &abiv1.BindResponse{Config: config, Loss: program}
	if c, ok := b.(Configured); ok {
		out.Config = c.Config()
	}
	if len(out.Config) == 0 {
		out.Config = []byte("{}")
	}
	if err := wire.CheckConfig(out.Config); err != nil {
		return nil, err
	}
	if out.Batch, err = wire.FieldsToProto(fields); err != nil {
		return nil, err
	}
	var metrics []Metric
	for _, r := range b.Loss().Results {
		if r.Name != "loss" && r.Name != "weight" {
			metrics = append(metrics, Metric{Name: r.Name})
		}
	}
	if x, ok := b.(Measured); ok {
		described := x.Metrics()
		if !slices.EqualFunc(described, metrics, func(a, b Metric) bool { return a.Name == b.Name }) {
			return nil, fmt.Errorf("the metrics %v are not the loss's results beside loss and weight, in order: %v", described, metrics)
		}
		metrics = described
	}
	if len(metrics) > wire.MaxMetrics {
		return nil, fmt.Errorf("%d metrics are more than %d", len(metrics), wire.MaxMetrics)
	}
	for _, m := range metrics {
		if len(m.Doc) > wire.MaxShortDocLen {
			return nil, fmt.Errorf("metric %q: its doc has %d bytes, more than %d", m.Name, len(m.Doc), wire.MaxShortDocLen)
		}
		out.Metrics = append(out.Metrics, &abiv1.Metric{Name: m.Name, Doc: m.Doc, PerWeight: m.PerWeight})
	}
	return out, nil
}

// Transform answers one request after the other. Streams run side by side.
func (s *objectiveServer) Transform(stream abiv1.Objective_TransformServer) error {
	used := map[uint32]*bound{} // a stream keeps the bindings that it began with
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := used[m.Binding]
		if b == nil {
			s.mu.Lock()
			b = s.bindings[m.Binding]
			s.mu.Unlock()
			if b == nil {
				return status.Errorf(codes.NotFound, "there is no binding %d", m.Binding)
			}
			used[m.Binding] = b
		}
		out, err := s.transform(stream.Context(), b, m)
		if err != nil {
			return err
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (s *objectiveServer) transform(ctx context.Context, b *bound, m *abiv1.TransformRequest) (*abiv1.TransformResponse, error) {
	rows, err := s.rows(b, m)
	if err != nil {
		return nil, fmt.Errorf("rows: %w", err)
	}
	defer rows.Release()
	fields := make([][]byte, len(b.fields))
	if m.Into != nil {
		if fields, err = s.memory.Regions(m.Into); err != nil {
			return nil, fmt.Errorf("into: %w", err)
		}
		if len(fields) != len(b.fields) {
			return nil, fmt.Errorf("into: %d regions for %d fields", len(fields), len(b.fields))
		}
		for i, f := range b.fields {
			if len(fields[i]) != f.Type.Bytes() {
				return nil, fmt.Errorf("into: field %q has a region of %d bytes, %v takes %d", f.Name, len(fields[i]), f.Type, f.Type.Bytes())
			}
		}
	} else {
		for i, f := range b.fields {
			fields[i] = make([]byte, f.Type.Bytes())
		}
	}
	if err := b.Transform(ctx, rows, Position{Seed: m.Seed, Step: m.Step, Grain: m.Part}, fields); err != nil {
		return nil, err
	}
	out := &abiv1.TransformResponse{Step: m.Step, Part: m.Part}
	if m.Into != nil {
		out.Batch = &abiv1.TransformResponse_Slot{Slot: m.Into}
		return out, nil
	}
	batch, err := record.EncodeTensors(b.fields, fields)
	if err != nil {
		return nil, err
	}
	out.Batch = &abiv1.TransformResponse_ArrowBatch{ArrowBatch: batch}
	return out, nil
}

func (s *objectiveServer) rows(b *bound, m *abiv1.TransformRequest) (arrow.Record, error) {
	switch r := m.Rows.(type) {
	case *abiv1.TransformRequest_ArrowRows:
		return record.DecodeRows(b.rows, r.ArrowRows)
	case *abiv1.TransformRequest_SlotRows:
		buffers, err := s.memory.Regions(r.SlotRows.Slot)
		if err != nil {
			return nil, err
		}
		if r.SlotRows.Rows > math.MaxInt32 {
			return nil, fmt.Errorf("%d rows are more than %d", r.SlotRows.Rows, math.MaxInt32)
		}
		nodes := make([]record.Node, len(r.SlotRows.Nodes))
		for i, n := range r.SlotRows.Nodes {
			// What is too large becomes negative, which Build refuses.
			nodes[i] = record.Node{Length: int64(n.Length), Nulls: int64(n.NullCount)}
		}
		return record.Build(b.rows, int64(r.SlotRows.Rows), nodes, buffers)
	}
	return nil, errors.New("missing")
}
