// Package step builds the programs of a training step: it links a model's
// function with an objective's loss by the names of their values,
// differentiates the whole, and adds the optimizer.
//
// It imports abi and core/grad. Start reading at link.go, then grain.go (the
// gradient of one grain) and update.go (the optimizer); weights.go joins what
// several objectives train, evaluate.go is for programs without gradients.
package step
