// Package pool runs parallel loops on a fixed set of workers, one a core, of which the caller is one.
//
// A loop's indices are handed out by a counter, so which worker runs which index is left to chance: a body must compute the
// same whoever runs it. Starting and ending a loop costs about a microsecond while the workers are awake; they spin briefly after
// a loop before they sleep. A worker that wakes late is not waited for, so loops stay short on a busy machine.
//
// It imports the standard library only. Start reading at pool.go.
package pool
