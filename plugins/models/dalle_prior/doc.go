// Package dalle_prior is the model plugin of DALL-E's second stage (Ramesh et
// al., arXiv 2102.12092, section 2.2): one causal transformer over a text and
// then the codes of an image.
//
// It imports the abi packages. Start reading at model.go.
package dalle_prior
