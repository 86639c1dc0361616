// Package recipes holds a recipe for each pretraining system at two sizes: NAME learns something visible in minutes on two cores, with
// nothing to download; NAME-paper has the size and the hyper-parameters of the paper. The host has them built in.
//
// It imports nothing of this module. Start reading at recipes.go.
package recipes
