package mutants

import (
	"flag"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	every = flag.Bool("every", false, "run every mutant, not a sample")
	only  = flag.String("mutants", "", "run the mutants whose names have this in them")
)

// The suite kills 99 of 100 mutants; those that survive say why.
func TestTheSuiteKillsMutants(t *testing.T) {
	all := All()
	classes := map[string]int{}
	names := map[string]bool{}
	for _, m := range all {
		classes[m.Class]++
		assert.False(t, names[m.String()], "two mutants %v", m)
		names[m.String()] = true
	}
	require.GreaterOrEqual(t, len(all), 300)
	require.GreaterOrEqual(t, len(classes), 25)
	// The sample has every class.
	run := all
	if *only != "" {
		run = slices.DeleteFunc(slices.Clone(all), func(m *Mutant) bool { return !strings.Contains(m.String(), *only) })
	} else if !*every {
		run = nil
		seen := map[string]int{}
		for i, m := range all {
			if seen[m.Class]++; seen[m.Class] == 1 || i%15 == 0 {
				run = append(run, m)
			}
		}
	}
	var mu sync.Mutex
	var survivors []string
	next := make(chan *Mutant)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for m := range next {
				f, err := m.Killed(t.Context())
				mu.Lock()
				switch {
				case err != nil:
					t.Error(err)
				case f == nil && m.Survives == "":
					survivors = append(survivors, m.String())
				case f != nil && m.Survives != "":
					t.Errorf("%v is killed by %s, though it is said to survive: %s", m, f.Case, m.Survives)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range run {
		next <- m
	}
	close(next)
	workers.Wait()
	slices.Sort(survivors)
	excused := 0
	for _, m := range run {
		if m.Survives != "" {
			excused++
			t.Logf("survives: %v: %s", m, m.Survives)
		}
	}
	killed := len(run) - excused - len(survivors)
	t.Logf("%d mutants in %d classes, %d run: %d killed, %d without effect", len(all), len(classes), len(run), killed, excused)
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		t.Logf("%4d %s", classes[c], c)
	}
	assert.LessOrEqual(t, len(survivors)*100, len(run), "survivors:\n%s", strings.Join(survivors, "\n"))
	for _, s := range survivors {
		t.Errorf("survives without a reason: %s", s)
	}
}
