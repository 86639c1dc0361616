package model

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// build is a module in one configuration and one size.
type build struct {
	model    plugin.Model
	scenario *Scenario
	config   json.RawMessage
	dims     map[string]int
	seed     uint64
	*plugin.Module
	// told goes into the receipt: what must not depend on the machine.
	told []byte
}

var checks = []struct {
	name string
	run  func(ctx context.Context, b *build) error
}{
	{"contract", contract},
	{"parameters are used", used},
	{"deterministic", deterministic},
	{"initial values", initialValues},
	{"shapes", shapes},
	{"gradients", gradients},
	{"rows are apart", rowsApart},
	{"no look ahead", causal},
	{"evaluation", evaluation},
}

// Units lists the suites of a model over its scenarios; seeds is how many sets
// of initial values try a property.
func Units(m plugin.Model, scenarios []Scenario, seed uint64, seeds int) []suite.Unit {
	var units []suite.Unit
	for i := range scenarios {
		s := &scenarios[i]
		for _, c := range checks {
			// Functions and initial values are the same on every machine.
			receipt := c.name == "deterministic" || c.name == "initial values"
			units = append(units, suite.Unit{Suite: c.name, Name: s.Role, Cases: len(s.Configs) * len(s.Dims), Receipt: receipt, Run: func(ctx context.Context, r *suite.Recorder) {
				for k, config := range s.Configs {
					for d, dims := range s.Dims {
						n := 1
						if k == 0 && d == 0 {
							n = seeds
						}
						for j := range n {
							name := fmt.Sprintf("%s/%s/%d.%d.%d", c.name, s.Role, k, d, j)
							if !r.Want(name) || ctx.Err() != nil {
								continue
							}
							b := &build{model: m, scenario: s, config: config, dims: dims, seed: seed + uint64(j)}
							err := suite.Guard(func() (err error) {
								if b.Module, err = m.Build(ctx, b.request()); err != nil {
									return fmt.Errorf("it does not build: %w", err)
								}
								return c.run(ctx, b)
							})
							if err != nil {
								err = fmt.Errorf("configuration %s, dimensions %v: %w", config, dims, err)
							}
							r.Case(name, b.told, err)
						}
					}
				}
			}})
		}
		units = append(units, suite.Unit{Suite: "refusals", Name: s.Role, Run: func(ctx context.Context, r *suite.Recorder) { refusals(ctx, m, s, r) }})
	}
	return units
}

func (b *build) request() plugin.BuildRequest {
	return plugin.BuildRequest{Config: b.config, Role: b.scenario.Role, Dims: b.dims}
}

// contract: the module keeps the promises of plugin.Module and of its role.
func contract(_ context.Context, b *build) error {
	info := b.model.Info()
	if info.Name == "" || info.Version == "" || !slices.Contains(info.Roles, b.scenario.Role) {
		return fmt.Errorf("its info is %+v, with no name, no version or without the role %q", info, b.scenario.Role)
	}
	if err := b.Check(); err != nil {
		return err
	}
	types := b.Forward.Types()
	for name, shape := range factsOf(b.scenario.Role).outputs {
		i := b.Forward.Result(name)
		if i < 0 {
			return fmt.Errorf("it has no output %q, which the role has", name)
		}
		if err := b.scenario.fits(name, shape, b.dims, types[b.Forward.Results[i].Value]); err != nil {
			return err
		}
	}
	return nil
}

// used: an output depends on every parameter and, in evaluation, on every
// buffer; what a buffer takes depends on an input.
func used(_ context.Context, b *build) error {
	for _, f := range []*ir.Func{b.Forward, b.Evaluation()} {
		var outputs []ir.Value
		for _, r := range f.Results {
			if !strings.HasPrefix(r.Name, plugin.BufferPrefix) {
				outputs = append(outputs, r.Value)
			}
		}
		live, held := behind(f, outputs...), len(b.Parameters)
		if f == b.Evaluate {
			held += len(b.Buffers)
		}
		for i, p := range f.Params[:held] {
			if !live[i] {
				return fmt.Errorf("%q is declared, but no output of func %s depends on it", p.Name, f.Name)
			}
		}
	}
	for _, x := range b.Buffers {
		f := b.Forward
		live := behind(f, f.Results[f.Result(plugin.BufferPrefix+x.Name)].Value)
		if !slices.Contains(live[len(b.Parameters):len(f.Params)], true) {
			return fmt.Errorf("what the buffer %q takes depends on no input", x.Name)
		}
	}
	return nil
}

// behind tells which values of f the given ones depend on.
func behind(f *ir.Func, values ...ir.Value) []bool {
	live := make([]bool, f.NumValues())
	for _, v := range values {
		live[v] = true
	}
	for i := len(f.Ops) - 1; i >= 0; i-- {
		op := &f.Ops[i]
		wanted := false
		for k := range op.Results {
			wanted = wanted || live[op.Result(k)]
		}
		for _, v := range op.Operands {
			live[v] = live[v] || wanted
		}
	}
	return live
}

// deterministic: the same module again, at the same time as others, and from
// its whole configuration.
func deterministic(ctx context.Context, b *build) error {
	same := func(m *plugin.Module, how string) error {
		if m.Forward.String() != b.Forward.String() {
			return fmt.Errorf("%s it has another function", how)
		}
		if (m.Evaluate == nil) != (b.Evaluate == nil) || m.Evaluate != nil && m.Evaluate.String() != b.Evaluate.String() {
			return fmt.Errorf("%s it has another function for evaluation", how)
		}
		if !slices.EqualFunc(m.Buffers, b.Buffers, func(x, y plugin.ModelBuffer) bool {
			return x.Name == y.Name && x.Type.Equal(y.Type) && x.Init == y.Init && x.Decay == y.Decay
		}) {
			return fmt.Errorf("%s it has other buffers", how)
		}
		if !slices.EqualFunc(m.Parameters, b.Parameters, func(x, y plugin.Parameter) bool {
			return x.Name == y.Name && x.Type.Equal(y.Type) && x.Init == y.Init && x.NoDecay == y.NoDecay
		}) {
			return fmt.Errorf("%s it has other parameters", how)
		}
		if string(m.Config) != string(b.Config) {
			return fmt.Errorf("%s it has the configuration %s, not %s", how, m.Config, b.Config)
		}
		return nil
	}
	const n = 4
	var built [n]*plugin.Module
	var errs [n]error
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			errs[i] = suite.Guard(func() (err error) {
				built[i], err = b.model.Build(ctx, b.request())
				return err
			})
		})
	}
	all.Wait()
	for i := range n {
		if errs[i] != nil {
			return errs[i]
		}
		if err := same(built[i], "built again"); err != nil {
			return err
		}
	}
	b.told = append([]byte(b.Forward.String()), b.Config...)
	if b.Evaluate != nil {
		b.told = append(b.told, b.Evaluate.String()...)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b.Config, &object); err != nil || object == nil {
		return fmt.Errorf("its whole configuration is not a JSON object: %s", b.Config)
	}
	r := b.request()
	r.Config = b.Config
	again, err := b.model.Build(ctx, r)
	if err != nil {
		return fmt.Errorf("its whole configuration is refused: %w", err)
	}
	return same(again, "from its whole configuration")
}

// initialValues: what is drawn is what is declared, and no two parameters begin
// alike.
func initialValues(_ context.Context, b *build) error {
	heads := map[string]string{}
	for i, p := range b.Parameters {
		v, err := initial.Values(p, i, b.seed)
		if err != nil {
			return err
		}
		again, err := initial.Values(p, i, b.seed)
		if err != nil || !slices.Equal(v, again) {
			return fmt.Errorf("parameter %q does not begin the same twice", p.Name)
		}
		for _, x := range v {
			b.told = binary.LittleEndian.AppendUint32(b.told, math.Float32bits(x))
		}
		n, mean, square := float64(len(v)), 0.0, 0.0
		for _, x := range v {
			mean += float64(x) / n
		}
		for _, x := range v {
			square += (float64(x) - mean) * (float64(x) - mean) / n
		}
		sd := p.Init.Scale
		mean -= p.Init.Mean
		switch p.Init.Kind {
		case plugin.InitZeros, plugin.InitOnes:
			continue
		case plugin.InitNormal:
			if sd == 0 && p.Init.Mean != 0 { // begins with the mean
				if mean = math.Abs(mean); mean > 1e-6*math.Abs(p.Init.Mean) {
					return fmt.Errorf("parameter %q begins %g away from the %g that it declares", p.Name, mean, p.Init.Mean)
				}
				continue
			}
		case plugin.InitUniform:
			sd /= math.Sqrt(3)
		}
		if sd <= 0 {
			return fmt.Errorf("parameter %q begins with %s of scale %v: all zeros, as if by mistake", p.Name, p.Init.Kind, p.Init.Scale)
		}
		if sd > 2 {
			return fmt.Errorf("parameter %q begins with a standard deviation of %v", p.Name, sd)
		}
		// Six standard errors: one in 5e8 runs is further off by chance.
		if math.Abs(mean) > 6*sd/math.Sqrt(n) {
			return fmt.Errorf("parameter %q: the mean of %d values is %g, they have standard deviation %g", p.Name, len(v), mean, sd)
		}
		if n > 30 && math.Abs(math.Sqrt(square)/sd-1) > 6/math.Sqrt(2*n)+1/n {
			return fmt.Errorf("parameter %q: the standard deviation of %d values is %g, not %g", p.Name, len(v), math.Sqrt(square), sd)
		}
		if len(v) >= 4 {
			head := fmt.Sprint(v[0]/float32(p.Init.Scale), v[1]/float32(p.Init.Scale), v[3]/float32(p.Init.Scale))
			if other, ok := heads[head]; ok {
				return fmt.Errorf("parameters %q and %q begin with the same draws", p.Name, other)
			}
			heads[head] = p.Name
		}
	}
	return nil
}

// arguments are initial parameters and random inputs.
func (b *build) arguments() ([]reference.Tensor, error) {
	var args []reference.Tensor
	for i, p := range b.Parameters {
		// Zeros and ones would hide much: everything gets some noise.
		v, err := initial.Values(p, i, b.seed)
		if err != nil {
			return nil, err
		}
		s := numerics.Stream{Seed: b.seed, Stream: 1<<20 + uint32(i)}
		for k := range v {
			v[k] += float32(0.2 * float32(s.UniformAt(uint64(k))-0.5))
		}
		args = append(args, reference.Tensor{Type: p.Type, F32: v})
	}
	for i, p := range b.Inputs() {
		x, err := reference.New(p.Type)
		if err != nil {
			return nil, err
		}
		s := numerics.Stream{Seed: b.seed, Stream: 2<<20 + uint32(i)}
		for k := range x.Int {
			x.Int[k] = int64(s.At(uint64(k)) % uint32(b.scenario.values(p)))
		}
		for k := range x.F32 {
			x.F32[k] = s.UniformAt(uint64(k)) - 0.5
		}
		switch p.Name {
		case step.State:
			x.Int = []int64{1, 2, 3, 0}
		case "text_positions":
			for r := range x.Int { // the last token, then those before it
				n := b.dims["sequence"]
				x.Int[r] = int64(n - 1 - r%n)
			}
		case "patch_sources":
			n := p.Type.Shape[1] // the last of a row is hidden
			for k := n - 1; k < len(x.Int); k += n {
				x.Int[k] = int64(n)
			}
		case "temperature":
			x.F32[0] = 0.75 // of a division
		}
		args = append(args, x)
	}
	b.hide(args)
	return args, nil
}

// hide makes orders of patches of ids_keep and ids_restore: those of row r are
// turned by r.
func (b *build) hide(args []reference.Tensor) {
	keep, restore := b.Forward.Param("ids_keep"), b.Forward.Param("ids_restore")
	if keep < 0 || restore < 0 {
		return
	}
	seen, all := args[keep].Type.Shape[1], args[restore].Type.Shape[1]
	for r := range b.dims["batch"] {
		for i := range all {
			patch := (i*(all-1) + r) % all // all - 1 has no divisor in common with all
			args[restore].Int[r*all+patch] = int64(i)
			if i < seen {
				args[keep].Int[r*seen+i] = int64(patch)
			}
		}
	}
}

// forward runs the function and returns its outputs by name.
func (b *build) forward(args []reference.Tensor) (map[string]reference.Tensor, error) {
	return run(b.Forward, args)
}

func run(f *ir.Func, args []reference.Tensor) (map[string]reference.Tensor, error) {
	out, err := reference.Eval(f, args)
	if err != nil {
		return nil, err
	}
	m := map[string]reference.Tensor{}
	for i, r := range f.Results {
		m[r.Name] = out[i]
	}
	return m, nil
}

// shapes: the function runs and gives finite numbers that are not all alike.
func shapes(_ context.Context, b *build) error {
	args, err := b.arguments()
	if err != nil {
		return err
	}
	out, err := b.forward(args)
	if err != nil {
		return err
	}
	return numbers(out)
}

// numbers reports outputs that are not finite, or all alike.
func numbers(out map[string]reference.Tensor) error {
	for name, x := range out {
		differ := false
		for i, v := range x.F32 {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("element %d of output %q is %v", i, name, v)
			}
			differ = differ || v != x.F32[0]
		}
		if !differ && len(x.F32) > 1 {
			return fmt.Errorf("all elements of output %q are %v", name, x.F32[0])
		}
	}
	return nil
}

// gradients: every parameter has a finite gradient that is not zero.
func gradients(_ context.Context, b *build) error {
	args, err := b.arguments()
	if err != nil {
		return err
	}
	l := ir.NewBuilder("loss")
	var in []ir.Value
	for _, p := range b.Forward.Params {
		in = append(in, l.Param(p.Name, p.Type))
	}
	sum := l.Full(ir.T(ir.F32), 0)
	for i, y := range l.Inline(b.Forward, in) {
		if strings.HasPrefix(b.Forward.Results[i].Name, plugin.BufferPrefix) {
			continue // no gradient moves a buffer
		}
		t := l.Type(y)
		n := t.Elements()
		weights := l.Unary("sine", l.Add(l.Iota(ir.T(ir.F32, n), 0), l.Full(ir.T(ir.F32, n), 0.7)))
		sum = l.Add(sum, l.ReduceDot(l.Reshape(y, n), weights, 0))
	}
	l.Return(step.Loss, sum)
	f, err := l.Func()
	if err != nil {
		return err
	}
	var wrt []string
	for _, p := range b.Parameters {
		wrt = append(wrt, p.Name)
	}
	g, err := grad.Reverse(f, step.Loss, wrt)
	if err != nil {
		return err
	}
	out, err := reference.Eval(g, args)
	if err != nil {
		return err
	}
	for _, name := range wrt {
		any := false
		for i, v := range out[g.Result(grad.Prefix+name)].F32 {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("the gradient of %s[%d] is %v", name, i, v)
			}
			any = any || v != 0
		}
		// One token sees nothing but itself, so that its attention is constant.
		if !any && b.dims["sequence"] != 1 && b.dims["target"] != 1 {
			if err := b.flat(f, args, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// flat reports a parameter whose gradient is zero although the loss moves with
// it, or whose values reach no output. What is left is flat: the bias of keys
// shifts all similarities of a query alike, which their softmax does not see.
func (b *build) flat(loss *ir.Func, args []reference.Tensor, name string) error {
	at := b.Forward.Param(name)
	moved := slices.Clone(args)
	moved[at] = reference.Tensor{Type: args[at].Type, F32: slices.Clone(args[at].F32)}
	for i := range moved[at].F32 {
		moved[at].F32[i] += 1 + float32(0.3*float32(i%7))
	}
	var outs [2]map[string]reference.Tensor
	var sums [2]float64
	for i, a := range [][]reference.Tensor{args, moved} {
		var err error
		if outs[i], err = b.forward(a); err != nil {
			return err
		}
		l, err := run(loss, a)
		if err != nil {
			return err
		}
		sums[i] = float64(l[step.Loss].F32[0])
	}
	reaches := false
	for o, x := range outs[0] {
		rows, _ := differs(x, outs[1][o])
		reaches = reaches || len(rows) > 0
	}
	if !reaches || math.Abs(sums[0]-sums[1]) > 1e-4*math.Max(1, math.Abs(sums[0])) {
		return fmt.Errorf("the gradient of %q is zero; other values of it change an output: %v, and the sum of outputs from %v to %v", name, reaches, sums[0], sums[1])
	}
	return nil
}

// changed returns arguments with other ids where which says so, by input, row
// and position, and with other images in the rows that it says so of at
// position 0.
func (b *build) changed(args []reference.Tensor, which func(input string, row, position int) bool) []reference.Tensor {
	other := slices.Clone(args)
	for i, p := range b.Inputs() {
		at := len(b.Parameters) + i
		switch {
		case p.Type.DType == ir.F32 && p.Type.Rank() == 4:
			x := reference.Tensor{Type: p.Type, F32: slices.Clone(args[at].F32)}
			for k := range x.F32 {
				if which(p.Name, k*p.Type.Shape[0]/len(x.F32), 0) {
					x.F32[k] = -x.F32[k]
				}
			}
			other[at] = x
		case slices.Contains(ids, p.Name):
			x := reference.Tensor{Type: p.Type, Int: slices.Clone(args[at].Int)}
			for k := range x.Int {
				if which(p.Name, k/p.Type.Shape[1], k%p.Type.Shape[1]) {
					x.Int[k] = (x.Int[k] + 1) % int64(b.scenario.Vocab)
				}
			}
			other[at] = x
		}
	}
	return other
}

// differs returns the places [row, position] of two outputs that differ.
func differs(x, y reference.Tensor) (rows, positions map[int]bool) {
	rows, positions = map[int]bool{}, map[int]bool{}
	s := x.Type.Shape
	perRow := 1
	for _, d := range s[min(1, len(s)):] {
		perRow *= d
	}
	perPosition := 1
	for _, d := range s[min(2, len(s)):] {
		perPosition *= d
	}
	for i := range x.F32 {
		if math.Float32bits(x.F32[i]) != math.Float32bits(y.F32[i]) {
			rows[i/perRow] = true
			positions[i%perRow/perPosition] = true
		}
	}
	return rows, positions
}

// rowsApart: another last row changes no bit of the others, and does change
// its own.
func rowsApart(_ context.Context, b *build) error {
	if b.dims["batch"] < 2 || len(b.Buffers) > 0 { // normalization over the batch lets rows see each other
		return nil
	}
	args, err := b.arguments()
	if err != nil {
		return err
	}
	before, err := b.forward(args)
	if err != nil {
		return err
	}
	after, err := b.forward(b.changed(args, b.lastRow))
	if err != nil {
		return err
	}
	return b.apart(before, after)
}

func (b *build) lastRow(_ string, row, _ int) bool { return row == b.dims["batch"]-1 }

// apart reports outputs that are not the same but for the last row, or the same
// there too.
func (b *build) apart(before, after map[string]reference.Tensor) error {
	last := b.dims["batch"] - 1
	for _, name := range factsOf(b.scenario.Role).rows {
		found, _ := differs(before[name], after[name])
		rows := map[int]bool{}
		for r := range found {
			rows[r%b.dims["batch"]] = true // of several views of one row
		}
		own := rows[last]
		delete(rows, last)
		if len(rows) > 0 {
			return fmt.Errorf("other inputs in row %d change output %q in other rows too: %v", last, name, rows)
		}
		if !own {
			return fmt.Errorf("other inputs in row %d do not change output %q there", last, name)
		}
	}
	return nil
}

// causal: other ids from a position on change nothing of what must not see
// them, and the first that may.
func causal(_ context.Context, b *build) error {
	args, err := b.arguments()
	if err != nil {
		return err
	}
	before, err := b.forward(args)
	if err != nil {
		return err
	}
	for _, s := range factsOf(b.scenario.Role).sight {
		p := b.Forward.Param(s.input)
		if p < 0 {
			continue // the model does not take it
		}
		for at := range b.Forward.Params[p].Type.Shape[1] {
			after, err := b.forward(b.changed(args, func(input string, _, position int) bool { return input == s.input && position >= at }))
			if err != nil {
				return err
			}
			_, positions := differs(before[s.output], after[s.output])
			first, n := at+s.behind, before[s.output].Type.Shape[1]
			for p := range min(first, n) {
				if positions[p] {
					return fmt.Errorf("other %s from position %d on change output %q at position %d", s.input, at, s.output, p)
				}
			}
			if first < n && !positions[first] {
				return fmt.Errorf("other %s from position %d on do not change output %q at position %d", s.input, at, s.output, first)
			}
		}
	}
	return nil
}

// evaluation: with buffers as they are, outputs are numbers, other buffers, if
// there are any, give other outputs, and rows do not see each other.
func evaluation(_ context.Context, b *build) error {
	if b.Evaluate == nil {
		return nil
	}
	args, err := b.arguments()
	if err != nil {
		return err
	}
	// What this very batch leaves in buffers, more or less.
	seen, err := b.forward(args)
	if err != nil {
		return err
	}
	held := func(args []reference.Tensor, noise float32) []reference.Tensor {
		all := slices.Clone(args[:len(b.Parameters)])
		for i, x := range b.Buffers {
			v := slices.Clone(seen[plugin.BufferPrefix+x.Name].F32)
			s := numerics.Stream{Seed: b.seed, Stream: 3<<20 + uint32(i)}
			for k := range v {
				v[k] *= 1 + float32(noise*s.UniformAt(uint64(k)))
			}
			all = append(all, reference.Tensor{Type: x.Type, F32: v})
		}
		return append(all, args[len(b.Parameters):]...)
	}
	var out [3]map[string]reference.Tensor
	for i, r := range []struct {
		args  []reference.Tensor
		noise float32
	}{{args, 0.1}, {args, 0.2}, {b.changed(args, b.lastRow), 0.1}} {
		if out[i], err = run(b.Evaluate, held(r.args, r.noise)); err != nil {
			return err
		}
		if err := numbers(out[i]); err != nil {
			return fmt.Errorf("evaluation: %w", err)
		}
	}
	same := true
	for name, x := range out[0] {
		rows, _ := differs(x, out[1][name])
		same = same && len(rows) == 0
	}
	if same && len(b.Buffers) > 0 {
		return fmt.Errorf("other buffers change nothing of what evaluation gives")
	}
	if b.dims["batch"] < 2 {
		return nil
	}
	if err := b.apart(out[0], out[2]); err != nil {
		return fmt.Errorf("evaluation: %w", err)
	}
	return nil
}

// refusals: requests that cannot be met are errors; those that a configuration
// is to blame for are *plugin.ConfigError and name a field.
func refusals(ctx context.Context, m plugin.Model, s *Scenario, r *suite.Recorder) {
	try := func(what string, blame bool, req plugin.BuildRequest) {
		name := "refusals/" + s.Role + "/" + strings.ReplaceAll(what, "/", "|")
		if !r.Want(name) {
			return
		}
		err := suite.Guard(func() error { _, err := m.Build(ctx, req); return err })
		var config *plugin.ConfigError
		switch {
		case err == nil:
			err = fmt.Errorf("%s: it builds", what)
		case strings.HasPrefix(err.Error(), "panicked"):
			err = fmt.Errorf("%s: %w", what, err)
		case blame && (!errors.As(err, &config) || config.Field == "" || config.Msg == ""):
			err = fmt.Errorf("%s: the error is no *plugin.ConfigError that names a field and says what is wrong: %w", what, err)
		default:
			err = nil
		}
		r.Case(name, nil, err)
	}
	good := plugin.BuildRequest{Config: s.Configs[0], Role: s.Role, Dims: s.Dims[0]}
	with := func(change func(r *plugin.BuildRequest)) plugin.BuildRequest {
		r := good
		r.Dims = map[string]int{}
		for k, v := range good.Dims {
			r.Dims[k] = v
		}
		change(&r)
		return r
	}
	for _, role := range []string{"", "no_such_role"} {
		try(fmt.Sprintf("role %q", role), false, with(func(r *plugin.BuildRequest) { r.Role = role }))
	}
	try("no dimensions", false, with(func(r *plugin.BuildRequest) { r.Dims = nil }))
	try("a dimension that the role lacks", false, with(func(r *plugin.BuildRequest) { r.Dims["no_such_dimension"] = 1 }))
	for name := range good.Dims {
		for _, v := range []int{0, -1, math.MinInt64, 1 << 40, math.MaxInt64} {
			try(fmt.Sprintf("dimension %s = %d", name, v), false, with(func(r *plugin.BuildRequest) { r.Dims[name] = v }))
		}
	}
	for _, text := range []string{`[]`, `{`, `3`, `"x"`, `{} {}`, "\x00", `{"a": 1, "a": 1}`} {
		try(fmt.Sprintf("configuration %q", text), false, with(func(r *plugin.BuildRequest) { r.Config = json.RawMessage(text) }))
	}
	try("a field that there is not", true, with(func(r *plugin.BuildRequest) { r.Config = json.RawMessage(`{"no_such_field": 1}`) }))
	for _, c := range s.Impossible {
		try(fmt.Sprintf("configuration %s", c), true, with(func(r *plugin.BuildRequest) { r.Config = c }))
	}
	// Every field with values that no field can have.
	var built *plugin.Module
	if err := suite.Guard(func() (err error) { built, err = m.Build(ctx, good); return err }); err != nil {
		r.Case("refusals/"+s.Role+"/the good one", nil, err)
		return
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(built.Config, &whole); err != nil {
		r.Case("refusals/"+s.Role+"/the whole configuration", nil, err)
		return
	}
	for name, value := range whole {
		bad := []string{`{}`, `[1]`}
		switch {
		case value[0] == '"':
			bad = append(bad, `"no such word"`, `1`)
		case value[0] == 't' || value[0] == 'f':
			bad = append(bad, `1`, `"true"`)
		default:
			bad = append(bad, `1e300`, `-1e300`, `"1"`, `true`)
			if !strings.ContainsAny(string(value), ".e") {
				bad = append(bad, `-1`) // sizes and counts; a float may well be negative
			}
		}
		for _, b := range bad {
			try(fmt.Sprintf("%s = %s", name, b), true, with(func(r *plugin.BuildRequest) {
				// Beside the good configuration's other fields.
				var object map[string]json.RawMessage
				_ = json.Unmarshal(good.Config, &object) // it was just built from
				object[name] = json.RawMessage(b)
				r.Config, _ = json.Marshal(object) // every value is JSON
			}))
		}
	}
}
