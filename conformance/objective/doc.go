// Package objective holds the suites that an objective passes: that it keeps
// the contract of its role, that a batch is a function of its rows and its
// place in the run, that nothing is read or written beside the slot, that the
// gradient is that of the loss, and that the loss moves with nothing that it
// says it ignores.
//
// It imports abi, core and the reference backend. Start reading at Scenario.
package objective
