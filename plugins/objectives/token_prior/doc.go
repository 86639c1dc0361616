// Package token_prior is the objective of DALL-E's second stage (Ramesh et al.,
// arXiv 2102.12092, section 2.2): predict each token of a text and then each
// code of its image, the image's loss counting seven times the text's.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package token_prior
