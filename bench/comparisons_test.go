package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func compared(model, peer string, ratios ...float64) *comparison {
	return &comparison{Model: model, Peer: peer, CPU: "a <b> & c", Threads: 2, Ratio: median(ratios), Ratios: ratios}
}

// rectangles counts those of a picture that is well-formed.
func rectangles(t *testing.T, svg []byte) (n int) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			n++
		}
	}
}

// A file keeps one comparison of a model and peer, the latest, and a plot that is well-formed.
func TestMergeComparisons(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	for _, c := range []*comparison{compared("b", "x", 1), compared("a", "y", 2), compared("a", "x", 3), compared("b", "x", 4, 0.5, 5)} {
		require.NoError(t, mergeComparisons(path, c))
	}
	list, err := readComparisons(path)
	require.NoError(t, err)
	assert.Equal(t, []*comparison{compared("a", "x", 3), compared("a", "y", 2), compared("b", "x", 4, 0.5, 5)}, list)
	svg, err := os.ReadFile(filepath.Join(filepath.Dir(path), "peers.svg"))
	require.NoError(t, err)
	assert.Equal(t, 1+len(list), rectangles(t, svg), "the ground and a bar for each")
	assert.Contains(t, string(svg), "b, x")

	require.NoError(t, os.WriteFile(path, []byte(`[{"model": "a", "peer": "x", "ratios": [0]}]`), 0o666))
	_, err = readComparisons(path)
	assert.ErrorContains(t, err, "without model, peer or ratios")
}

// The gate fails for what is slower beyond the spread of both, and names it.
func TestGate(t *testing.T) {
	committed := []*comparison{compared("a", asInstalled, 2, 2.2, 2.4), compared("b", asInstalled, 1)}
	now := map[string]*comparison{"a": compared("a", asInstalled, 1.5, 1.7, 1.81), "b": compared("b", asInstalled, 0.91)}
	measure := func(before *comparison) (*comparison, error) { return now[before.Model], nil }
	require.NoError(t, runGate(committed, measure))
	now["a"] = compared("a", asInstalled, 1.5, 1.7, 1.79)
	assert.ErrorContains(t, runGate(committed, measure), "slower than committed: [a]")
	failed := errors.New("no peer")
	assert.ErrorIs(t, runGate(committed, func(*comparison) (*comparison, error) { return nil, failed }), failed)
}

func TestSlope(t *testing.T) {
	assert.InDelta(t, 2, slope([]int{1, 2, 4, 8}, []float64{3, 12, 48, 192}), 1e-12)
	assert.InDelta(t, -0.5, slope([]int{1, 4, 16}, []float64{8, 4, 2}), 1e-12)
}
