// Package initial draws the first values of a module's parameters, on the host
// or in a program: every backend starts from the same bits. It imports abi only.
package initial
