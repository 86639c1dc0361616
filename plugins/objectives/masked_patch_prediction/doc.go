// Package masked_patch_prediction is the self-supervised objective of the Vision
// Transformer (Dosovitskiy et al., arXiv 2010.11929, appendix B.1.2): the
// embeddings of half of the patches are replaced, and of each of these the mean
// color is predicted, or its pixels (there with L2; with L1 as SimMIM's, Xie et
// al., arXiv 2111.09886). The patches are drawn anew at every step.
//
// It imports the abi packages and Arrow. Start reading at objective.go, then
// transform.go.
package masked_patch_prediction
