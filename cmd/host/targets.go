package main

import (
	"context"
	"errors"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance"
	"github.com/seedbed/seedbed/conformance/backend"
	models "github.com/seedbed/seedbed/conformance/model"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
)

// isPath reports whether a plugin is named by the path of its executable.
func isPath(name string) bool { return strings.ContainsAny(name, `/\`) }

// inThisProcess makes a built-in plugin.
func inThisProcess(kind plugins.Kind, name string) (any, error) {
	b := findBuiltin(kind, name)
	if b == nil {
		var names []string
		for _, b := range builtins {
			if b.kind == kind {
				names = append(names, b.name)
			}
		}
		return nil, usagef("unknown %s %q; there are %s and paths of executables, such as ./%[2]s", kind, name, strings.Join(names, ", "))
	}
	return b.make()
}

func testBackend(ctx context.Context, name string, o conformance.Options, _ ...models.Scenario) (*report.Report, error) {
	if isPath(name) {
		return conformance.Backend(ctx, backend.Process(plugins.Spec{Command: []string{name}}), o)
	}
	b, err := inThisProcess(plugins.KindBackend, name)
	if err != nil {
		return nil, err
	}
	if err := b.(plugin.Backend).Close(); err != nil {
		return nil, err
	}
	return conformance.Backend(ctx, backend.InProcess(func(threads int) (plugin.Backend, error) {
		if name == "cpu" { // the only one whose threads can be chosen
			return cpu.New(cpu.Options{Threads: threads})
		}
		b, err := inThisProcess(plugins.KindBackend, name)
		if err != nil {
			return nil, err
		}
		return b.(plugin.Backend), nil
	}), o)
}

func testObjective(ctx context.Context, name string, o conformance.Options, _ ...models.Scenario) (*report.Report, error) {
	if isPath(name) {
		return withProcess(ctx, name, plugins.KindObjective, func(p *plugins.Plugin) (*report.Report, error) { return conformance.Objective(ctx, p.Objective(), o) })
	}
	b, err := inThisProcess(plugins.KindObjective, name)
	if err != nil {
		return nil, err
	}
	return conformance.Objective(ctx, b.(plugin.Objective), o)
}

func testModel(ctx context.Context, name string, o conformance.Options, scenarios ...models.Scenario) (*report.Report, error) {
	if isPath(name) {
		return withProcess(ctx, name, plugins.KindModel, func(p *plugins.Plugin) (*report.Report, error) {
			return conformance.Model(ctx, p.Model(), o, scenarios...)
		})
	}
	b, err := inThisProcess(plugins.KindModel, name)
	if err != nil {
		return nil, err
	}
	return conformance.Model(ctx, b.(plugin.Model), o, scenarios...)
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
