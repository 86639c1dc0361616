// Package nntest helps tests of models: sizes of modules, and what every model
// plugin must refuse.
//
// It imports abi/plugin and testify. Start reading at model.go.
package nntest
