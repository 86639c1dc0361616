// Package model holds the suites that a model passes: that what it declares is
// what its function uses, that it builds the same module every time, that its
// parameters begin as they say, that its shapes hold over configurations and
// sizes, that rows do not see each other, nor the past the future, and that
// what cannot be is refused.
//
// It imports abi, core and the reference backend. Start reading at Scenario.
package model
