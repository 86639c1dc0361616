package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/run"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokens"
	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"
)

// finding is what doctor has to say of one thing.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // for training at all
	Detail string `json:"detail"`
}

// diagnosis is what doctor found.
type diagnosis struct {
	OK         bool          `json:"ok"` // nothing needed is missing
	System     string        `json:"system"`
	Features   []string      `json:"cpu_features"`
	Processors int           `json:"processors"`
	Device     string        `json:"device"` // of backend cpu, with the kernel path in use
	Workers    int           `json:"workers"`
	PeakFLOPS  float64       `json:"peak_flops"` // measured, of all workers together
	Memory     int64         `json:"memory_bytes"`
	FreeMemory int64         `json:"free_memory_bytes"`
	Plugins    []pluginState `json:"plugins"`
	Findings   []finding     `json:"findings"`
}

func newDoctor() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "doctor", Short: "Check this machine: processor, memory, shared memory, plugins, data",
		Long:    "Check this machine: processor, memory, shared memory, plugins, data. The exit code is 1 if something that training needs fails.",
		Example: "  host doctor\n  host doctor --json\n  SEEDBED_CPU=portable host doctor", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := examine(cmd.Context())
			var err error
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(r)
			} else {
				err = r.print(cmd.OutOrStdout())
			}
			if err == nil && !r.OK {
				err = errors.New("doctor: something that training needs fails")
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}

func examine(ctx context.Context) *diagnosis {
	r := &diagnosis{OK: true, System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0), Features: features()}
	add := func(name string, needed bool, detail string, err error) {
		f := finding{Name: name, OK: err == nil, Needed: needed, Detail: detail}
		if err != nil {
			f.Detail = err.Error()
			r.OK = r.OK && !needed
		}
		r.Findings = append(r.Findings, f)
	}
	r.Memory, r.FreeMemory = run.Memory()
	var short error
	if r.FreeMemory > 0 && r.FreeMemory < leastMemory {
		short = fmt.Errorf("%s free, and a small run needs %s", run.Bytes(r.FreeMemory), run.Bytes(leastMemory))
	}
	detail := fmt.Sprintf("%s, %s free", run.Bytes(r.Memory), run.Bytes(r.FreeMemory))
	if r.Memory == 0 {
		detail = "not known on this system"
	}
	add("memory", true, detail, short)

	m, err := plugins.NewMemory(plugins.PlaneMemory)
	if err == nil {
		err = m.Close()
	}
	add("shared memory", false, "tensors travel in memory files", err)

	r.Plugins = probeAll(ctx)
	for _, p := range r.Plugins {
		add("plugin "+p.Kind+"/"+p.Name, p.Path == "built in", fmt.Sprintf("%s, ready in %.0f ms", p.Version, 1000*p.Start), p.err)
		if b := p.Backend; b != nil && p.Kind == string(plugins.KindBackend) && p.Name == "cpu" && p.Path == "built in" {
			r.Device, r.Workers, r.PeakFLOPS = b.Device, b.Workers, b.PeakFLOPS
		}
	}

	paths, _, err := text.GoSource(ctx)
	add("sources of the Go toolchain", false, strings.Join(paths, ", "), err)
	c, err := tokens.Config{SequenceLength: 1}.WithDefaults()
	if err == nil {
		err = writable(c.CacheDir)
	}
	add("cache folder", true, c.CacheDir, err)
	return r
}

// leastMemory is what a small run takes.
const leastMemory = 256 << 20

// features lists those of the processor that kernels can use.
func features() []string {
	list := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"sse4.1", cpu.X86.HasSSE41}, {"avx", cpu.X86.HasAVX}, {"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F}, {"avx512dq", cpu.X86.HasAVX512DQ}, {"avx512bw", cpu.X86.HasAVX512BW}, {"avx512vl", cpu.X86.HasAVX512VL},
		{"asimd", cpu.ARM64.HasASIMD}, {"sve", cpu.ARM64.HasSVE},
	} {
		if f.has {
			list = append(list, f.name)
		}
	}
	return list
}

// writable makes a folder and a file in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "tmp-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (r *diagnosis) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "processor  %s, %d processors, %s\n", r.System, r.Processors, strings.Join(r.Features, " "))
	fmt.Fprintf(&b, "backend    %s, %d workers, %.1f GFLOPS of f32 fused multiply-adds measured\n", or(r.Device), r.Workers, r.PeakFLOPS/1e9)
	for _, f := range r.Findings {
		state := "good"
		if !f.OK {
			if state = "FAILS"; !f.Needed {
				state = "no"
			}
		}
		fmt.Fprintf(&b, "%-10s %s: %s\n", state, f.Name, f.Detail)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
