package backend

import (
	"context"
	"errors"
	"strconv"

	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// ThreadsEnv is the environment variable that tells a backend's process how
// many threads to use.
const ThreadsEnv = "SEEDBED_THREADS"

// Process makes a target of a plugin that is a process of its own: one for each
// session. Tensors travel in shared memory where the system has it.
func Process(spec plugins.Spec) Target { return processOn(spec, plugins.PlaneAuto) }

// processOn is Process with another way for tensors to travel.
func processOn(spec plugins.Spec, plane plugins.DataPlane) Target {
	return Target{process: &spec, Open: func(ctx context.Context, threads int) (device.Device, error) {
		s := spec
		s.Kind = plugins.KindBackend
		if threads > 0 {
			s.Env = append(append([]string(nil), spec.Env...), ThreadsEnv+"="+strconv.Itoa(threads))
		}
		memory, err := plugins.NewMemory(plane)
		if err != nil {
			return nil, err
		}
		p, err := plugins.Start(ctx, s, plugins.Options{Memory: memory, CallTimeout: 2 * caseTime})
		if err != nil {
			return nil, errors.Join(err, memory.Close())
		}
		return &processDevice{p.Device(), p, memory}, nil
	}}
}

// processDevice ends the process with the device.
type processDevice struct {
	device.Device
	process *plugins.Plugin
	memory  *plugins.Memory
}

func (d *processDevice) Close() error {
	return errors.Join(d.Device.Close(), d.process.Close(), d.memory.Close())
}
