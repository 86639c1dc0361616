// Package shm is memory that the processes of a run share: segments of slots
// of one size in files that live in memory alone, mapped by the host and by
// its plugins. What a message says about them is checked before it is used.
//
// A segment is sparse: pages are taken when they are first touched, so that a
// slot may be as large as the largest tensor without costing anything. Its
// size is sealed: no process can make another's access fail by cutting the
// file short. The host reserves pages before it hands them out, so that a
// machine short of memory is an error and not a signal.
//
// Only Linux has such files; elsewhere Create returns ErrUnavailable and
// tensors travel in messages. The package imports abi/v1. Start reading at
// segment.go.
package shm
