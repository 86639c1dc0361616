// Package mutants tests the suite itself: it makes backends, objectives and
// models that are wrong in one way each, as wrappers around right ones, and
// asks the suite to find every one of them out.
//
// Each mutant belongs to a class of faults that real implementations have: a
// clamp that drops NaNs, a tail that is off by one, a sum in another order. A
// mutant that the suite does not find is a gap in the suite, or it is no fault
// at all; then Survives says why.
//
// It imports abi, the reference backend and conformance. Start reading at All.
package mutants
