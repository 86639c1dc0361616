package run

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// available returns how many bytes the machine and the control groups of this
// process have left; 0 if that is not known.
func available() int64 {
	free := meminfo("MemAvailable")
	for _, left := range groups() {
		if free == 0 || left < free {
			free = left
		}
	}
	return free
}

// Memory returns the bytes of memory that the machine has and that are free
// to this process; 0 where that is not known.
func Memory() (total, free int64) { return meminfo("MemTotal"), available() }

// meminfo returns a line of /proc/meminfo, which counts KiB, in bytes.
func meminfo(key string) int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	for s.Scan() {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == key+":" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// groups returns what is left below the memory limit of every control group,
// version 1 or 2, that this process is in.
func groups() []int64 {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var left []int64
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, limit, usage, cache := "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		if parts[1] == "memory" {
			root, limit, usage, cache = "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		} else if parts[1] != "" {
			continue
		}
		// In a container the path may be that of the host, so that only the
		// root is there.
		for dir := filepath.Clean("/" + parts[2]); ; dir = filepath.Dir(dir) {
			at := filepath.Join(root, dir)
			max, ok := number(filepath.Join(at, limit))
			used, ok2 := number(filepath.Join(at, usage))
			if ok && ok2 {
				// Pages of files are given up when memory runs short.
				left = append(left, max-used+stat(filepath.Join(at, "memory.stat"), cache))
			}
			if dir == "/" {
				break
			}
		}
	}
	return left
}

// number reads a file that holds one number; "max" is none.
func number(path string) (int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil && n < 1<<60
}

func stat(path, key string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}
