package plugins

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// childEnv makes this test binary one of the plugins below instead of tests.
const childEnv = "SEEDBED_TEST_CHILD"

var children = map[string]func(){
	"model":     func() { plugin.ServeModel(testModel{}) },
	"objective": func() { plugin.ServeObjective(testObjective{}) },
	"backend":   func() { plugin.ServeBackend(&testBackend{}) },

	"garbage":   func() { fmt.Println("Content-Type: text/html"); time.Sleep(time.Hour) },
	"silent":    func() { os.Stdout.Close(); time.Sleep(time.Hour) },
	"exits":     func() { fmt.Fprintln(os.Stderr, "no licence found"); os.Exit(7) },
	"killed":    killSelf,
	"stops":     func() { _ = stop(os.Getpid()); time.Sleep(time.Hour) },
	"hangs":     func() { time.Sleep(time.Hour) },
	"major2":    func() { fmt.Println("1|2|unix|/nowhere|grpc|"); time.Sleep(time.Hour) },
	"no-server": func() { fmt.Println("1|1|unix|/nowhere/at/all|grpc|"); time.Sleep(time.Hour) },
	"tokens":    func() { plugin.ServeObjective(tokensObjective{}) },
	"host":      host,
	"backend-with-helper": func() {
		cmd := exec.Command("sleep", "60")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		plugin.ServeBackend(&testBackend{})
	},
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		run, ok := children[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such child:", name)
			os.Exit(2)
		}
		run()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the spec of one of the children.
func child(name string) Spec {
	return Spec{Command: []string{os.Args[0]}, Env: []string{childEnv + "=" + name}}
}

// host starts a backend, says its process's number and waits to be killed.
func host() {
	p, err := Start(context.Background(), child("backend"), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
	time.Sleep(time.Hour)
}

type testModel struct{}

func (testModel) Info() plugin.Info {
	return plugin.Info{Name: "test_model", Version: "1.2.3", Doc: "scales", Roles: []string{"scale", "offset"}}
}

func (testModel) Build(_ context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c struct {
		Width int    `json:"width"`
		Do    string `json:"do"`
	}
	c.Width = 3
	if len(r.Config) > 0 {
		if err := json.Unmarshal(r.Config, &c); err != nil {
			return nil, err
		}
	}
	switch c.Do {
	case "panic":
		panic("test_model: on purpose")
	case "refuse":
		return nil, errors.New("test_model: not today")
	}
	if c.Width < 1 {
		return nil, &plugin.ConfigError{Field: "width", Msg: fmt.Sprintf("must be positive, is %d", c.Width)}
	}
	b := ir.NewBuilder(r.Role)
	bias := b.Param("bias", ir.T(ir.F32, c.Width))
	w := b.Param("weight", ir.T(ir.F32, c.Width))
	x := b.Param("x", ir.T(ir.F32, c.Width))
	b.Return("y", b.FMA(w, x, bias))
	if c.Do == "average" {
		b.Return("buffer.mean", x)
	}
	f, err := b.Func()
	if err != nil {
		return nil, err
	}
	t := ir.T(ir.F32, c.Width)
	config, err := json.Marshal(map[string]any{"width": c.Width, "batch": r.Dims["batch"]})
	m := &plugin.Module{Config: config, Forward: f, Parameters: []plugin.Parameter{
		{Name: "bias", Type: t, Init: plugin.Init{Kind: plugin.InitZeros}, NoDecay: true},
		{Name: "weight", Type: t, Init: plugin.Init{Kind: plugin.InitUniform, Scale: 0.25}},
	}}
	if c.Do == "average" && err == nil {
		m.Buffers = []plugin.ModelBuffer{{Name: "mean", Type: t, Init: plugin.Init{Kind: plugin.InitOnes}, Decay: 0.875}}
		b := ir.NewBuilder("evaluate")
		bias, w, mean, x := b.Param("bias", t), b.Param("weight", t), b.Param("mean", t), b.Param("x", t)
		b.Return("y", b.FMA(w, b.Sub(x, mean), bias))
		m.Evaluate, err = b.Func()
	}
	return m, err
}

// testObjective writes every value of its rows, nulls as 0xff, into one field
// and the position into another.
type testObjective struct{}

func (testObjective) Info() plugin.Info {
	return plugin.Info{Name: "test_objective", Version: "0.0.1", Roles: []string{"scale"}}
}

func (testObjective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	size, err := strconv.Atoi(r.Properties["size"])
	if err != nil {
		return nil, &plugin.ConfigError{Field: "size", Msg: err.Error()}
	}
	b := ir.NewBuilder("loss")
	y := b.Param("y", ir.T(ir.F32, 4))
	sum := b.ReduceSum(y, 0)
	b.Return("loss", sum)
	b.Return("weight", sum)
	b.Return("accuracy", sum)
	f, err := b.Func()
	return testBinding{f, size}, err
}

type testBinding struct {
	loss *ir.Func
	size int
}

func (b testBinding) Loss() *ir.Func { return b.loss }
func (b testBinding) Batch() []ir.Param {
	return []ir.Param{
		{Name: "at", Type: ir.T(ir.U64, 3)}, {Name: "flag", Type: ir.T(ir.Bool)}, {Name: "half", Type: ir.T(ir.BF16, 3, 1)},
		{Name: "values", Type: ir.T(ir.U8, b.size)},
	}
}
func (b testBinding) Metrics() []plugin.Metric {
	return []plugin.Metric{{Name: "accuracy", Doc: "of something", PerWeight: true}}
}

func (b testBinding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	switch at.Seed {
	case 666:
		panic("seed 666")
	case 667:
		return errors.New("the rows are wrong")
	case 668:
		killSelf()
	case 669:
		time.Sleep(time.Hour)
	}
	binary.LittleEndian.PutUint64(fields[0], at.Seed)
	binary.LittleEndian.PutUint64(fields[0][8:], at.Step)
	binary.LittleEndian.PutUint64(fields[0][16:], at.Grain)
	fields[1][0] = 1
	for i := range fields[2] {
		fields[2][i] = byte(i + 100)
	}
	var text []byte
	for _, c := range rows.Columns() {
		text = append(text, fmt.Sprintf("%v %d %d %s\n", c.DataType(), c.Len(), c.NullN(), c)...)
		if l, ok := c.(*array.FixedSizeList); ok {
			for i := range l.Len() {
				first, last := l.ValueOffsets(i)
				for _, v := range l.ListValues().(*array.Int32).Int32Values()[first:last] {
					text = binary.LittleEndian.AppendUint32(text, uint32(v))
				}
			}
		}
	}
	clear(fields[3])
	copy(fields[3], text)
	return nil
}

// testBackend computes fma, add and sub on f32, in order. Functions with some
// names do what plugins should not.
type testBackend struct{ closed bool }

func (*testBackend) Info() plugin.BackendInfo {
	return plugin.BackendInfo{
		Info:   plugin.Info{Name: "test_backend", Version: "2.0.0-rc.1", Doc: "adds"},
		DTypes: []ir.DType{ir.F32, ir.U8},
		Ops:    map[string]int{"add": 1, "subtract": 1, "fma": 1},
	}
}

func (*testBackend) Stats(context.Context) (plugin.Stats, error) {
	return plugin.Stats{Device: "test", Workers: 3, PeakFLOPS: 1.5e9, PeakBytes: 77}, nil
}

func (b *testBackend) Upload(_ context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if len(data) != t.Bytes() {
		return nil, fmt.Errorf("%d bytes for %v", len(data), t)
	}
	return &testBuffer{t, slices.Clone(data), false}, nil
}

func (b *testBackend) Compile(_ context.Context, f *ir.Func) (plugin.Executable, error) {
	if f.Name == "refused" {
		return nil, errors.New("func refused is refused")
	}
	return &testExecutable{f}, nil
}

func (b *testBackend) Close() error {
	b.closed = true
	return nil
}

type testBuffer struct {
	t        ir.Type
	data     []byte
	released bool
}

func (b *testBuffer) Type() ir.Type { return b.t }
func (b *testBuffer) Release()      { b.released = true }
func (b *testBuffer) Download(_ context.Context, dst []byte) error {
	if b.released {
		return errors.New("released")
	}
	copy(dst, b.data)
	return nil
}

type testExecutable struct{ f *ir.Func }

func (e *testExecutable) Memory() plugin.Memory { return plugin.Memory{Results: 11, Scratch: 22} }
func (e *testExecutable) Release()              {}

func (e *testExecutable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	switch e.f.Name {
	case "panics":
		panic("in Execute")
	case "fails":
		return nil, errors.New("test_backend: out of luck")
	case "dies":
		fmt.Fprintln(os.Stderr, "something terrible")
		os.Exit(9)
	case "killed":
		killSelf()
	case "stops":
		c := make(chan os.Signal, 1)
		signal.Notify(c, os.Interrupt)
		<-c
	}
	values := make([][]byte, 0, e.f.NumValues())
	for _, a := range args {
		data := a.Data
		if b, ok := a.Buffer.(*testBuffer); ok {
			if b.released {
				return nil, errors.New("an argument was released")
			}
			data = b.data
		}
		values = append(values, slices.Clone(data))
		if a.Donate {
			a.Buffer.Release()
		}
	}
	for _, op := range e.f.Ops {
		out := make([]byte, op.Results[0].Bytes())
		get := func(i, k int) float32 {
			return math.Float32frombits(binary.LittleEndian.Uint32(values[op.Operands[i]][4*k:]))
		}
		for k := range len(out) / 4 {
			var v float32
			switch op.Name {
			case "add":
				v = get(0, k) + get(1, k)
			case "subtract":
				v = get(0, k) - get(1, k)
			default:
				v = float32(math.FMA(float64(get(0, k)), float64(get(1, k)), float64(get(2, k))))
			}
			binary.LittleEndian.PutUint32(out[4*k:], math.Float32bits(v))
		}
		values = append(values, out)
	}
	types := e.f.Types()
	var out []plugin.Buffer
	for _, r := range e.f.Results {
		out = append(out, &testBuffer{types[r.Value], slices.Clone(values[r.Value]), false})
	}
	return out, nil
}

func killSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	time.Sleep(time.Hour)
}
