// Package suite runs units of cases on several workers and keeps count of
// them: which passed, which failed and how, which were excused by a skip file,
// and one hash over every result, the receipt, which depends neither on the
// machine nor on the order in which the workers came through.
//
// It imports conformance/report. Start reading at Run.
package suite
