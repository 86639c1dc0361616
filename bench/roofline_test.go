package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/core/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All of a step's time is in one of its parts, and a file keeps one roofline of a model, the latest, with a plot that is well-formed.
func TestRoofline(t *testing.T) {
	run := func(step, flops float64) *profile.Report {
		return &profile.Report{Step: step, PeakFLOPS: flops, PeakBytes: 2, Within: 0.25, Between: step - 9.25, Ops: []profile.Op{
			{Name: "dot_general+add+gelu", Time: 4, FLOPs: 12, Bytes: 1}, {Name: "scaled_dot_product_attention_grad", Time: 2, FLOPs: 4, Bytes: 1},
			{Name: "conv2d_filter_grad", Time: 1, FLOPs: 2}, {Name: "adamw", Time: 1, Bytes: 2}, {Name: "layer_norm", Time: 0.75},
			{Name: "linear_cross_entropy", Time: 0.25},
		}}
	}
	report := []*profile.Report{run(11, 3), run(9.5, 4), run(10, 2)}
	x := newRoofline("a", "a <b> & c", report)
	want := []part{{"products", 4.25, 3}, {"convolutions", 1, 0.5}, {"attention", 2, 1}, {"optimizer", 1, 1}, {"other ops", 0.75, 0}, {"beside ops", 1, 0}}
	assert.Equal(t, want, x.Parts)
	sum, bound := 0.0, 0.0
	for _, p := range x.Parts {
		sum, bound = sum+p.Time, bound+p.Bound
	}
	assert.Equal(t, []float64{x.Step, x.Bound}, []float64{sum, bound})
	assert.Len(t, strings.Fields(x.line()), 6+parts)

	path := filepath.Join(t.TempDir(), "roofline.json")
	second := newRoofline("b", "c", report)
	for _, r := range []*roofline{second, newRoofline("a", "old", report), x} {
		require.NoError(t, mergeRooflines(path, r))
	}
	list, err := readList[*roofline](path)
	require.NoError(t, err)
	assert.Equal(t, []*roofline{x, second}, list)
	svg, err := os.ReadFile(filepath.Join(filepath.Dir(path), "roofline.svg"))
	require.NoError(t, err)
	assert.Equal(t, 1+(1+parts)+2*(1+parts), rectangles(t, svg), "the ground, the legend and a bar for each")

	require.NoError(t, os.WriteFile(path, []byte(`[{"model": "a", "step_s": 1, "parts": []}]`), 0o666))
	assert.ErrorContains(t, mergeRooflines(path, x), "without model, step or parts")
}
