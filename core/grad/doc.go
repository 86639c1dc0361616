// Package grad differentiates functions of the program representation in
// reverse mode. The rule of each op comes from the op table of abi/ir; this
// package only drives the rules in the right order, so a new op needs nothing
// here. Start reading at Reverse.
//
// It imports abi/ir alone.
package grad
