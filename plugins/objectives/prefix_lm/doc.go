// Package prefix_lm is the objective that T5's authors call prefix language
// modelling (Raffel et al., arXiv 1910.10683, section 3.3.1; Liu et al., arXiv
// 1801.10198): a text is cut in two, and the second part is predicted from the
// first. Of pairs of texts, such as a sentence and its translation, the second
// is.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package prefix_lm
