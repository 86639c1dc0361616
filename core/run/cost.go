package run

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/train"
)

// stepFLOPs counts the operations of a step's matrix products and
// convolutions.
func stepFLOPs(t *train.Trainer, r *recipe.Recipe) (float64, error) {
	total := 0.0
	for _, f := range t.Gradients() {
		grain, err := cost.Count(f)
		if err != nil {
			return 0, fmt.Errorf("counting operations: %w", err)
		}
		total += float64(grain.Times(r.Train.BatchSize / r.Train.Grain).Contractions)
	}
	return total, nil
}
