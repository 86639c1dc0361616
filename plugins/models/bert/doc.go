// Package bert is the model plugin of BERT (Devlin et al., arXiv 1810.04805):
// a bidirectional transformer encoder with post-LayerNorm, under the parameter
// names of Hugging Face's BertForPreTraining and BertForMaskedLM.
//
// It imports the abi packages. Start reading at model.go.
package bert
