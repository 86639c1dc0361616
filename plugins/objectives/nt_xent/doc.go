// Package nt_xent is the objective of SimCLR (Chen et al., arXiv 2002.05709,
// equation 1): of all views of a grain's images, find the one of the same
// image.
//
// It imports the abi packages and Arrow. Start reading at objective.go.
package nt_xent
