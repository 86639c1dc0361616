package schedule

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Schedule is a linear warm-up followed by a decay.
type Schedule struct {
	Name   string  // "constant", "linear" or "cosine": the decay after the warm-up
	Peak   float64 // the learning rate at the end of the warm-up
	Warmup uint64  // steps
	Steps  uint64  // of the whole run, at which the decay ends
	// Floor is the learning rate at the end, as a part of Peak, 0 to 1.
	Floor float64
}

// Check returns an error that names the field that is out of range.
func (s Schedule) Check() error {
	switch s.Name {
	case "constant", "linear", "cosine":
	default:
		return fmt.Errorf("name %q: there are constant, linear and cosine", s.Name)
	}
	switch {
	case !(s.Peak >= 0 && s.Peak <= 1e6):
		return fmt.Errorf("peak %v: must be between 0 and 1e6", s.Peak)
	case !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("floor %v: must be between 0 and 1", s.Floor)
	case s.Warmup > s.Steps:
		return fmt.Errorf("warmup %d: must not be longer than the run's %d steps", s.Warmup, s.Steps)
	}
	return nil
}

// At returns the learning rate of a step, counted from 0: Peak (step+1)/Warmup
// while warming up, so that the first step already learns; then Peak times the
// decay over the steps that are left.
func (s Schedule) At(step uint64) float64 {
	if step < s.Warmup {
		return float64(s.Peak * (float64(step+1) / float64(s.Warmup)))
	}
	progress := numerics.Progress(step-s.Warmup, s.Steps-s.Warmup)
	switch s.Name {
	case "linear":
		return float64(s.Peak * numerics.LinearDecay(progress, s.Floor))
	case "cosine":
		return float64(s.Peak * numerics.CosineDecay(progress, s.Floor))
	}
	return s.Peak
}
