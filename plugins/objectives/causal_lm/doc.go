// Package causal_lm is the objective of GPT: predict each token from those
// before it in its document (Radford et al. 2018, "Improving Language
// Understanding by Generative Pre-Training").
//
// It imports the abi packages and Arrow. Start reading at objective.go, then
// transform.go for how rows become a batch.
package causal_lm
