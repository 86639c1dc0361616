// Package train runs the steps of a training run on a device: it makes batches
// ahead of time, queues the grains of a step, combines them and applies the
// optimizer, and is a step ahead of what it reads, so that the device never
// waits. What it computes depends on its Config alone: any step's samples and
// random draws are functions of the seed and the position. It also evaluates:
// the loss on rows that are not learned from.
//
// It imports abi, core and datasets. Start reading at trainer.go, then
// pipeline.go for how runs are followed, objective.go for several objectives,
// batches.go for where a grain's rows
// come from, evaluate.go and memory.go.
package train
