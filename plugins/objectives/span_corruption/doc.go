// Package span_corruption is the objective of T5 (Raffel et al., arXiv
// 1910.10683, section 3.1.4): spans of a text are each replaced by a sentinel,
// and the target is what each sentinel stands for.
//
// It imports the abi packages and Arrow. Start reading at objective.go, then
// transform.go.
package span_corruption
