// Package train runs the steps of a training run on a backend: it makes
// batches ahead of time, runs the grains of a step, combines them and applies
// the optimizer. What it computes depends on its Config alone: any step's
// samples and random draws are functions of the seed and the position.
//
// It imports abi, core and datasets. Start reading at trainer.go, then
// batches.go for where a grain's rows come from.
package train
