// Package reference evaluates programs one op at a time in plain Go: the
// executable specification of the op table, written to be obviously correct
// and never to be fast. Composites run by their normative decomposition.
//
// It knows f32, f64, i32, i64, u8, u32 and bool, and refuses the other dtypes
// by name. f64 is the truth against which f32 gradients are checked.
//
// It imports abi alone. Start reading at Eval.
package reference
