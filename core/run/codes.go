package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// codesRole is the role of models that turn images into codes.
const codesRole = "discrete_vae"

// maxCodes bounds the codes of a dataset, which are in memory.
const maxCodes = 1 << 30

// codes is a dataset with one column more: the codes of its images.
type codes struct {
	datasets.Dataset
	values      []int32
	list        *arrow.FixedSizeListType
	schema      *arrow.Schema
	fingerprint string
}

func (c *codes) Schema() *arrow.Schema { return c.schema }
func (c *codes) Fingerprint() string   { return c.fingerprint }

func (c *codes) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	r, err := c.Dataset.Read(ctx, rows)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	b := array.NewFixedSizeListBuilderWithField(memory.DefaultAllocator, c.list.Len(), c.list.ElemField())
	defer b.Release()
	n := int64(c.list.Len())
	for _, row := range rows {
		b.Append(true)
		b.ValueBuilder().(*array.Int32Builder).AppendValues(c.values[row*n:(row+1)*n], nil)
	}
	column := b.NewArray()
	defer column.Release()
	return array.NewRecord(c.schema, append(r.Columns(), column), r.NumRows()), nil
}

// openCodes opens the checkpoint of a discrete autoencoder by its folder or
// that of its run.
func openCodes(r *recipe.Recipe) (*checkpoint.Checkpoint, *recipe.Recipe, error) {
	path := r.Data.Codes
	bad := func(err error) error { return r.Errorf("data.codes", "%w", err) }
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, nil, bad(fmt.Errorf("%w; it is the run of a discrete autoencoder, such as: host pretrain dvae --out %s", err, path))
	}
	c, of, err := openTrained(path)
	if err != nil {
		return nil, nil, bad(err)
	}
	return c, of, nil
}

// openTrained opens a checkpoint that is whole by its folder or that of its run,
// of which it is the latest.
func openTrained(path string) (*checkpoint.Checkpoint, *recipe.Recipe, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		var latest error
		switch c, _, latest = checkpoint.Latest(path); {
		case latest != nil && errors.Is(err, fs.ErrNotExist): // nor is it one itself
			return nil, nil, latest
		case latest != nil:
			return nil, nil, errors.Join(err, latest)
		}
	}
	if err := c.Verify(); err != nil {
		return nil, nil, err
	}
	of, err := recipe.Parse(filepath.Join(c.Path, "recipe"), []byte(c.Manifest.Recipe), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("the recipe of %s: %w", c.Path, err)
	}
	return c, of, nil
}

// crew are processes that are started together and end together.
type crew struct {
	start  Start
	memory *plugins.Memory
	all    []Process
	makers string // which they are: names, and SHA-256 of executables
}

func (c *crew) add(ctx context.Context, kind plugins.Kind, name string) (Process, error) {
	p, sum, err := c.start(ctx, kind, name, c.memory)
	if err == nil { // a plugin under development has one version for all that it does
		c.all = append(c.all, p)
		c.makers += fmt.Sprintf("%s of %s\n", p.Info().Name, sum)
	}
	return p, err
}

func (c *crew) close() error {
	var errs []error
	for _, p := range c.all {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// addCodes adds the codes that a trained discrete autoencoder, with this run's
// backend, gives the images of both splits.
func (s *session) addCodes(ctx context.Context, progress func(tokens.Progress)) (err error) {
	r := s.Recipe
	c, of, err := openCodes(r)
	if err != nil {
		return err
	}
	processes := &crew{start: s.Start, memory: s.memory}
	defer func() { err = errors.Join(err, processes.close()) }()
	model, err := processes.add(ctx, plugins.KindModel, of.Model.Plugin)
	if err != nil {
		return err
	}
	objective, err := processes.add(ctx, plugins.KindObjective, of.Objective.Plugin)
	if err != nil {
		return err
	}
	backend, err := processes.add(ctx, plugins.KindBackend, r.Backend.Plugin)
	if err != nil {
		return err
	}
	if got, err := role(model.Info(), objective.Info()); err != nil || got != codesRole {
		return r.Errorf("data.codes", "%s holds a model for %s; codes are those of role %s", c.Path, got, codesRole)
	}
	e := &encoder{of: of, checkpoint: c, makers: processes.makers}
	if e.cache, err = openCodesCache(r.Data.CacheDir); err != nil {
		s.warn("codes are not kept: %v", err)
	}
	device := backend.Device()
	defer device.Close() // the process may be gone
	if err := e.compile(ctx, device, model.Model(), objective.Objective(), s.data); err != nil {
		return r.Errorf("data.codes", "%s: %w", c.Path, err)
	}
	total := s.data.Train.Len()
	if s.data.Validation != nil {
		total += s.data.Validation.Len()
	}
	if total > maxCodes/int64(e.each) {
		return r.Errorf("data.codes", "%d images of %d codes are too many: at most %d codes are kept", total, e.each, maxCodes)
	}
	s.data.codes = c.Manifest.WeightsSHA256
	e.total = total
	e.progress = func() { progress(tokens.Progress{Stage: "codes", Done: e.done, Total: e.total}) }
	e.unkept = func(err error) { s.warn("codes are not kept: %v", err) }
	for _, split := range []*datasets.Dataset{&s.data.Train, &s.data.Validation} {
		if *split == nil {
			continue
		}
		if *split, err = e.encode(ctx, *split); err != nil {
			return fmt.Errorf("prepare data: codes: %w", err)
		}
	}
	return nil
}

// encoder is a discrete autoencoder that is only used.
type encoder struct {
	checkpoint *checkpoint.Checkpoint
	of         *recipe.Recipe // that the autoencoder was trained by
	binding    plugin.Binding
	applied    *device.Function
	each       int // codes of an image
	book       int // codes that there are

	program     string // hash of what is applied
	makers      string // crew's
	cache       *codesCache
	done, total int64 // rows that have codes, of those that are to get them
	progress    func()
	unkept      func(err error) // is told why codes are not kept
}

// compile fits the autoencoder to the data and makes the program of codes.
func (e *encoder) compile(ctx context.Context, d device.Device, model plugin.Model, objective plugin.Objective, data *data) error {
	dims := map[string]int{"batch": applyRows}
	m, err := model.Build(ctx, plugin.BuildRequest{Config: e.of.Model.Config, Role: codesRole, Dims: dims})
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	e.binding, err = objective.Bind(ctx, plugin.BindRequest{
		Config: e.of.Objective.Config, Role: codesRole, Dims: dims,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: data.Train.Schema(), Properties: data.properties,
	})
	if err != nil {
		return err
	}
	b, each, book, err := codesOf(m, applyRows)
	if err != nil {
		return err
	}
	f, err := b.Func()
	if err != nil {
		return err
	}
	e.each, e.book, e.program = each, book, (&ir.Program{Funcs: []*ir.Func{f}}).Hash()
	state, err := upload(ctx, d, e.checkpoint, m)
	if err != nil {
		return err
	}
	e.applied, err = apply(ctx, d, b, state)
	return err
}

// codesOf returns the application that gives the likeliest code (i32[B,N]) of
// each place of B images, N, and how many codes there are.
func codesOf(m *plugin.Module, rows int) (b *ir.Builder, each, book int, err error) {
	b, x, err := step.Application(m, "codes", []string{"code_logits"})
	if err != nil {
		return nil, 0, 0, err
	}
	t := b.Type(x[0])
	if t.Rank() != 4 || t.Shape[0] != rows {
		return nil, 0, 0, fmt.Errorf("the model's code_logits are %v, not f32[%d,K,h,w]", t, rows)
	}
	each = t.Shape[2] * t.Shape[3]
	b.Return("codes", b.Reshape(b.Argmax(x[0], 1), rows, each))
	return b, each, t.Shape[1], nil
}

// upload puts the tensors of a checkpoint that a module needs on a device.
func upload(ctx context.Context, d device.Device, c *checkpoint.Checkpoint, m *plugin.Module) (map[string]plugin.Buffer, error) {
	expected := map[string]ir.Type{}
	for _, p := range m.State() {
		expected[p.Name] = p.Type
	}
	var wrong *checkpoint.MismatchError
	if err := c.Check(expected); errors.As(err, &wrong) && len(wrong.Missing)+len(wrong.Different) == 0 {
		// A role may need but a part of a model.
	} else if err != nil {
		return nil, err
	}
	f, err := c.Parameters()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	state := map[string]plugin.Buffer{}
	for _, p := range m.State() {
		data, err := f.Read(p.Name)
		if err != nil {
			return nil, err
		}
		if state[p.Name], err = d.Upload(ctx, p.Type, data); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// encode returns a dataset with the column codes, those that are kept or new
// ones.
func (e *encoder) encode(ctx context.Context, d datasets.Dataset) (datasets.Dataset, error) {
	list := arrow.FixedSizeListOfNonNullable(int32(e.each), arrow.PrimitiveTypes.Int32)
	c := &codes{
		Dataset: d, list: list,
		fingerprint: keyOf("codes 2 of %s by %s, %s %s, %s %s", d.Fingerprint(), e.checkpoint.Manifest.WeightsSHA256,
			e.of.Model.Plugin, e.of.Model.Config, e.of.Objective.Plugin, e.of.Objective.Config),
		schema: arrow.NewSchema(append(d.Schema().Fields(), arrow.Field{Name: "codes", Type: list}), nil),
	}
	n := d.Len() * int64(e.each)
	key := keyOf("%s %s, seed %d, by\n%s", c.fingerprint, e.program, e.of.Seed, e.makers)
	if c.values = e.cache.read(key, n, e.book); c.values != nil {
		e.total -= d.Len()
		return c, nil
	}
	c.values = make([]int32, 0, n)
	err := eachBatch(ctx, d, e.binding, e.of.Seed, func(_ arrow.Record, fields map[string][]byte, n int) error {
		out, err := e.applied.Run(ctx, fields)
		if err != nil {
			return err
		}
		for i := range n * e.each {
			c.values = append(c.values, int32(binary.LittleEndian.Uint32(out["codes"][4*i:])))
		}
		e.done += int64(n)
		e.progress()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := e.cache.write(key, c.values); err != nil {
		e.unkept(err)
	}
	return c, nil
}
