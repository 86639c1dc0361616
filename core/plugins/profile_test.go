package plugins

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

// recorded is what the test backend says of its runs.
var recorded = plugin.Profile{PeakBytes: 2.5e9, Runs: []plugin.ProfiledRun{
	{Function: "f", Begin: time.Unix(0, 1753000000000000001), Took: 7 * time.Microsecond, Ops: []plugin.ProfiledOp{
		{Name: "add+fma", Types: "f32[2] -> f32[2]", Begin: 1, Took: 2, FLOPs: 3, Bytes: 1 << 40},
		{Name: "subtract", Begin: 3, Took: 4},
	}},
	{Function: "g", Begin: time.Unix(0, 1753000000000000009)},
}}

// Profile comes with every record of it; without recording it is empty.
func (*testBackend) Profile(_ context.Context, record bool) (plugin.Profile, error) {
	if record {
		return plugin.Profile{}, nil
	}
	return recorded, nil
}

// A record arrives as it was made.
func TestProfile(t *testing.T) {
	d := start(t, "backend", Options{}).Device()
	p, err := d.Profile(t.Context(), true)
	require.NoError(t, err)
	assert.Empty(t, p.Runs)
	p, err = d.Profile(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, recorded, p)
	require.NoError(t, d.Close())
}

// profileLiar answers Profile.
type profileLiar struct {
	liar
	answer *abiv1.ProfileResponse
}

func (l *profileLiar) Profile(context.Context, *abiv1.ProfileRequest) (*abiv1.ProfileResponse, error) {
	if l.answer == nil {
		return nil, status.Error(codes.Unimplemented, "method Profile not implemented")
	}
	return l.answer, nil
}

// A backend that cannot record says so, and one that was built before there was
// a Profile is no other.
func TestCannotProfile(t *testing.T) {
	for name, d := range map[string]device.Device{"process": serveLiar(t, &profileLiar{}), "this process": device.Local(plain{&testBackend{}})} {
		_, err := d.Profile(t.Context(), true)
		assert.ErrorIs(t, err, errors.ErrUnsupported, name)
		assert.ErrorContains(t, err, "cannot record what its runs do", name)
	}
}

// plain hides what a backend can do beside its work.
type plain struct{ plugin.Backend }

func TestLiesAboutProfiles(t *testing.T) {
	run := func(r *abiv1.ProfiledRun) *abiv1.ProfileResponse {
		return &abiv1.ProfileResponse{Runs: []*abiv1.ProfiledRun{r}}
	}
	ops := func(o ...*abiv1.ProfiledOp) *abiv1.ProfileResponse {
		return run(&abiv1.ProfiledRun{RunNs: 100, Ops: o})
	}
	for says, m := range map[string]*abiv1.ProfileResponse{
		"a peak of NaN bytes":        {PeakBytesPerS: math.NaN()},
		"a peak of -1 bytes":         {PeakBytesPerS: -1},
		"a name of 9999 bytes":       run(&abiv1.ProfiledRun{Function: strings.Repeat("x", 9999)}),
		"a beginning at 9223":        run(&abiv1.ProfiledRun{BeginUnixNs: math.MaxInt64}),
		"types of 9999":              ops(&abiv1.ProfiledOp{Types: strings.Repeat("x", 9999)}),
		"from 90 for 11 ns":          ops(&abiv1.ProfiledOp{BeginNs: 90, RunNs: 11}),
		"from 1 for 1844":            ops(&abiv1.ProfiledOp{BeginNs: 1, RunNs: math.MaxUint64}),
		"after one that ended at 50": ops(&abiv1.ProfiledOp{BeginNs: 40, RunNs: 10}, &abiv1.ProfiledOp{BeginNs: 49}),
		"and 1844":                   ops(&abiv1.ProfiledOp{Bytes: math.MaxUint64}),
		"unknown field 999":          unknown(&abiv1.ProfileResponse{}),
	} {
		t.Run(says, func(t *testing.T) {
			_, err := serveLiar(t, &profileLiar{answer: m}).Profile(t.Context(), false)
			require.ErrorContains(t, err, "plugin liar")
			assert.ErrorContains(t, err, says)
			assert.Less(t, len(err.Error()), 2000)
		})
	}
}
