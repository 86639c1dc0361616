package suite

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seedbed/seedbed/conformance/report"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unit has n cases, of which those in fails fail.
func unit(name string, n int, fails ...int) Unit {
	return Unit{Suite: "s", Name: name, Receipt: true, Cases: n, Run: func(_ context.Context, r *Recorder) {
		for i := range n {
			var err error
			for _, k := range fails {
				if k == i {
					err = errors.New("wrong")
				}
			}
			if id := fmt.Sprintf("s/%s/%d", name, i); r.Want(id) {
				r.Case(id, []byte{byte(i)}, err)
			}
		}
	}}
}

func run(t *testing.T, o Options, units ...Unit) *report.Report {
	rep := &report.Report{Profile: "p", Seed: 1}
	require.NoError(t, Run(t.Context(), rep, units, o))
	return rep
}

func TestReceiptDependsOnResultsAlone(t *testing.T) {
	var units []Unit
	for i := range 20 {
		units = append(units, unit(fmt.Sprint(i), i+1))
	}
	want := run(t, Options{Workers: 1}, units...).Receipt
	assert.Contains(t, want, "cases=210 sha256:")
	for workers := 2; workers < 5; workers++ {
		assert.Equal(t, want, run(t, Options{Workers: workers}, units...).Receipt)
	}
	units[7] = Unit{Suite: "s", Name: "7", Receipt: true, Run: func(_ context.Context, r *Recorder) {
		for i := range 8 {
			r.Case(fmt.Sprintf("s/7/%d", i), []byte{byte(i) ^ byte(i/7)}, nil)
		}
	}}
	assert.NotEqual(t, want, run(t, Options{}, units...).Receipt)
}

func TestWhatFails(t *testing.T) {
	for name, c := range map[string]struct {
		unit Unit
		why  string
	}{
		"a case":           {unit("u", 3, 1), "wrong"},
		"no cases":         {unit("u", 0), "no cases"},
		"the suite panics": {Unit{Suite: "s", Name: "u", Run: func(_ context.Context, r *Recorder) { r.Case("s/u/0", nil, nil); panic("oh") }}, "the suite itself panicked: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			rep := run(t, Options{}, unit("good", 2), c.unit)
			assert.False(t, rep.Passed())
			require.Len(t, rep.Failures, 1)
			assert.Contains(t, rep.Failures[0].Message, c.why)
			if c.unit.Receipt {
				assert.Empty(t, rep.Receipt)
			}
		})
	}
}

func TestOptional(t *testing.T) {
	u := unit("u", 3, 1)
	u.Optional, u.Receipt = true, false
	rep := run(t, Options{}, unit("good", 1), u)
	assert.True(t, rep.Passed())
	assert.NotEmpty(t, rep.Receipt)
}

func TestOnly(t *testing.T) {
	rep := run(t, Options{Only: regexp.MustCompile(`/1$`)}, unit("a", 3), unit("b", 1))
	assert.Equal(t, 1, rep.Total().Cases)
	assert.Empty(t, rep.Receipt)
	// A pattern that matches nothing is no run that went wrong.
	err := Run(t.Context(), &report.Report{}, []Unit{unit("maximum", 2), unit("minimum", 2), unit("softmax", 2), unit("sort", 2)}, Options{Only: regexp.MustCompile(`^s/softmx/\d+$`)})
	var none *NoMatch
	require.ErrorAs(t, err, &none)
	assert.Equal(t, "s/softmax/0", none.Nearest[0])
	assert.ErrorContains(t, err, `no case of this target matches "^s/softmx/\\d+$"; the nearest are s/softmax/0, `)
}

func TestFarFrom(t *testing.T) {
	for _, c := range []struct {
		text, name string
		far        int
	}{{"", "abc", 0}, {"b", "abc", 0}, {"abc", "", 3}, {"ac", "abc", 1}, {"xbc", "abcd", 1}, {"abxxcd", "zabcdz", 2}, {"zzz", "abc", 3}} {
		assert.Equal(t, c.far, farFrom(c.text, c.name), "%q in %q", c.text, c.name)
	}
}

func TestSkips(t *testing.T) {
	skip := Skip{Cases: "s/u/1", Reason: "known", URL: "https://example.org", Expires: "2030-01-01"}
	rep := run(t, Options{Skips: []Skip{skip}}, unit("u", 3, 1))
	assert.True(t, rep.Passed())
	assert.Equal(t, 1, rep.Total().Skipped)
	assert.Equal(t, 1, rep.Skips[0].Used)
	assert.Empty(t, rep.Receipt)
	rep = run(t, Options{Skips: []Skip{skip}}, unit("u", 3))
	assert.False(t, rep.Passed())
	assert.Contains(t, rep.Failures[0].Message, "unexpected pass")
	rep = run(t, Options{Skips: []Skip{skip}}, unit("u", 3, 0, 1))
	assert.Equal(t, 1, rep.Total().Failed)
	// One of no case is a mistake where no larger profile has the case.
	assert.True(t, run(t, Options{Skips: []Skip{skip}}, unit("v", 3)).Passed())
	rep = run(t, Options{Skips: []Skip{skip}, Whole: true}, unit("v", 3))
	assert.False(t, rep.Passed())
	assert.Contains(t, rep.Failures[0].Message, "matches no case")
}

func TestReadSkips(t *testing.T) {
	today := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	good := `{"cases": "ops/sort/*", "reason": "not written", "url": "https://example.org/1", "expires": "2026-06-01"}`
	l, err := ReadSkips(strings.NewReader("["+good+"]"), today)
	require.NoError(t, err)
	assert.Len(t, l, 1)
	for text, want := range map[string]string{
		`[` + good + `] []`: "something follows",
		`[` + strings.Replace(good, "2026-06-01", "2026-05-30", 1) + `]`:             "expired on 2026-05-30",
		`[` + strings.Replace(good, "2026-06-01", "soon", 1) + `]`:                   `"expires"`,
		`[` + strings.Replace(good, "not written", "", 1) + `]`:                      `"reason"`,
		`[` + strings.Replace(good, "https://example.org/1", "somewhere", 1) + `]`:   `"url"`,
		`[` + strings.Replace(good, "ops/sort/*", "[", 1) + `]`:                      `"cases"`,
		`[` + strings.Replace(good, `"cases"`, `"Kases"`, 1) + `]`:                   "unknown field",
		`[` + strings.Replace(good, `"url": "https://example.org/1", `, ``, 1) + `]`: `"url"`,
		`{}`: "cannot unmarshal",
	} {
		_, err := ReadSkips(strings.NewReader(text), today)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestFirstFailureEndsTheRun(t *testing.T) {
	rep := run(t, Options{Workers: 1, FirstFailure: true}, unit("a", 2, 0), unit("b", 2, 0))
	assert.Len(t, rep.Failures, 1)
	assert.Equal(t, "s/a/0", rep.Failures[0].Case)
}
