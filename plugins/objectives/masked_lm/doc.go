// Package masked_lm is the objective of BERT (Devlin et al., arXiv
// 1810.04805): predict tokens that are hidden from the model, at any place of
// a text. Masks are drawn anew at every step (Liu et al., arXiv 1907.11692),
// of single tokens, whole words or spans (Joshi et al., arXiv 1907.10529). The
// plugin next_sentence also learns whether one text follows another, or in which order two
// stand (Lan et al., arXiv 1909.11942); sentence_pairs learns that alone, beside
// masked_lm as an objective of its own.
//
// It imports the abi packages and Arrow. Start reading at objective.go, then
// transform.go for how rows become a batch and masks.go for what is hidden.
package masked_lm
