// Command closures is a backend plugin of Seedbed in a module of its own: an
// interpreter that claims primitives only and turns each op, once, into a
// closure over tables of offsets. It imports Seedbed's abi packages only. Start
// reading at backend.go, then program.go; the ops follow in files of their own.
package main

import "github.com/seedbed/seedbed/abi/plugin"

func main() { plugin.ServeBackend(Backend{}) }
