// Package t5 is the model plugin of T5 (Raffel et al., arXiv 1910.10683): an
// encoder and a decoder with relative position biases, version 1.0 and the
// gated 1.1, under the parameter names of Hugging Face's
// T5ForConditionalGeneration. The decoder alone is a language model.
//
// It imports the abi packages. Start reading at model.go.
package t5
