//go:build !unix

package backend

import "github.com/seedbed/seedbed/core/plugins"

// addFaults adds nothing: faults are signals, which this system lacks.
func (s *Suites) addFaults(plugins.Spec, int) {}
