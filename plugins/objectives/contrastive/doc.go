// Package contrastive is the objective of CLIP (Radford et al., arXiv
// 2103.00020, figure 3): of the captions of a grain, find each image's own, and
// of the images each caption's.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package contrastive
