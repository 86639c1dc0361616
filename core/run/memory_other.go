//go:build !linux

package run

func available() int64 { return 0 }

// Memory returns the bytes of memory that the machine has and that are free
// to this process; 0 where that is not known.
func Memory() (total, free int64) { return 0, 0 }
