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
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// asHost is the first argument that makes the test program the host.
const asHost = "as-host"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asHost {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		os.Exit(host())
	}
	if len(os.Args) > 2 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		os.Exit(host()) // the host starts itself for its plugins
	}
	testscript.Main(m, map[string]func(){
		"host":         func() { os.Exit(host()) },
		"dying":        func() { plugin.ServeBackend(dying{}) },
		"wrong":        func() { plugin.ServeBackend(wrong{}) },
		"hanging":      func() { time.Sleep(time.Hour) },
		"other-role":   func() { plugin.ServeObjective(otherRole{}) },
		"dying-labels": func() { plugin.ServeObjective(dyingLabels{}) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir) // of caches and configuration
			e.Setenv("BIN", filepath.Dir(lookPath(e.Getenv("PATH"), "dying")))
			return writeNumbers(filepath.Join(e.WorkDir, "data"))
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

// writeNumbers writes a little text to learn from.
func writeNumbers(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for file := range 8 {
		var text bytes.Buffer
		for i := range 60 {
			n := file*1000 + i
			fmt.Fprintf(&text, "the number %d follows %d and comes before %d\n", n, n-1, n+1)
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(file)+".txt"), text.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// dying is a backend that ends in its first run.
type dying struct{ reference.Backend }

func (d dying) Info() plugin.BackendInfo {
	i := d.Backend.Info()
	i.Name = "dying"
	return i
}

func (d dying) Compile(ctx context.Context, f *ir.Func) (plugin.Executable, error) {
	e, err := d.Backend.Compile(ctx, f)
	return dyingExecutable{e}, err
}

type dyingExecutable struct{ plugin.Executable }

func (dyingExecutable) Execute(context.Context, []plugin.Argument) ([]plugin.Buffer, error) {
	fmt.Fprintln(os.Stderr, "the last words")
	os.Exit(7)
	return nil, nil
}

// wrong is a backend whose results are not numbers.
type wrong struct{ reference.Backend }

func (w wrong) Info() plugin.BackendInfo {
	i := w.Backend.Info()
	i.Name = "wrong"
	return i
}

func (w wrong) Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if t.DType == ir.F32 {
		data = bytes.Repeat([]byte{0, 0, 0xc0, 0x7f}, t.Elements())
	}
	return w.Backend.Upload(ctx, t, data)
}

// otherRole is an objective that the built-in model does not play.
type otherRole struct{ causal_lm.Objective }

func (otherRole) Info() plugin.Info {
	return plugin.Info{Name: "mae", Version: "1.0.0", Doc: "needs another model", Roles: []string{"masked_autoencoder"}}
}

// dyingLabels is an objective that ends in its first batch.
type dyingLabels struct{ causal_lm.Objective }

func (o dyingLabels) Bind(ctx context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b, err := o.Objective.Bind(ctx, r)
	return dyingBinding{b}, err
}

type dyingBinding struct{ plugin.Binding }

func (dyingBinding) Transform(context.Context, arrow.Record, plugin.Position, [][]byte) error {
	os.Exit(7)
	return nil
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
