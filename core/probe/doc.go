// Package probe measures how good features are: by a linear classifier that
// learns from them (Alain and Bengio, arXiv 1610.01644), and by how often
// vectors that belong together are nearest to each other. It works on the host
// and imports abi/numerics only; its results are the same on every machine.
package probe
