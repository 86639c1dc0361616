// Package classification is the supervised objective on images: the
// cross-entropy of a class, with label smoothing (Szegedy et al., arXiv
// 1512.00567), soft labels, mixup (Zhang et al., arXiv 1710.09412) and CutMix
// (Yun et al., arXiv 1905.04899).
//
// It imports the abi packages and Arrow. Start reading at objective.go, then
// mixing.go.
package classification
