// Package dataset holds the suites that a dataset passes: that its rows are
// those that its schema describes, the same in whatever order, number and
// company they are asked for, by how many at once, and whenever it is opened;
// that rows which there are not are refused; and that the fingerprint tells
// contents apart.
//
// It imports abi, datasets and Arrow. Start reading at Target.
package dataset
