// Package masked_reconstruction is the objective of masked autoencoders (He et
// al., arXiv 2111.06377): predict the pixels of the patches that the encoder
// does not see, which are drawn anew at every step.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package masked_reconstruction
