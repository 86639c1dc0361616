package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// asHost is the first argument that makes the test program the host.
const asHost = "as-host"

// seldom is how often the processes of tests collect garbage, which takes a fifth of the time of so many short ones otherwise.
const seldom = "400"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asHost {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		os.Exit(host())
	}
	if len(os.Args) > 2 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		os.Exit(host()) // the host starts itself for its plugins
	}
	_ = os.Setenv("GOGC", seldom)
	testscript.Main(m, map[string]func(){
		"host":         func() { os.Exit(host()) },
		"dying":        func() { plugin.ServeBackend(dying{}) },
		"no-compiler":  func() { plugin.ServeBackend(noCompiler{}) },
		"mortal":       func() { plugin.ServeBackend(mortal{}) },
		"wrong":        func() { plugin.ServeBackend(wrong{}) },
		"hanging":      func() { time.Sleep(time.Hour) },
		"other-role":   func() { plugin.ServeObjective(otherRole{}) },
		"dying-labels": func() { plugin.ServeObjective(tampered{transform: func(plugin.Position) { os.Exit(7) }}) },
		"hung":         func() { plugin.ServeBackend(hung{}) },
		"hung-labels":  func() { plugin.ServeObjective(tampered{transform: func(plugin.Position) { time.Sleep(time.Hour) }}) },
		"gated":        func() { plugin.ServeObjective(tampered{transform: gate}) },
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GOGC", seldom)    // scripts begin with an empty environment
			e.Setenv("HOME", e.WorkDir) // of caches and configuration
			e.Setenv("BIN", filepath.Dir(lookPath(e.Getenv("PATH"), "dying")))
			return errors.Join(writeNumbers(filepath.Join(e.WorkDir, "data"), 60), writePictures(e.WorkDir))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// code N COMMAND: the command ends with exit code N.
			"code": func(ts *testscript.TestScript, neg bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				if err := ts.Exec(args[1], args[2:]...); err != nil {
					var exit *exec.ExitError
					if !errors.As(err, &exit) {
						ts.Fatalf("%v", err)
					}
					got = exit.ExitCode()
				}
				if got != want || neg {
					ts.Fatalf("exit code %d, not %d", got, want)
				}
			},
			// flip FILE: changes one bit in the middle of a file.
			"flip": func(ts *testscript.TestScript, neg bool, args []string) {
				path := ts.MkAbs(args[0])
				data, err := os.ReadFile(path)
				ts.Check(err)
				data[len(data)/2] ^= 1
				ts.Check(os.WriteFile(path, data, 0o666))
			},
			// reshape CHECKPOINT OUT: writes the checkpoint into another folder, whole,
			// but with its first matrix transposed.
			"reshape": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Check(reshape(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
			},
			// grow FILE: adds a byte to a file.
			"grow": func(ts *testscript.TestScript, neg bool, args []string) {
				f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
				ts.Check(err)
				_, err = f.Write([]byte{0})
				ts.Check(errors.Join(err, f.Close()))
			},
			// cut FILE: removes the last byte of a file.
			"cut": func(ts *testscript.TestScript, neg bool, args []string) {
				path := ts.MkAbs(args[0])
				info, err := os.Stat(path)
				ts.Check(err)
				ts.Check(os.Truncate(path, info.Size()-1))
			},
		},
	})
}

func lookPath(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return name
}

// writeNumbers writes a little text to learn from: 8 files of some lines.
func writeNumbers(dir string, lines int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for file := range 8 {
		var text bytes.Buffer
		for i := range lines {
			n := file*1000 + i
			fmt.Fprintf(&text, "the number %d follows %d and comes before %d\n", n, n-1, n+1)
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(file)+".txt"), text.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// reshape saves a checkpoint again with another shape of one parameter.
func reshape(from, to string) error {
	c, err := checkpoint.Open(from)
	if err != nil {
		return err
	}
	m := c.Manifest
	s := checkpoint.State{Step: m.Step, Samples: m.Samples, ABI: m.ABI, Recipe: m.Recipe, Scalars: m.Scalars, Plugins: m.Plugins}
	file, err := c.Parameters()
	if err != nil {
		return err
	}
	defer file.Close()
	done := false
	for _, name := range file.Names() {
		typ, _ := file.Type(name) // it has the name
		data, err := file.Read(name)
		if err != nil {
			return err
		}
		if typ.Rank() == 2 && !done {
			typ, done = ir.T(typ.DType, typ.Shape[1], typ.Shape[0]), true
		}
		s.Parameters = append(s.Parameters, safetensors.Tensor{Name: name, Type: typ, Data: safetensors.Bytes(data)})
	}
	_, err = checkpoint.Save(to, s, 1)
	return err
}

// dying is a backend that ends in the first run that has a batch.
type dying struct{ reference.Backend }

func (d dying) Info() plugin.BackendInfo {
	i := d.Backend.Info()
	i.Name = "dying"
	return i
}

func (d dying) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	e, err := d.Backend.Compile(ctx, f)
	if f.Name == "first_values" {
		return e, err
	}
	return dyingExecutable{e}, err
}

type dyingExecutable struct{ plugin.Executable }

func (dyingExecutable) Execute(context.Context, []plugin.Argument) ([]plugin.Buffer, error) {
	fmt.Fprintln(os.Stderr, "the last words")
	os.Exit(7)
	return nil, nil
}

// noCompiler is a backend that ends when it is to compile something.
type noCompiler struct{ reference.Backend }

func (n noCompiler) Info() plugin.BackendInfo {
	i := n.Backend.Info()
	i.Name = "no-compiler"
	return i
}

func (noCompiler) Compile(context.Context, *ir.Func) (plugin.Executable, error) {
	os.Exit(8)
	return nil, nil
}

// mortal is a backend whose process dies in its fourth run, of a step after the
// first, unless one has: then there is the file that mortalEnv names.
type mortal struct{ reference.Backend }

const mortalEnv = "SEEDBED_TEST_MORTAL"

func (d mortal) Info() plugin.BackendInfo {
	i := d.Backend.Info()
	i.Name = "mortal"
	return i
}

func (d mortal) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	e, err := d.Backend.Compile(ctx, f)
	return mortalExecutable{e}, err
}

type mortalExecutable struct{ plugin.Executable }

var mortalRuns atomic.Int32

func (e mortalExecutable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	if mortalRuns.Add(1) == 4 {
		if f, err := os.OpenFile(os.Getenv(mortalEnv), os.O_CREATE|os.O_EXCL, 0o666); err == nil {
			_ = f.Close()
			os.Exit(9)
		}
	}
	return e.Executable.Execute(ctx, args)
}

// wrong is a backend whose first values are not numbers.
type wrong struct{ reference.Backend }

func (w wrong) Info() plugin.BackendInfo {
	i := w.Backend.Info()
	i.Name = "wrong"
	return i
}

func (w wrong) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	e, err := w.Backend.Compile(ctx, f)
	if f.Name != "first_values" {
		return e, err
	}
	return wrongExecutable{e, w, f}, err
}

type wrongExecutable struct {
	plugin.Executable
	wrong
	f *ir.Func
}

func (e wrongExecutable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	out, err := e.Executable.Execute(ctx, args)
	for i, x := range out {
		t := e.f.Types()[e.f.Results[i].Value]
		if t.DType != ir.F32 {
			continue
		}
		x.Release()
		if out[i], err = e.Upload(ctx, t, bytes.Repeat([]byte{0, 0, 0xc0, 0x7f}, t.Elements())); err != nil {
			return nil, err
		}
	}
	return out, err
}

// otherRole is an objective that the built-in model does not play.
type otherRole struct{ causal_lm.Objective }

func (otherRole) Info() plugin.Info {
	return plugin.Info{Name: "mae", Version: "1.0.0", Doc: "needs another model", Roles: []string{"masked_autoencoder"}}
}

// hung is a backend whose first run does not end.
type hung struct{ reference.Backend }

func (h hung) Info() plugin.BackendInfo {
	i := h.Backend.Info()
	i.Name = "hung"
	return i
}

func (h hung) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	e, err := h.Backend.Compile(ctx, f)
	return hungExecutable{e}, err
}

type hungExecutable struct{ plugin.Executable }

func (hungExecutable) Execute(context.Context, []plugin.Argument) ([]plugin.Buffer, error) {
	time.Sleep(time.Hour)
	return nil, nil
}

// tampered is causal_lm that does something before it makes a batch.
type tampered struct {
	causal_lm.Objective
	transform func(at plugin.Position)
}

func (o tampered) Bind(ctx context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b, err := o.Objective.Bind(ctx, r)
	return binding{b, o.transform}, err
}

type binding struct {
	plugin.Binding
	transform func(at plugin.Position)
}

func (b binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	b.transform(at)
	return b.Binding.Transform(ctx, rows, at, fields)
}

// gateEnv is "N FILE": the batches of step N, counted from 1, are made once
// FILE exists. A test that stops or kills at a step is then exact, however
// slow its machine.
const gateEnv = "SEEDBED_TEST_GATE"

func gate(at plugin.Position) {
	step, file, _ := strings.Cut(os.Getenv(gateEnv), " ")
	if step != strconv.FormatUint(at.Step+1, 10) {
		return
	}
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Every command has examples.
func TestEveryCommandHasExamples(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		require.NotEmpty(t, c.Example, c.CommandPath())
		require.NotEmpty(t, c.Short, c.CommandPath())
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot())
}
