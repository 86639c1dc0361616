// Package dvae is the model plugin of DALL-E's first stage (Ramesh et al.,
// arXiv 2102.12092, section 2.1): a convolutional encoder of images into codes
// of a codebook, relaxed by Gumbel-softmax, and a decoder.
//
// It imports the abi packages. Start reading at model.go.
package dvae
