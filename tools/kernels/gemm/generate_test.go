package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The committed files are what the generator writes.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.FromSlash("../../../plugins/backends/cpu/internal/gemm")
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != string(want) {
			t.Errorf("%s is out of date: run go generate in %s", name, dir)
		}
	}
}

// A kernel that needs more registers than AVX2 has is refused, not written.
func TestAVX2KernelsKeepTo16Registers(t *testing.T) {
	for rows, ok := range map[int]bool{6: true, 7: false} {
		_, err := program(variant{name: "avx2", title: "AVX2", lanes: 8, mr: rows, nr: 16})
		if (err == nil) != ok {
			t.Errorf("%d rows: error %v", rows, err)
		}
	}
}
