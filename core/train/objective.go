package train

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/step"
)

// Objective is one of several things that a run learns at once.
type Objective struct {
	Name    string // what errors and metrics call it; unique in a run
	Module  *plugin.Module
	Binding plugin.Binding
	Weight  float64 // the factor on its mean loss
}

// objective is an objective with its programs. Of each grain every objective
// makes a batch of its own, of the same rows, and runs its own functions.
type objective struct {
	Objective
	prefix  string // of its names among those of an update; see step.Objective
	seed    uint64
	grad    *ir.Func // of one grain, the first of a chain
	more    *ir.Func // of the others
	join    *ir.Func // of two chains' sums
	batches *batches

	first, next, combine *program
}

// seedStep is the step of the draws that give the objectives after the first
// seeds of their own, so that no two of them draw the same bits. No run reaches
// it.
const seedStep = 1<<32 - 3

// objectives lists those of a run; the only one of a run has no prefix.
func (c *Config) objectives() []*objective {
	list := []*objective{{Objective: Objective{Name: c.Name, Module: c.Module, Binding: c.Binding, Weight: 1}, seed: c.Seed}}
	if len(c.More) == 0 {
		return list
	}
	list[0].Weight, list[0].prefix = c.Weight, c.Name+"."
	for i, o := range c.More {
		words := numerics.Stream{Seed: c.Seed, Stream: uint32(i), Step: seedStep}.Block(0)
		list = append(list, &objective{Objective: o, prefix: o.Name + ".", seed: uint64(words[0]) | uint64(words[1])<<32})
	}
	return list
}

// weights joins what the objectives train.
func (c *Config) weights() (*step.Weights, error) {
	modules := []*plugin.Module{c.Module}
	seen := map[string]bool{c.Name: true}
	for _, o := range c.More {
		if seen[o.Name] || o.Name == "" || c.Name == "" {
			return nil, fmt.Errorf("train: several objectives need names of their own, %q is not one", o.Name)
		}
		if !(o.Weight > 0) || !(c.Weight > 0) {
			return nil, fmt.Errorf("train: the weights of objectives must be positive, are %v and %v", c.Weight, o.Weight)
		}
		seen[o.Name] = true
		modules = append(modules, o.Module)
	}
	return step.Join(c.Freeze, modules...)
}

// link builds the functions of a grain.
func (o *objective) link(w *step.Weights) error {
	linked, err := step.Link(o.Module, o.Binding.Loss(), o.Binding.Batch())
	if err != nil {
		return o.wrap(err)
	}
	if o.grad, o.more, err = step.Grain(w, linked); err != nil {
		return o.wrap(err)
	}
	o.join, err = step.Combine(o.grad)
	return err
}

// wrap says which objective an error is of, where there are several.
func (o *objective) wrap(err error) error {
	if o.prefix == "" {
		return err
	}
	return fmt.Errorf("objective %s: %w", o.Name, err)
}

// compile compiles the functions that the run's cut needs.
func (o *objective) compile(ctx context.Context, c *Config) (err error) {
	if o.first, err = compile(ctx, c.Device, o.grad, nil); err != nil {
		return o.wrap(err)
	}
	if c.Grains > c.Shards {
		if o.next, err = compile(ctx, c.Device, o.more, nil); err != nil {
			return o.wrap(err)
		}
	}
	if c.Shards > 1 {
		if o.combine, err = compile(ctx, c.Device, o.join, nil); err != nil {
			return o.wrap(err)
		}
	}
	return nil
}

// programs lists those that were compiled.
func (o *objective) programs() (l []*program) {
	for _, p := range []*program{o.first, o.next, o.combine} {
		if p != nil {
			l = append(l, p)
		}
	}
	return l
}
