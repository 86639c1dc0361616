// Package profile turns what a backend recorded of its runs into a table by op
// beside what the machine allows, and into a trace of all processes that
// Chrome, Perfetto and others show.
//
// It imports abi/plugin. Start reading at report.go.
package profile
