// Package classification is the supervised objective: the cross-entropy of a
// class, with label smoothing (Szegedy et al., arXiv 1512.00567) and soft
// labels; of images also with mixup (Zhang et al., arXiv 1710.09412) and CutMix
// (Yun et al., arXiv 1905.04899).
//
// It imports the abi packages and Arrow. Start reading at objective.go, which is
// of images, or text.go; both use labels.go.
package classification
