// Package patience has the time limit of calls to a process: one that hangs
// reaches it, one that only waits for a processor does not.
//
// It imports the standard library. Start reading at patience.go.
package patience
