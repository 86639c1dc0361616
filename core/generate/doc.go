// Package generate draws text from models of role causal_lm, token by token,
// the same tokens on every backend: the backend gives logits to the bit, and
// what is done with them here has an order and random bits of its own.
//
// It imports abi, core/device and core/step. Start reading at generate.go;
// sample.go chooses a token.
package generate
