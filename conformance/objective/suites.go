package objective

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// bound is an objective fitted to a scenario.
type bound struct {
	objective plugin.Objective
	scenario  *Scenario
	plugin.Binding
	// request is the scenario's, with the schema of its rows.
	request plugin.BindRequest
	// told goes into the receipt: what must not depend on the machine.
	told []byte
}

func bind(ctx context.Context, o plugin.Objective, s *Scenario) (*bound, error) {
	b := &bound{objective: o, scenario: s, request: s.Request}
	probe := s.Rows(&Draws{}, 1)
	defer probe.Release()
	b.request.Rows = probe.Schema()
	var err error
	if b.Binding, err = o.Bind(ctx, b.request); err != nil {
		return nil, fmt.Errorf("it does not bind: %w", err)
	}
	return b, nil
}

// check is one property. One that holds of many is tried with many random
// batches; one that a scenario must declare only where it does.
type check struct {
	name     string
	many     bool
	run      func(ctx context.Context, b *bound, d *Draws) error
	declared func(s *Scenario) bool
}

var checks = []check{
	{"contract", false, contract, nil},
	{"deterministic", true, deterministic, nil},
	{"bound again", false, boundAgain, nil},
	{"several at once", true, concurrent, nil},
	{"slices of records", true, sliced, nil},
	{"nothing outside the slot", true, guarded, nil},
	{"rows are left alone", true, untouched, nil},
	{"place in the run", true, placed, nil},
	{"bad calls are refused", true, refused, nil},
	{"bad requests are refused", false, badRequests, nil},
	{"bad configurations are refused", false, badConfigs, nil},
	{"finite loss", true, finite, nil},
	{"gradient", true, gradient, nil},
	{"what is free", true, free, func(s *Scenario) bool { return len(s.Free) > 0 }},
	{"what is the same", true, same, func(s *Scenario) bool { return len(s.Same) > 0 }},
}

// Units lists the suites of an objective over its scenarios; n is how many
// batches try a property.
func Units(o plugin.Objective, scenarios []Scenario, seed uint64, n int) []suite.Unit {
	var units []suite.Unit
	for i := range scenarios {
		s := &scenarios[i]
		// One binding serves all, as in a run: a plugin's process keeps every one.
		binding := sync.OnceValues(func() (*bound, error) { return bind(context.Background(), o, s) })
		for _, c := range checks {
			if c.declared != nil && !c.declared(s) {
				continue
			}
			count := 1
			if c.many {
				count = n
			}
			// Batches and their loss are the same on every machine.
			receipt := c.name == "deterministic"
			units = append(units, suite.Unit{Suite: c.name, Name: s.Name, Cases: count, Receipt: receipt, Run: func(ctx context.Context, r *suite.Recorder) {
				for i := range count {
					name := fmt.Sprintf("%s/%s/%d", c.name, s.Name, i)
					if !r.Want(name) || ctx.Err() != nil {
						continue
					}
					h := fnv.New64a()
					h.Write([]byte(s.Name)) // every property meets the same batches
					d := &Draws{stream: numerics.Stream{Seed: seed ^ h.Sum64(), Stream: uint32(i)}}
					var mine bound
					err := suite.Guard(func() error {
						b, err := binding()
						if err != nil {
							return err
						}
						mine = *b
						return c.run(ctx, &mine, d)
					})
					r.Case(name, mine.told, err)
				}
			}})
		}
	}
	return units
}

// contract checks what a binding says about itself.
func contract(_ context.Context, b *bound, _ *Draws) error {
	info := b.objective.Info()
	if info.Name == "" || info.Version == "" || !slices.Contains(info.Roles, b.request.Role) {
		return fmt.Errorf("its info is %+v, with no name, no version or without the role %q", info, b.request.Role)
	}
	fields := b.Batch()
	have := map[string]ir.Type{}
	for i, f := range fields {
		if i > 0 && fields[i-1].Name >= f.Name {
			return fmt.Errorf("the batch's field %q does not come after %q: fields are sorted and named once", f.Name, fields[i-1].Name)
		}
		if err := f.Type.Check(); err != nil {
			return fmt.Errorf("the batch's field %q: %w", f.Name, err)
		}
		have[f.Name] = f.Type
	}
	for _, in := range b.request.Inputs {
		if t, ok := have[in.Name]; in.Name != step.State && (!ok || !t.Equal(in.Type)) {
			return fmt.Errorf("the batch has no field %q %v, which the model takes", in.Name, in.Type)
		}
	}
	if _, err := b.link(); err != nil {
		return err
	}
	if m, ok := b.Binding.(plugin.Measured); ok {
		for _, m := range m.Metrics() {
			if b.Loss().Result(m.Name) < 0 {
				return fmt.Errorf("it describes the metric %q, which its loss does not give", m.Name)
			}
		}
	}
	return nil
}

// link joins the loss to a model whose parameters are its outputs.
func (b *bound) link() (*ir.Func, error) {
	m, err := b.identity()
	if err != nil {
		return nil, err
	}
	return step.Link(m, b.Loss(), b.Batch())
}

// identity is a model whose outputs are parameters of their own.
func (b *bound) identity() (*plugin.Module, error) {
	outs := slices.Clone(b.request.Outputs)
	slices.SortFunc(outs, func(x, y ir.Param) int { return strings.Compare(x.Name, y.Name) })
	m := &plugin.Module{}
	f := ir.NewBuilder("identity")
	var values []ir.Value
	for _, o := range outs {
		m.Parameters = append(m.Parameters, plugin.Parameter{Name: "p." + o.Name, Type: o.Type, Init: plugin.Init{Kind: plugin.InitZeros}})
		values = append(values, f.Param("p."+o.Name, o.Type))
	}
	for _, in := range b.request.Inputs {
		f.Param(in.Name, in.Type)
	}
	for i, o := range outs {
		f.Return(o.Name, values[i])
	}
	var err error
	m.Forward, err = f.Func()
	return m, err
}

// transform fills buffers that hold a byte of the caller's choice before.
func (b *bound) transform(ctx context.Context, rows arrow.Record, at plugin.Position, before byte) ([][]byte, error) {
	fields := make([][]byte, len(b.Batch()))
	for i, f := range b.Batch() {
		fields[i] = bytes.Repeat([]byte{before}, f.Type.Bytes())
	}
	return fields, b.Transform(ctx, rows, at, fields)
}

func (b *bound) same(got, want [][]byte, what string) error {
	for i, f := range b.Batch() {
		if !bytes.Equal(got[i], want[i]) {
			at := 0
			for got[i][at] == want[i][at] {
				at++
			}
			return fmt.Errorf("%s: field %q differs from byte %d on: 0x%02x, not 0x%02x", what, f.Name, at, got[i][at], want[i][at])
		}
	}
	return nil
}

func position(d *Draws) plugin.Position {
	return plugin.Position{Seed: uint64(d.N(1 << 30)), Step: uint64(d.N(1000)), Grain: uint64(d.N(8))}
}

// deterministic: the same bytes twice, whatever the buffers held.
func deterministic(ctx context.Context, b *bound, d *Draws) error {
	rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
	defer rows.Release()
	want, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return err
	}
	b.told = append([]byte(b.Loss().String()), bytes.Join(want, nil)...)
	for _, before := range []byte{0xFF, 0x55} {
		got, err := b.transform(ctx, rows, at, before)
		if err != nil {
			return err
		}
		if err := b.same(got, want, "a second time, into buffers that held other bytes"); err != nil {
			return err
		}
	}
	return nil
}

// boundAgain: another binding of the same request is the same.
func boundAgain(ctx context.Context, b *bound, d *Draws) error {
	again, err := bind(ctx, b.objective, b.scenario)
	if err != nil {
		return err
	}
	if again.Loss().String() != b.Loss().String() {
		return errors.New("bound again, it has another loss")
	}
	for range 4 {
		rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
		defer rows.Release()
		want, err := b.transform(ctx, rows, at, 0)
		if err != nil {
			return err
		}
		got, err := again.transform(ctx, rows, at, 0)
		if err != nil {
			return err
		}
		if err := b.same(got, want, "bound again"); err != nil {
			return err
		}
	}
	return nil
}

// concurrent: batches made ahead and at once, in any order, are those made one
// by one.
func concurrent(ctx context.Context, b *bound, d *Draws) error {
	const n = 6
	at := position(d)
	var records [n]arrow.Record
	var want, got [n][][]byte
	var errs [n]error
	place := func(i int) plugin.Position {
		return plugin.Position{Seed: at.Seed, Step: at.Step + uint64(i/2), Grain: uint64(i % 2)}
	}
	for i := range n {
		records[i] = b.scenario.Rows(d, b.scenario.Grain)
		defer records[i].Release()
		var err error
		if want[i], err = b.transform(ctx, records[i], place(i), 0); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	for i := n - 1; i >= 0; i-- {
		all.Go(func() {
			errs[i] = suite.Guard(func() (err error) {
				got[i], err = b.transform(ctx, records[i], place(i), 0xAA)
				return err
			})
		})
	}
	all.Wait()
	for i := range n {
		if errs[i] != nil {
			return errs[i]
		}
		if err := b.same(got[i], want[i], "at the same time as others"); err != nil {
			return err
		}
	}
	return nil
}

// sliced: rows within a larger record are the same rows.
func sliced(ctx context.Context, b *bound, d *Draws) error {
	n := b.scenario.Grain
	large, at := b.scenario.Rows(d, 3*n), position(d)
	defer large.Release()
	part := large.NewSlice(int64(n), int64(2*n))
	defer part.Release()
	alone, err := copyRecord(part)
	if err != nil {
		return err
	}
	defer alone.Release()
	want, err := b.transform(ctx, alone, at, 0)
	if err != nil {
		return err
	}
	got, err := b.transform(ctx, part, at, 0)
	if err != nil {
		return err
	}
	return b.same(got, want, "rows that are part of a larger record")
}

// copyRecord writes a record and reads it back, so that it shares nothing.
func copyRecord(r arrow.Record) (arrow.Record, error) {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(r.Schema()))
	if err := w.Write(r); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	read, err := ipc.NewReader(&b)
	if err != nil {
		return nil, err
	}
	defer read.Release()
	if !read.Next() {
		return nil, errors.New("the copy of a record is empty")
	}
	out := read.Record()
	out.Retain()
	return out, nil
}

// guarded: bytes around each buffer stay as they are.
func guarded(ctx context.Context, b *bound, d *Draws) error {
	rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
	defer rows.Release()
	const fence = 96
	whole := make([][]byte, len(b.Batch()))
	fields := make([][]byte, len(whole))
	for i, f := range b.Batch() {
		n := f.Type.Bytes()
		whole[i] = make([]byte, n+2*fence)
		for k := range whole[i] {
			whole[i][k] = byte(k*37 + 11)
		}
		fields[i] = whole[i][fence : fence+n] // with room after it that is not its own
	}
	if err := b.Transform(ctx, rows, at, fields); err != nil {
		return err
	}
	for i, f := range b.Batch() {
		n := f.Type.Bytes()
		for k, v := range whole[i] {
			if (k < fence || k >= fence+n) && v != byte(k*37+11) {
				return fmt.Errorf("field %q: byte %d of %d was written", f.Name, k-fence, n)
			}
		}
	}
	want, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return err
	}
	return b.same(fields, want, "between fences")
}

// untouched: the rows are as they were.
func untouched(ctx context.Context, b *bound, d *Draws) error {
	rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
	defer rows.Release()
	before, err := copyRecord(rows)
	if err != nil {
		return err
	}
	defer before.Release()
	if _, err := b.transform(ctx, rows, at, 0); err != nil {
		return err
	}
	if !array.RecordEqual(rows, before) {
		return errors.New("it changed the rows")
	}
	return nil
}

// placed: what is random depends on the place in the run, all of it.
func placed(ctx context.Context, b *bound, d *Draws) error {
	rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
	defer rows.Release()
	first, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return err
	}
	for name, change := range map[string]func(p *plugin.Position){
		"seed": func(p *plugin.Position) { p.Seed++ }, "step": func(p *plugin.Position) { p.Step++ }, "grain": func(p *plugin.Position) { p.Grain++ },
	} {
		differs := false
		// One draw may give the same by chance, ten do not.
		for range 10 {
			change(&at)
			got, err := b.transform(ctx, rows, at, 0)
			if err != nil {
				return err
			}
			differs = differs || b.same(got, first, "") != nil
		}
		if differs != b.scenario.Random && !b.scenario.MayBeRandom {
			return fmt.Errorf("with another %s batches differ: %v; the scenario says random: %v", name, differs, b.scenario.Random)
		}
	}
	return nil
}

// refused: calls that do not fit are errors, and change nothing about the next.
func refused(ctx context.Context, b *bound, d *Draws) error {
	n := b.scenario.Grain
	rows, at := b.scenario.Rows(d, n), position(d)
	defer rows.Release()
	want, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return err
	}
	must := func(what string, r arrow.Record, fields [][]byte) error {
		if err := suite.Guard(func() error { return b.Transform(ctx, r, at, fields) }); err == nil {
			return fmt.Errorf("%s is taken", what)
		} else if strings.HasPrefix(err.Error(), "panicked") {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	fresh := func() [][]byte {
		l := make([][]byte, len(want))
		for i := range want {
			l[i] = make([]byte, len(want[i]))
		}
		return l
	}
	more, fewer := b.scenario.Rows(d, n+1), b.scenario.Rows(d, n-1)
	defer more.Release()
	defer fewer.Release()
	short, long, lost := fresh(), fresh(), fresh()
	short[0] = short[0][:len(short[0])-1]
	long[len(long)-1] = append(long[len(long)-1], 0)
	other := Lists(n, map[string][]int32{"unheard_of": make([]int32, 3*n)})
	defer other.Release()
	errs := []error{
		must("a record of a row too many", more, fresh()),
		must("a record of a row too few", fewer, fresh()),
		must("a buffer that is too short", rows, short),
		must("a buffer that is too long", rows, long),
		must("a missing buffer", rows, lost[:len(lost)-1]),
		must("no buffers", rows, nil),
		must("rows of another schema", other, fresh()),
	}
	for i := range int(rows.NumCols()) {
		fields, columns := slices.Clone(rows.Schema().Fields()), slices.Clone(rows.Columns())
		name := fields[i].Name
		if slices.Contains(b.scenario.Optional, name) {
			continue
		}
		less := array.NewRecord(arrow.NewSchema(slices.Delete(fields, i, i+1), nil), slices.Delete(columns, i, i+1), rows.NumRows())
		defer less.Release()
		errs = append(errs, must("a record without its column "+name, less, fresh()))
	}
	for name, bad := range b.scenario.Bad {
		r := bad(d)
		defer r.Release()
		errs = append(errs, must(name, r, fresh()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	got, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return fmt.Errorf("after bad calls: %w", err)
	}
	return b.same(got, want, "after bad calls")
}

// badRequests: what does not fit is refused at once.
func badRequests(ctx context.Context, b *bound, _ *Draws) error {
	var errs []error
	must := func(what string, change func(r *plugin.BindRequest)) {
		r := b.request
		r.Inputs, r.Outputs = slices.Clone(r.Inputs), slices.Clone(r.Outputs)
		change(&r)
		if err := suite.Guard(func() error { _, err := b.objective.Bind(ctx, r); return err }); err == nil {
			errs = append(errs, fmt.Errorf("%s: it binds", what))
		} else if strings.HasPrefix(err.Error(), "panicked") {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	must("another role", func(r *plugin.BindRequest) { r.Role = "no_such_role" })
	must("no role", func(r *plugin.BindRequest) { r.Role = "" })
	must("no dataset", func(r *plugin.BindRequest) { r.Rows = nil })
	must("a dataset without its columns", func(r *plugin.BindRequest) {
		r.Rows = arrow.NewSchema([]arrow.Field{{Name: "unheard_of", Type: arrow.PrimitiveTypes.Int64}}, nil)
	})
	must("an input that it does not make", func(r *plugin.BindRequest) {
		r.Inputs = append(r.Inputs, ir.Param{Name: "unheard_of", Type: ir.T(ir.F32, 2)})
	})
	must("no outputs", func(r *plugin.BindRequest) { r.Outputs = nil })
	used := map[string]bool{}
	for _, p := range b.Loss().Params {
		used[p.Name] = true
	}
	for i, o := range b.request.Outputs {
		if !used[o.Name] {
			continue
		}
		if !slices.Contains(b.scenario.Optional, o.Name) {
			must("without the output "+o.Name, func(r *plugin.BindRequest) { r.Outputs = slices.Delete(r.Outputs, i, i+1) })
		}
		must("the output "+o.Name+" of one dimension", func(r *plugin.BindRequest) { r.Outputs[i].Type = ir.T(ir.F32, 3) })
		must("the output "+o.Name+" of integers", func(r *plugin.BindRequest) { r.Outputs[i].Type = o.Type.As(ir.I32) })
	}
	for i, in := range b.request.Inputs {
		must("the input "+in.Name+" of another shape", func(r *plugin.BindRequest) {
			r.Inputs[i].Type = in.Type.With(append(slices.Clone(in.Type.Shape), 2)...)
		})
	}
	return errors.Join(errs...)
}

// badConfigs: a configuration that cannot be is a *plugin.ConfigError.
func badConfigs(ctx context.Context, b *bound, _ *Draws) error {
	var errs []error
	for _, text := range []string{`[]`, `{`, `{"no_such_field": 1}`, `{} {}`, `3`, `"x"`, "\x00"} {
		r := b.request
		r.Config = json.RawMessage(text)
		if err := suite.Guard(func() error { _, err := b.objective.Bind(ctx, r); return err }); err == nil {
			errs = append(errs, fmt.Errorf("the configuration %q is taken", text))
		} else if strings.HasPrefix(err.Error(), "panicked") {
			errs = append(errs, fmt.Errorf("the configuration %q: %w", text, err))
		}
	}
	return errors.Join(errs...)
}

// batch makes a batch and values of the outputs, as arguments of the linked
// function.
func (b *bound) batch(ctx context.Context, d *Draws) (args []reference.Tensor, fields Batch, linked *ir.Func, err error) {
	if linked, err = b.link(); err != nil {
		return nil, nil, nil, err
	}
	rows, at := b.scenario.Rows(d, b.scenario.Grain), position(d)
	defer rows.Release()
	buffers, err := b.transform(ctx, rows, at, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	fields = Batch{}
	byName := map[string]reference.Tensor{}
	for i, f := range b.Batch() {
		if byName[f.Name], err = reference.Decode(f.Type, buffers[i]); err != nil {
			return nil, nil, nil, err
		}
		if f.Type.DType == ir.I32 {
			for k := 0; k < len(buffers[i]); k += 4 {
				fields[f.Name] = append(fields[f.Name], int32(binary.LittleEndian.Uint32(buffers[i][k:])))
			}
		}
	}
	for _, p := range linked.Params {
		x, ok := byName[p.Name]
		if !ok {
			if x, err = reference.New(p.Type); err != nil {
				return nil, nil, nil, err
			}
			for i := range x.F32 {
				x.F32[i] = float32(2*d.Uniform() - 1)
			}
			for i := range x.Int {
				x.Int[i] = int64(i)
			}
		}
		args = append(args, x)
	}
	return args, fields, linked, nil
}

// finite: loss and weight are numbers, and the weight is not negative.
func finite(ctx context.Context, b *bound, d *Draws) error {
	args, _, linked, err := b.batch(ctx, d)
	if err != nil {
		return err
	}
	out, err := reference.Eval(linked, args)
	if err != nil {
		return err
	}
	for i, r := range linked.Results {
		if v := float64(out[i].F32[0]); math.IsNaN(v) || math.IsInf(v, 0) || r.Name == step.Weight && v < 0 {
			return fmt.Errorf("%s is %v", r.Name, v)
		}
	}
	return nil
}

// gradient: that of the loss in float64 agrees with central differences, and
// that in float32 with it.
func gradient(ctx context.Context, b *bound, d *Draws) error {
	args, _, linked, err := b.batch(ctx, d)
	if err != nil {
		return err
	}
	wide, err := inFloat64(linked)
	if err != nil {
		return err
	}
	var wrt []string
	for _, o := range b.request.Outputs {
		wrt = append(wrt, "p."+o.Name)
	}
	g32, err := grad.Reverse(linked, step.Loss, wrt)
	if err != nil {
		return err
	}
	g64, err := grad.Reverse(wide, step.Loss, wrt)
	if err != nil {
		return err
	}
	args64 := toFloat64(args)
	out32, err := reference.Eval(g32, args)
	if err != nil {
		return err
	}
	out64, err := reference.Eval(g64, args64)
	if err != nil {
		return err
	}
	at := wide.Result(step.Loss)
	loss := func() (float64, error) {
		out, err := reference.Eval(wide, args64)
		if err != nil {
			return 0, err
		}
		return out[at].F64[0], nil
	}
	for _, name := range wrt {
		k := g64.Result(grad.Prefix + name)
		if k < 0 {
			return fmt.Errorf("there is no gradient of %s", name)
		}
		exact, single := out64[k].F64, out32[g32.Result(grad.Prefix+name)].F32
		largest := 0.0
		for _, v := range exact {
			largest = math.Max(largest, math.Abs(v))
		}
		p := args64[wide.Param(name)].F64
		for try := range 24 {
			i := d.N(len(p))
			if try < 4 {
				i = try * (len(p) - 1) / 3
			}
			const h = 1e-5
			x := p[i]
			p[i] = x + h
			up, err := loss()
			if err != nil {
				return err
			}
			p[i] = x - h
			down, err := loss()
			if err != nil {
				return err
			}
			p[i] = x
			// The truncation error is of order h^2, the rounding error of order
			// 1e-16 * loss / h.
			if want := (up - down) / (2 * h); math.Abs(want-exact[i]) > 1e-6*math.Max(1, math.Abs(up)) {
				return fmt.Errorf("the gradient of %s[%d] is %g, by differences %g", name, i, exact[i], want)
			}
		}
		for i := range exact {
			// A thousand roundings of the largest element.
			if e := math.Abs(float64(single[i]) - exact[i]); !(e <= float64(1e-4*largest)+1e-30) {
				return fmt.Errorf("the gradient of %s[%d] is %g in float32, %g in float64", name, i, single[i], exact[i])
			}
		}
	}
	return nil
}

// toFloat64 returns f64 tensors of f32 ones, and others as they are.
func toFloat64(args []reference.Tensor) []reference.Tensor {
	wide := slices.Clone(args)
	for i, a := range args {
		if a.Type.DType == ir.F32 {
			wide[i] = reference.Tensor{Type: a.Type.As(ir.F64), F64: make([]float64, len(a.F32))}
			for k, v := range a.F32 {
				wide[i].F64[k] = float64(v)
			}
		}
	}
	return wide
}

// inFloat64 returns the function with f64 in the place of f32.
func inFloat64(f *ir.Func) (*ir.Func, error) {
	b := ir.NewBuilder(f.Name)
	var m []ir.Value
	as := func(t ir.Type) ir.Type {
		if t.DType == ir.F32 {
			return t.As(ir.F64)
		}
		return t
	}
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, as(p.Type)))
	}
	for i := range f.Ops {
		op := f.Ops[i]
		op.Attrs = slices.Clone(op.Attrs)
		f32 := op.Attrs.DType("dtype") == ir.F32
		for k, a := range op.Attrs {
			switch {
			case f32 && a.Kind == ir.AttrDType:
				op.Attrs[k] = ir.DTypeAttr(a.Name, ir.F64)
			case f32 && a.Kind == ir.AttrBytes:
				var wide []byte
				for e := 0; e < len(a.Str); e += 4 {
					v := math.Float32frombits(binary.LittleEndian.Uint32([]byte(a.Str[e : e+4])))
					wide = binary.LittleEndian.AppendUint64(wide, math.Float64bits(float64(v)))
				}
				op.Attrs[k] = ir.BytesAttr(a.Name, wide)
			}
		}
		m = append(m, b.CopyOp(&op, m)...)
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	return b.Func()
}

// free: places that the batch makes free change nothing, and have no gradient.
func free(ctx context.Context, b *bound, d *Draws) error {
	args, fields, linked, err := b.batch(ctx, d)
	if err != nil {
		return err
	}
	before, err := reference.Eval(linked, args)
	if err != nil {
		return err
	}
	for _, inv := range b.scenario.Free {
		name := "p." + inv.Output
		p := linked.Param(name)
		if p < 0 {
			return fmt.Errorf("%s: the model has no output %q", inv.Name, inv.Output)
		}
		places, elements := inv.Places(fields)
		g, err := grad.Reverse(linked, step.Loss, []string{name})
		if err != nil {
			return err
		}
		out, err := reference.Eval(g, args)
		if err != nil {
			return err
		}
		ct := out[g.Result(grad.Prefix+name)].F32
		moved := slices.Clone(args[p].F32)
		isFree := map[int]bool{}
		for _, at := range places {
			isFree[at] = true
			for k := range elements {
				moved[at*elements+k] = float32(float64(100*d.Uniform()) - 50)
				if ct[at*elements+k] != 0 {
					return fmt.Errorf("%s: the gradient there is %g at place %d", inv.Name, ct[at*elements+k], at)
				}
			}
		}
		changed := slices.Clone(args)
		changed[p] = reference.Tensor{Type: args[p].Type, F32: moved}
		after, err := reference.Eval(linked, changed)
		if err != nil {
			return err
		}
		for i, r := range linked.Results {
			if x, y := before[i].F32[0], after[i].F32[0]; math.Float32bits(x) != math.Float32bits(y) {
				return fmt.Errorf("%s: %s was %v (0x%08x) and is %v (0x%08x) after %d places took other values", inv.Name, r.Name, x, math.Float32bits(x), y, math.Float32bits(y), len(places))
			}
		}
		// The other places matter, or the declaration is empty.
		live := false
		for i, v := range ct {
			live = live || v != 0 && !isFree[i/elements]
		}
		if !live && len(places)*elements < len(ct) {
			return fmt.Errorf("%s: no other place has a gradient either", inv.Name)
		}
	}
	return nil
}

// same: a change that the loss does not see leaves it as it is.
func same(ctx context.Context, b *bound, d *Draws) error {
	args, _, linked, err := b.batch(ctx, d)
	if err != nil {
		return err
	}
	wide, err := inFloat64(linked)
	if err != nil {
		return err
	}
	args = toFloat64(args)
	before, err := reference.Eval(wide, args)
	if err != nil {
		return err
	}
	for _, inv := range b.scenario.Same {
		changed := slices.Clone(args)
		for _, output := range inv.Outputs {
			p := wide.Param("p." + output)
			if p < 0 {
				return fmt.Errorf("%s: the model has no output %q", inv.Name, output)
			}
			changed[p] = reference.Tensor{Type: args[p].Type, F64: inv.Change(args[p].F64, args[p].Type.Shape)}
		}
		after, err := reference.Eval(wide, changed)
		if err != nil {
			return err
		}
		for i, r := range wide.Results {
			// Some thousand roundings of float64.
			if x, y := before[i].F64[0], after[i].F64[0]; !(math.Abs(x-y) <= 1e-12*math.Max(1, math.Abs(x))) {
				return fmt.Errorf("%s: %s was %v and is %v", inv.Name, r.Name, x, y)
			}
		}
	}
	return nil
}
