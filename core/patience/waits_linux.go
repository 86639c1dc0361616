package patience

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// waits returns how long each thread of the processes has been ready to run and
// did not, and under negative numbers how long each processor of a virtual
// machine was ready and did not.
func waits(processes []int) map[int]time.Duration {
	all := map[int]time.Duration{}
	for _, p := range processes {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p)) // the pattern is a good one
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended
			}
			// Nanoseconds on a processor, nanoseconds ready for one, turns.
			fields := strings.Fields(string(text))
			thread, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil || len(fields) != 3 {
				continue
			}
			if ns, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				all[thread] = time.Duration(ns)
			}
		}
	}
	text, _ := os.ReadFile("/proc/stat") // without it nothing was stolen
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if n, err := strconv.Atoi(fields[0][3:]); err == nil { // not the sum of all
			if ticks, err := strconv.ParseInt(fields[8], 10, 64); err == nil {
				all[-1-n] = time.Duration(ticks) * (time.Second / 100) // a tick is that on every Linux
			}
		}
	}
	return all
}
