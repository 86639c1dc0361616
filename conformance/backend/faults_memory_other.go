//go:build unix && !linux

package backend

import "github.com/seedbed/seedbed/core/plugins"

// addMemoryFaults adds nothing: this system gives no process a limit of another's.
func (s *Suites) addMemoryFaults(plugins.Spec) {}
