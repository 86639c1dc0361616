package run

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A journal goes on after the steps that are kept, whatever was written behind
// them, and tells of no step twice.
func TestJournal(t *testing.T) {
	out := t.TempDir()
	path := filepath.Join(out, metricsFile)
	steps := func() (l []string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			require.True(t, strings.HasSuffix(line, "}\n"), line)
			name, _, _ := strings.Cut(strings.TrimPrefix(line, `{"event":"`), `,"time"`)
			l = append(l, strings.Replace(name, `","step":`, " ", 1))
		}
		return l
	}
	step := func(n uint64) Event {
		return &Step{Step: n, Loss: float64(n), Metrics: []Metric{{Name: "hits", Value: 0.5}, {Name: "none", Value: math.Inf(1)}}}
	}
	j, err := openJournal(out, 0)
	require.NoError(t, err)
	for _, e := range []Event{&Ready{}, step(1), step(2), &Validation{Step: 2, Loss: math.NaN()}, step(3), step(4), &Validation{Step: 4}, step(5)} {
		require.NoError(t, j.add(e))
	}
	j.close()
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(whole), `"loss":2,"lr":0,"grad_norm":0,"metrics":{"hits":0.5}}`)
	assert.Contains(t, string(whole), `"loss":null}`)
	events, err := os.ReadFile(filepath.Join(out, eventsFile))
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(path, append(whole, `{"event":"step","st`...), 0o666)) // killed while it wrote
	j, err = openJournal(out, 9)
	require.NoError(t, err)
	j.close()
	assert.Equal(t, []string{"step 1", "step 2", "validation 2", "step 3", "step 4", "validation 4", "step 5"}, steps())
	again, err := os.ReadFile(filepath.Join(out, eventsFile))
	require.NoError(t, err)
	assert.Len(t, again, len(events))
	assert.Equal(t, events[60:], again[60:], "the same but for the time of the header")

	j, err = openJournal(out, 4) // the last good state
	require.NoError(t, err)
	for _, e := range []Event{&Validation{Step: 4}, step(4), step(5), step(6)} {
		require.NoError(t, j.add(e))
	}
	j.close()
	assert.Equal(t, []string{"step 1", "step 2", "validation 2", "step 3", "step 4", "validation 4", "step 5", "step 6"}, steps())

	j, err = openJournal(out, 0)
	require.NoError(t, err)
	j.close()
	assert.Empty(t, steps())
}
