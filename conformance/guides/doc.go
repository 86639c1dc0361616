// Package guides has no code of its own: its test runs every command and every
// program of docs/plugins, as somebody would who reads them.
//
// It imports nothing of this module. Start reading at guides_test.go.
package guides
