package run

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/recipe"
)

// firstValues are those that a model begins with because model.init says where
// they are.
type firstValues struct {
	tensors *checkpoint.Tensors
	named   map[string]string // a parameter's or buffer's name, and that of the tensor it begins as
	told    Initialized
}

// Initialized tells what a model begins with: model.init.
type Initialized struct {
	Path   string
	Taken  int      // tensors of the model that begin as those of Path
	Anew   []string // tensors of the model that begin as they would without
	Unused []string // tensors of Path that the model does not have
}

func (*Initialized) event() {}

// String says it in a line.
func (e *Initialized) String() string {
	s := fmt.Sprintf("%d of the model's %d tensors begin as those of %s", e.Taken, e.Taken+len(e.Anew), e.Path)
	if len(e.Anew) > 0 {
		s += "; anew begin " + some(e.Anew)
	}
	if len(e.Unused) > 0 {
		s += fmt.Sprintf("; of its tensors %d are not used: %s", len(e.Unused), some(e.Unused))
	}
	return s
}

// some lists the first of many names.
func some(names []string) string {
	const most = 4
	if n := len(names); n > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d others", n-most)
	}
	return strings.Join(names, ", ")
}

// openFirstValues finds the values that a recipe's model begins with.
func openFirstValues(r *recipe.Recipe, state []ir.Param) (_ *firstValues, err error) {
	m := &r.Model
	tensors, err := checkpoint.OpenTensors(m.Init)
	if err != nil {
		return nil, r.Errorf("model.init", "%w", err)
	}
	f := &firstValues{tensors: tensors, named: map[string]string{}, told: Initialized{Path: tensors.Path}}
	defer func() {
		if err != nil {
			err = errors.Join(err, tensors.Close())
		}
	}()
	fresh, err := matching(m.Fresh, state)
	if err != nil {
		return nil, r.Errorf("model.fresh", "%w", err)
	}
	of, err := tensors.Renamed(m.Rename)
	if err != nil {
		return nil, r.Errorf("model.rename", "%w", err)
	}
	var wrong []string
	for _, p := range state {
		name, ok := of[p.Name]
		delete(of, p.Name)
		if !ok || fresh[p.Name] {
			f.told.Anew = append(f.told.Anew, p.Name)
			continue
		}
		has, err := tensors.Type(name)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(has.Shape, p.Type.Shape) || !has.DType.IsFloat() {
			wrong = append(wrong, fmt.Sprintf("%s is %v here and %v there", p.Name, p.Type, has))
		}
		f.named[p.Name] = name
	}
	for _, name := range of {
		f.told.Unused = append(f.told.Unused, name)
	}
	slices.Sort(f.told.Unused)
	f.told.Taken = len(f.named)
	if len(wrong) > 0 {
		return nil, r.Errorf("model.init", "the tensors of %s do not fit: %s; change model.config, or let them begin anew by model.fresh", tensors.Path, some(wrong))
	}
	if len(f.named) == 0 {
		var names []string
		for _, p := range state {
			names = append(names, p.Name)
		}
		return nil, r.Errorf("model.init", "%s has none of the model's tensors: it has %s, and the model %s; model.rename changes names", tensors.Path, some(f.told.Unused), some(names))
	}
	return f, nil
}

func (f *firstValues) close() {
	if f != nil {
		_ = f.tensors.Close() // it was only read
	}
}

// matching are the tensors that some patterns name; each must name one.
func matching(patterns []string, state []ir.Param) (map[string]bool, error) {
	found := map[string]bool{}
	for _, pattern := range patterns {
		any := false
		for _, p := range state {
			ok, err := path.Match(pattern, p.Name)
			if err != nil {
				return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
			}
			if ok {
				any, found[p.Name] = true, true
			}
		}
		if !any {
			return nil, fmt.Errorf("the model has no tensor that matches %q", pattern)
		}
	}
	return found, nil
}

// read returns the bytes, f32, of a tensor of the model, nil for one that begins
// anew.
func (f *firstValues) read(name string) ([]byte, error) {
	if f == nil {
		return nil, nil
	}
	from, ok := f.named[name]
	if !ok {
		return nil, nil
	}
	data, err := f.tensors.Read(from)
	if err != nil {
		return nil, err
	}
	typ, err := f.tensors.Type(from)
	if err != nil {
		return nil, err
	}
	return toF32(typ.DType, data)
}

// toF32 converts floats to f32: exactly, but for f64, which is rounded.
func toF32(d ir.DType, data []byte) ([]byte, error) {
	le := binary.LittleEndian
	if d == ir.F32 {
		return data, nil
	}
	out := make([]byte, 0, len(data)/d.Size()*4)
	for ; len(data) > 0; data = data[d.Size():] {
		var v float32
		switch d {
		case ir.BF16:
			v = numerics.F32FromBF16(le.Uint16(data))
		case ir.F16:
			v = numerics.F32FromF16(le.Uint16(data))
		case ir.F64:
			v = numerics.F32FromF64(math.Float64frombits(le.Uint64(data)))
		default:
			return nil, fmt.Errorf("%v are no values to begin with", d)
		}
		out = le.AppendUint32(out, math.Float32bits(v))
	}
	return out, nil
}
