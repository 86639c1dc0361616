//go:build unix

package plugins

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stop stops a process, which then neither runs nor ends, and waits until all
// of its threads have stopped.
func stop(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 {
		time.Sleep(5 * time.Millisecond)
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/stat"))
		stopped := 0
		for _, t := range threads {
			if stat, err := os.ReadFile(t); err == nil && strings.Contains(string(stat), ") T ") {
				stopped++
			}
		}
		if len(threads) == 0 || stopped == len(threads) { // a system without /proc has had its time
			return nil
		}
	}
	return os.ErrDeadlineExceeded
}
