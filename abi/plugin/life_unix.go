//go:build unix

package plugin

import (
	"os"
	"syscall"
)

// closeOnExec keeps a file from the processes that the plugin starts.
func closeOnExec(f *os.File) { syscall.CloseOnExec(int(f.Fd())) }
