package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is printed to go on with can be typed as it is.
func TestCalledAs(t *testing.T) {
	t.Parallel()
	cached := "/cache/go-build/c2/" + strings.Repeat("0c", 32) + "-d/host"
	for program, want := range map[string]string{
		"host": "host", "./host": "./host", "/opt/go-builds/host": "/opt/go-builds/host", "my tools/host": "'my tools/host'",
		"/scratch/go-build297/b001/exe/host": "go run ./cmd/host", cached: "go run ./cmd/host",
	} {
		assert.Equal(t, want, calledAs(program), program)
	}
}
