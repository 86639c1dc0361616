package plugins

import (
	"context"
	"errors"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

// Plugin is a plugin's process.
type Plugin struct{}

// Start starts a plugin and asks it who it is. The error is an *Error where
// the process is at fault. The context bounds the start alone. Close ends the
// process; it ends as well when this process ends, however that happens.
func Start(ctx context.Context, s Spec, o Options) (*Plugin, error) {
	return nil, errors.New("plugins cannot be started yet")
}

// Info says who the plugin is.
func (p *Plugin) Info() plugin.Info { return plugin.Info{} }

// Kind says what the plugin is.
func (p *Plugin) Kind() Kind { return "" }

// ABI returns the major and the highest minor version that the plugin speaks.
func (p *Plugin) ABI() (major, minor int) { return 0, 0 }

// PID returns the number of the plugin's process.
func (p *Plugin) PID() int { return 0 }

// Model returns the plugin as a model; nil where it is of another kind.
func (p *Plugin) Model() plugin.Model { return nil }

// Objective returns the plugin as an objective; nil where it is of another
// kind.
func (p *Plugin) Objective() plugin.Objective { return nil }

// Device returns the plugin as a device; nil where it is not a backend.
// Closing the device releases what it holds and leaves the process.
func (p *Plugin) Device() device.Device { return nil }

// Close ends the process: it is asked to end, and killed where it does not
// within 2 s. It returns when the process is gone.
func (p *Plugin) Close() error { return nil }
