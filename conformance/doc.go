// Package conformance holds the checks that cross package borders: that the
// gradients of the op table agree with finite differences, and that
// dependencies point the way the architecture says.
package conformance
