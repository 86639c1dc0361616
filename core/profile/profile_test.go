package profile

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var start = time.Unix(1000, 0)

// recorded are two steps of two runs each: 10 ms and 5 ms, 1 ms between runs.
func recorded() plugin.Profile {
	const ms = time.Millisecond
	p := plugin.Profile{PeakBytes: 1e9}
	for i := range 2 {
		at := start.Add(time.Duration(i) * 17 * ms)
		p.Runs = append(p.Runs,
			plugin.ProfiledRun{Function: "grain", Begin: at, Took: 10 * ms, Ops: []plugin.ProfiledOp{
				{Name: "dot_general", Types: "a -> b", Begin: 0, Took: 4 * ms, FLOPs: 3e6, Bytes: 1e6},
				{Name: "dot_general", Types: "b -> c", Begin: 5 * ms, Took: 3 * ms, FLOPs: 1e6, Bytes: 2e6},
				{Name: "add", Types: "c -> c", Begin: 8 * ms, Took: 2 * ms, Bytes: 1e6},
			}},
			plugin.ProfiledRun{Function: "update", Begin: at.Add(11 * ms), Took: 5 * ms, Ops: []plugin.ProfiledOp{{Name: "adamw", Took: 5 * ms, Bytes: 4e6}}})
	}
	return p
}

func TestReport(t *testing.T) {
	r, err := New(plugin.Stats{Device: "test", Workers: 3, PeakFLOPS: 1e9}, recorded(), 2, false)
	require.NoError(t, err)
	ms := 1e-3
	assert.InDelta(t, 16.5*ms, r.Step, 1e-9) // two steps and what is between them are 33 ms
	assert.InDelta(t, 1*ms, r.Within, 1e-9)
	assert.InDelta(t, 1.5*ms, r.Between, 1e-9)
	require.Len(t, r.Ops, 3)
	want := []Op{
		{Name: "dot_general", Count: 2, Time: 7 * ms, FLOPs: 4e6, Bytes: 3e6, Bound: 5 * ms}, // the larger of 3 and 1, of 1 and 2
		{Name: "adamw", Count: 1, Time: 5 * ms, Bytes: 4e6, Bound: 4 * ms},
		{Name: "add", Count: 1, Time: 2 * ms, Bytes: 1e6, Bound: 1 * ms},
	}
	for i, w := range want {
		assert.Equal(t, w.Name, r.Ops[i].Name)
		assert.InDeltaSlice(t, []float64{w.Count, w.Time, w.FLOPs, w.Bytes, w.Bound},
			[]float64{r.Ops[i].Count, r.Ops[i].Time, r.Ops[i].FLOPs, r.Ops[i].Bytes, r.Ops[i].Bound}, 1e-9, w.Name)
	}
	sum := r.Within + r.Between
	for _, o := range r.Ops {
		sum += o.Time
	}
	assert.InDelta(t, r.Step, sum, 1e-9, "all of a step is somewhere")
	assert.InDelta(t, 10*ms, r.Bound, 1e-9)

	types, err := New(plugin.Stats{}, recorded(), 2, true)
	require.NoError(t, err)
	assert.Len(t, types.Ops, 4)
	assert.Equal(t, "a -> b", types.Ops[1].Types)

	var text bytes.Buffer
	require.NoError(t, r.Write(&text))
	for _, says := range []string{
		"2 steps of 16.5 ms on test, 3 workers; peaks measured beside them: 1.0 GFLOP/s, 1.0 GB/s",
		"7.00       42.4         5.00   0.00         57  0.003         43          2  dot_general\n",
		"1.50        9.1                                                              between runs: the backend has no work\n",
		"At the peaks a step takes 10 ms: 61 % of what it took. Of the other 6.5 ms:\n  2 ms (31 %) in dot_general\n  1.5 ms (23 %) in waiting between runs\n",
	} {
		assert.Contains(t, text.String(), says)
	}
	_, err = New(plugin.Stats{}, plugin.Profile{}, 1, false)
	assert.ErrorContains(t, err, "nothing was recorded")
}

// A trace is what its readers expect: spans by process and row, none of which
// overlaps another of its row, in the order of time.
func TestTrace(t *testing.T) {
	var x Trace
	x.Process(7, "backend cpu")
	x.Backend(7, recorded())
	x.Span(9, "batches", "first", start, 3*time.Second, nil)
	x.Span(9, "batches", "beside it", start.Add(time.Second), time.Second, map[string]any{"rows": 4})
	x.Span(9, "batches", "after", start.Add(3*time.Second), time.Second, nil)
	var out bytes.Buffer
	require.NoError(t, x.Write(&out))
	var got struct {
		TraceEvents []struct {
			Name, Ph string
			TS, Dur  float64
			PID, TID int
			Args     map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	ends := map[[2]int]float64{}
	last := 0.0
	names := map[string]int{}
	for _, e := range got.TraceEvents {
		require.GreaterOrEqual(t, e.TS, last)
		last = e.TS
		if e.Ph == "M" {
			names[e.Args["name"].(string)]++
			continue
		}
		require.Equal(t, "X", e.Ph)
		row := [2]int{e.PID, e.TID}
		require.GreaterOrEqual(t, e.TS, ends[row], e.Name)
		ends[row] = e.TS + e.Dur
		names[e.Name]++
	}
	assert.Equal(t, map[string]int{"backend cpu": 1, "runs": 1, "ops": 1, "batches": 1, "grain": 2, "update": 2,
		"dot_general": 4, "add": 2, "adamw": 2, "first": 1, "beside it": 1, "after": 1}, names)
	assert.Len(t, ends, 4) // runs, ops, and two rows of batches
}
