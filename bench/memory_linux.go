package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memoryInterval is long: reading what the system says of every thread of several processes takes milliseconds of a processor that
// the steps are timed on. What the system keeps of each process is its peak.
const memoryInterval = 500 * time.Millisecond

// watchMemory follows a process and those that it starts. The function that it returns stops it and gives the sum of the most
// resident bytes of each: no less than what all held at any moment. Pages that processes share count in each.
func watchMemory(pid int) (stop func() int64) {
	quit, result := make(chan struct{}), make(chan int64)
	go func() {
		peaks := map[int]int64{}
		for {
			for _, p := range family(pid) {
				peaks[p] = max(peaks[p], peakOf(p))
			}
			select {
			case <-quit:
				total := int64(0)
				for _, b := range peaks {
					total += b
				}
				result <- total
				return
			case <-time.After(memoryInterval):
			}
		}
	}()
	return func() int64 { close(quit); return <-result }
}

// family returns a process and its descendants.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				continue // it has ended
			}
			for word := range strings.FieldsSeq(string(text)) {
				if p, err := strconv.Atoi(word); err == nil {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

func peakOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0
	}
	return kib << 10
}

// threadsTime is the processor time of a process's threads that live, in seconds; 0 for no process.
func threadsTime(pid int) float64 {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	sum := 0.0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		var running float64
		if _, err := fmt.Sscan(string(text), &running); err == nil {
			sum += running / 1e9
		}
	}
	return sum
}

// processorName is what the system calls the processor.
func processorName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	_, after, _ := strings.Cut(string(text), "model name")
	name, _, _ := strings.Cut(after, "\n")
	return strings.TrimLeft(name, "\t :")
}
