// Package cost counts the floating-point operations of a function, so that
// people can compare the speed of a run with what a machine can do.
//
// It imports abi/ir alone.
package cost
