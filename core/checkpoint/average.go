package checkpoint

import (
	"errors"
	"fmt"
	"io"

	"github.com/seedbed/seedbed/core/safetensors"
)

// WriteAverages writes the model as model.safetensors has it, but for tensors of which the optimizer keeps a running average, under
// the name that averageOf gives: these have the average's values. It is an error if there is none.
func (c *Checkpoint) WriteAverages(w io.Writer, averageOf func(name string) string) (err error) {
	model, err := c.Parameters()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	slots, err := c.Optimizer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, slots.Close()) }()
	averages := slots.Types()
	var tensors []safetensors.Tensor
	found := 0
	for _, name := range model.Names() {
		typ, err := model.Type(name)
		if err != nil {
			return err
		}
		from, key := model, name
		if t, ok := averages[averageOf(name)]; ok {
			if !t.Equal(typ) {
				return fmt.Errorf("checkpoint %s: %q is %v and its average %v", c.Path, name, typ, t)
			}
			from, key = slots, averageOf(name)
			found++
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, Type: typ, Data: func(w io.Writer) error {
			r, err := from.Reader(key)
			if err == nil {
				_, err = io.Copy(w, r)
			}
			return err
		}})
	}
	if found == 0 {
		return fmt.Errorf("checkpoint %s keeps no running averages; a run with train.ema_decay does", c.Path)
	}
	return safetensors.Write(w, tensors, model.Metadata())
}
