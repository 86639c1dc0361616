package main

import (
	"context"
	"errors"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
)

// isPath reports whether a plugin is named by the path of its executable.
func isPath(name string) bool { return strings.ContainsAny(name, `/\`) }

func testBackend(ctx context.Context, name string, o conformance.Options) (*report.Report, error) {
	var t backend.Target
	switch {
	case isPath(name):
		t = backend.Process(plugins.Spec{Command: []string{name}})
	case name == "cpu":
		t = backend.InProcess(func(threads int) (plugin.Backend, error) { return cpu.New(cpu.Options{Threads: threads}) })
	case name == "reference":
		t = backend.InProcess(func(int) (plugin.Backend, error) { return reference.Backend{}, nil })
	default:
		return nil, usagef("unknown backend %q; there are cpu, reference and paths of executables", name)
	}
	return conformance.Backend(ctx, t, o)
}

func testObjective(ctx context.Context, name string, o conformance.Options) (*report.Report, error) {
	switch {
	case isPath(name):
		return withProcess(ctx, name, plugins.KindObjective, func(p *plugins.Plugin) (*report.Report, error) { return conformance.Objective(ctx, p.Objective(), o) })
	case name == "causal_lm":
		return conformance.Objective(ctx, causal_lm.Objective{}, o)
	case name == "masked_lm":
		return conformance.Objective(ctx, masked_lm.Objective{}, o)
	}
	return nil, usagef("unknown objective %q; there are causal_lm, masked_lm and paths of executables", name)
}

func testModel(ctx context.Context, name string, o conformance.Options) (*report.Report, error) {
	switch {
	case isPath(name):
		return withProcess(ctx, name, plugins.KindModel, func(p *plugins.Plugin) (*report.Report, error) { return conformance.Model(ctx, p.Model(), o) })
	case name == "gpt":
		return conformance.Model(ctx, gpt.Model, o)
	case name == "bert":
		return conformance.Model(ctx, bert.Model, o)
	}
	return nil, usagef("unknown model %q; there are bert, gpt and paths of executables", name)
}

// withProcess starts a plugin for as long as f takes.
func withProcess(ctx context.Context, path string, kind plugins.Kind, f func(p *plugins.Plugin) (*report.Report, error)) (*report.Report, error) {
	p, err := plugins.Start(ctx, plugins.Spec{Command: []string{path}, Kind: kind}, plugins.Options{})
	if err != nil {
		return nil, err
	}
	rep, err := f(p)
	return rep, errors.Join(err, p.Close())
}
