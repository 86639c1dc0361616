package batch

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Images is a column of images: lists of C*H*W elements, channel by channel.
// Bytes become (v/255 - mean) / deviation; f32 are taken as they are.
type Images struct {
	Mean, Deviation float64

	name           string
	column, length int
	bytes          bool
}

// Fields are the configuration that objectives on images have.
func (m *Images) Fields() []config.Field {
	return []config.Field{
		config.Float("image_mean", &m.Mean, 0.5, 0, 1),
		config.Float("image_std", &m.Deviation, 0.5, 0.001, 1),
	}
}

// Bind finds the column called name, for images of type t, f32[B,C,H,W].
func (m *Images) Bind(s *arrow.Schema, name string, t ir.Type) (err error) {
	m.name = name
	if m.column, err = Need(s, name); err != nil {
		return err
	}
	m.length = t.Elements() / max(t.Shape[0], 1)
	list, ok := s.Field(m.column).Type.(*arrow.FixedSizeListType)
	if ok {
		m.bytes = list.Elem().ID() == arrow.UINT8
		ok = int(list.Len()) == m.length && (m.bytes || list.Elem().ID() == arrow.FLOAT32)
	}
	if !ok {
		return fmt.Errorf("the dataset's column %q is %v; images %v of the model need fixed_size_list<uint8 or float32>[%d]", name, s.Field(m.column).Type, t, m.length)
	}
	return nil
}

// Read returns the images of all rows, one after the other.
func (m *Images) Read(rows arrow.Record) ([]float32, error) {
	values, first, err := listValues(rows, m.column, m.length)
	if err != nil {
		return nil, err
	}
	n := int(rows.NumRows()) * m.length
	out := make([]float32, n)
	switch v := values.(type) {
	case *array.Float32:
		copy(out, v.Float32Values()[first:][:n])
	case *array.Uint8:
		var table [256]float32
		for i := range table {
			table[i] = float32((float64(i)/255 - m.Mean) / m.Deviation)
		}
		for i, b := range v.Uint8Values()[first:][:n] {
			out[i] = table[b]
		}
	default:
		return nil, fmt.Errorf("column %q holds %v, neither uint8 nor float32", m.name, values.DataType())
	}
	return out, nil
}

// Input finds one of a model's inputs of images, f32[B,C,H,W].
func Input(inputs []ir.Param, name string) (ir.Type, error) {
	for _, in := range inputs {
		if in.Name == name {
			if in.Type.DType != ir.F32 || in.Type.Rank() != 4 || in.Type.Elements() == 0 {
				return ir.Type{}, fmt.Errorf("the model's input %q is %v; the objective makes images f32[B,C,H,W]", name, in.Type)
			}
			return in.Type, nil
		}
	}
	return ir.Type{}, fmt.Errorf("the model takes no input %q", name)
}
