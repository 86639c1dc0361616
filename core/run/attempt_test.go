package run

import (
	"testing"
	"time"

	"github.com/seedbed/seedbed/datasets"
	"github.com/stretchr/testify/assert"
)

func TestNextMultiple(t *testing.T) {
	for _, c := range []struct {
		n     uint64
		every int
		end   uint64
		want  uint64
	}{{0, 0, 9, 9}, {0, 4, 9, 4}, {3, 4, 9, 4}, {4, 4, 9, 8}, {8, 4, 9, 9}, {5, 100, 9, 9}} {
		assert.Equal(t, c.want, nextMultiple(c.n, c.every, c.end), "%+v", c)
	}
}

func TestSpeed(t *testing.T) {
	s := &speed{tokens: 100, flops: 6e9, peak: 1e10}
	e := &Step{Step: 5, Steps: 9}
	s.fill(e)
	assert.Zero(t, e.TokensPerSecond, "no step yet")
	for range window {
		s.add(time.Hour, 0) // forgotten
	}
	for range window {
		s.add(2*time.Second, time.Second/2)
	}
	s.fill(e)
	assert.Equal(t, &Step{Step: 5, Steps: 9, TokensPerSecond: 50, PeakShare: 0.3, WaitShare: 0.25, Remaining: 8 * time.Second}, e)
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 5 << 20: "5 MiB", 3 << 29: "1.5 GiB", 40 << 30: "40 GiB"} {
		assert.Equal(t, want, Bytes(n))
	}
}

type rows struct {
	datasets.Dataset
	n int64
}

func (r rows) Len() int64 { return r.n }

// Every row is read once, and those of a grain are far apart.
func TestStrided(t *testing.T) {
	s := strided{rows{n: 11}, 3}
	var got []int64
	for i := range s.Len() {
		got = append(got, s.at(i))
	}
	assert.Equal(t, []int64{0, 3, 6, 1, 4, 7, 2, 5, 8, 9, 10}, got)
}

func TestSpread(t *testing.T) {
	for n, want := range map[int64][]int64{1: {0}, 3: {0, 3, 6}, 4: {0, 2, 5, 7}, 10: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		s := spread{rows{n: 10}, n}
		var got []int64
		for i := range s.Len() {
			got = append(got, s.at(i))
		}
		assert.Equal(t, want, got)
	}
}
