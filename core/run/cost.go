package run

import (
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/train"
)

// stepFLOPs counts a step's.
func stepFLOPs(*train.Trainer, *recipe.Recipe) float64 { return 0 }
