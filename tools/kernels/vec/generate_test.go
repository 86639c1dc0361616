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
	dir := filepath.FromSlash("../../../plugins/backends/cpu/internal/vec")
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != string(want) {
			t.Errorf("%s is out of date: run go generate in %s", name, dir)
		}
	}
}
