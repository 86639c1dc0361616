// Package schedule says how the learning rate changes over a run. A rate is a
// pure function of the step, so a resumed run continues on the same curve. It
// imports abi/numerics only.
package schedule
