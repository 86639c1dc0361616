// Package reference evaluates programs one op at a time in plain Go: the
// executable specification of the op table, written to be obviously correct
// and never to be fast. Composites run by their normative decomposition.
//
// It knows every dtype. f64 is the truth against which f32 gradients are
// checked; bf16 and f16 are computed in f32 and rounded when an op stores its
// result.
//
// It imports abi alone. Start reading at Eval.
package reference
