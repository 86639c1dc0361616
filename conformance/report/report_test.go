package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func example() *Report {
	return &Report{
		Kind: "backend", Target: "<mine> 1.0", Profile: "core", Seed: 1, Started: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Seconds: 93,
		Units: []Unit{
			{Suite: "ops", Name: "add/f32", Op: "add", DType: "f32", Cases: 1200, Seconds: 1},
			{Suite: "ops", Name: "add/i64", Op: "add", DType: "i64", Cases: 10, Skipped: 10},
			{Suite: "ops", Name: "exp/f32", Op: "exp", DType: "f32", Cases: 10, Failed: 2},
			{Suite: "fuzz", Name: "0", Cases: 5},
		},
		Failures: []Failure{{Suite: "ops", Unit: "exp/f32", Case: "ops/exp/f32/3", Message: "got \x01 <0x00>"}, {Suite: "skips", Case: "ops/*", Message: "unexpected pass"}},
		Skips:    []Skip{{Cases: "ops/add/i64/*", Reason: "not yet", URL: "javascript:alert(1)", Expires: "2027-01-01", Used: 10}},
		Receipt:  "",
	}
}

func TestCounts(t *testing.T) {
	r := example()
	assert.Equal(t, Counts{Cases: 1225, Passed: 1213, Failed: 2, Skipped: 10}, r.Total())
	assert.False(t, r.Passed())
	assert.Equal(t, "core 2 failed, 10 skipped", r.Summary())
	r.Units[2].Failed, r.Failures = 0, nil
	assert.True(t, r.Passed())
	assert.Equal(t, "core 1215 passed, 10 skipped", r.Summary())
	assert.False(t, (&Report{}).Passed(), "a run of nothing")
	s := r.Suites()
	require.Len(t, s, 2)
	assert.Equal(t, 1220, s[0].Cases)
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().WriteJUnit(&b))
	var back junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &back))
	assert.Equal(t, 5, back.Tests)
	assert.Equal(t, 2, back.Failures)
	assert.Contains(t, b.String(), "got ? &lt;0x00&gt;")
	assert.Contains(t, b.String(), "unexpected pass")
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().WriteJSON(&b))
	var back Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	assert.Equal(t, *example(), back)
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().WriteHTML(&b))
	page := b.String()
	for _, want := range []string{"&lt;mine&gt; 1.0", "does not conform", "ops/exp/f32/3", "add i64: 10 cases", "1 min 33 s", "not yet", "<summary>ops/exp/f32/3<span>got"} {
		assert.Contains(t, page, want)
	}
	// Text from outside stays text, and the page asks the network for nothing.
	assert.NotContains(t, page, "<mine>")
	assert.NotContains(t, page, "javascript:alert")
	assert.NotContains(t, strings.ReplaceAll(page, "http://www.w3.org", ""), "http")
	assert.NotContains(t, page, "<script")
}

func TestBadge(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().WriteBadge(&b))
	assert.Contains(t, b.String(), "core 2 failed, 10 skipped")
	require.NoError(t, xml.Unmarshal(b.Bytes(), &struct{}{}))
}
