// Package plugin is what a plugin author writes against: a model, an objective
// or a backend is a Go value with the methods of Model, Objective or Backend.
//
// It imports package abi/ir and Arrow's schema types; it never imports core or
// another plugin. Start reading at the interface of the kind of plugin that
// you write: model.go, objective.go or backend.go.
package plugin
