package run

import (
	"fmt"

	"github.com/seedbed/seedbed/core/cost"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/train"
)

// stepFLOPs counts the operations of a step's matrix products and
// convolutions.
func stepFLOPs(t *train.Trainer, r *recipe.Recipe) (float64, error) {
	grain, err := cost.Count(t.Gradient())
	if err != nil {
		return 0, fmt.Errorf("counting operations: %w", err)
	}
	return float64(grain.Times(r.Train.BatchSize / r.Train.Grain).Contractions), nil
}
