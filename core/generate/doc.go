// Package generate draws text from models of role causal_lm, token by token,
// and the codes of images, and their pixels, from models of roles token_prior
// and code_decoder: the same on every backend, which gives logits to the bit, and
// what is done with them here has an order and random bits of its own.
//
// It imports abi and core/{device,grad,step}. Start reading at generate.go for
// text and at codes.go for images; keep.go goes on from keys and values of
// earlier tokens, sample.go chooses a token.
package generate
