package main

import (
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// backendTarget finds the backend that host conformance tests.
func backendTarget(name string) (backend.Target, error) {
	switch name {
	case "cpu":
		return backend.InProcess(func(threads int) (plugin.Backend, error) { return cpu.New(cpu.Options{Threads: threads}) }), nil
	case "reference":
		return backend.InProcess(func(int) (plugin.Backend, error) { return reference.Backend{}, nil }), nil
	}
	return backend.Target{}, usagef("unknown backend %q; there are cpu and reference", name)
}
