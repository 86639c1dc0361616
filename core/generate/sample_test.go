package generate

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestChooseGreedily(t *testing.T) {
	for name, c := range map[string]struct {
		logits []float32
		want   int32
	}{
		"largest":       {[]float32{1, 3, 2}, 1},
		"lowest of two": {[]float32{1, 3, 3, 3}, 1},
		"only one":      {[]float32{-7}, 0},
		"minus Inf":     {[]float32{float32(math.Inf(-1)), -1e38}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range []Sampling{{}, {Temperature: 1, TopK: 1}, {Temperature: 1e-320}, {Temperature: 1, TopP: 1e-9}} {
				id, err := s.choose(c.logits, 0.75)
				require.NoError(t, err)
				if s.Temperature == 1e-320 && name == "lowest of two" {
					assert.Contains(t, []int32{1, 2, 3}, id) // equals stay equally likely
					continue
				}
				assert.Equal(t, c.want, id, s)
			}
		})
	}
}

// Shares 4/7, 2/7, 1/7 up to the rounding of exp: the borders of what a number
// picks are where they should be.
func TestChooseByShare(t *testing.T) {
	ln2 := float32(0.6931472)
	logits := []float32{ln2, 0, 2 * ln2} // ids by share: 2, 0, 1
	for uniform, want := range map[float32]int32{0: 2, 0.57: 2, 0.572: 0, 0.857: 0, 0.8572: 1, 1 - 0x1p-24: 1} {
		id, err := Sampling{Temperature: 1}.choose(logits, uniform)
		require.NoError(t, err)
		assert.Equal(t, want, id, uniform)
	}
	// At half the temperature shares are 16/21, 4/21, 1/21.
	for uniform, want := range map[float32]int32{0.761: 2, 0.762: 0, 0.952: 0, 0.953: 1} {
		id, err := Sampling{Temperature: 0.5}.choose(logits, uniform)
		require.NoError(t, err)
		assert.Equal(t, want, id, uniform)
	}
	// The likeliest two have 6/7.
	for uniform, want := range map[float32]int32{0.66: 2, 0.67: 0, 1 - 0x1p-24: 0} {
		for _, s := range []Sampling{{Temperature: 1, TopK: 2}, {Temperature: 1, TopP: 0.8}, {Temperature: 1, TopP: 0.58}} {
			id, err := s.choose(logits, uniform)
			require.NoError(t, err)
			assert.Equal(t, want, id, "%v %v", s, uniform)
		}
	}
}

// A part that tokens have exactly is enough.
func TestTopPOfEquals(t *testing.T) {
	for p, want := range map[float64]int{0.25: 1, 0.26: 2, 0.5: 2, 0.75: 3, 0.76: 4} {
		assert.Len(t, Sampling{Temperature: 1, TopP: p}.shares(make([]float32, 4), 0), want, p)
	}
}

func TestChooseRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, logits := range map[string][]float32{
		"there are no logits":          nil,
		"the logit of token 1 is NaN":  {0, nan},
		"the logit of token 0 is +Inf": {inf, 0},
		"all logits are -Inf":          {-inf, -inf},
	} {
		_, err := Sampling{Temperature: 1}.choose(logits, 0)
		assert.EqualError(t, err, want)
	}
	for want, s := range map[string]Sampling{
		"temperature -1 is not between 0 and 1e6":  {Temperature: -1},
		"temperature NaN is not between 0 and 1e6": {Temperature: math.NaN()},
		"top-k -1 is negative":                     {TopK: -1},
		"top-p 1.5 is not between 0 and 1":         {TopP: 1.5},
	} {
		assert.EqualError(t, s.Check(), want)
	}
	assert.NoError(t, Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95}.Check())
}

// What top-k and top-p leave is a prefix of all tokens by share, of the size
// that they ask for, and what is chosen is in it.
func TestSharesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few different values, so that there are ties.
		logits := rapid.SliceOfN(rapid.Map(rapid.IntRange(-40, 40), func(i int) float32 { return float32(i) / 4 }), 1, 40).Draw(t, "logits")
		s := Sampling{
			Temperature: rapid.Float64Range(0.1, 5).Draw(t, "temperature"),
			TopK:        rapid.IntRange(0, len(logits)+2).Draw(t, "k"),
			TopP:        rapid.Float64Range(0, 1).Draw(t, "p"),
		}
		largest := slices.Max(logits)
		all := Sampling{Temperature: s.Temperature}.shares(logits, largest)
		require.Len(t, all, len(logits))
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			require.True(t, a.logit > b.logit || a.logit == b.logit && a.id < b.id, "order")
			require.GreaterOrEqual(t, a.weight, b.weight)
		}
		require.Equal(t, 1.0, all[0].weight)
		topK := Sampling{Temperature: s.Temperature, TopK: s.TopK}.shares(logits, largest)
		want := len(all)
		if s.TopK > 0 {
			want = min(want, s.TopK)
		}
		require.Equal(t, all[:want], topK)

		kept := s.shares(logits, largest)
		require.Equal(t, topK[:len(kept)], kept)
		require.NotEmpty(t, kept)
		sum := func(l []weighted) (w float64) {
			for _, x := range l {
				w += x.weight
			}
			return w
		}
		if s.TopP > 0 && s.TopP < 1 {
			require.GreaterOrEqual(t, sum(kept), s.TopP*sum(topK))
			if len(kept) > 1 {
				require.Less(t, sum(kept[:len(kept)-1]), s.TopP*sum(topK))
			}
		}
		uniform := float32(rapid.Uint32Range(0, 1<<24-1).Draw(t, "bits")) * 0x1p-24
		id, err := s.choose(logits, uniform)
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(kept, func(x weighted) bool { return x.id == id }))
	})
}

// The window never exceeds the context, never shrinks below half of it, only
// moves forward, and stays in place for half a context.
func TestWindowStart(t *testing.T) {
	for _, context := range []int{1, 2, 3, 7, 16} {
		before, moved := 0, 0
		for n := 1; n < 6*context; n++ {
			s := windowStart(n, context)
			assert.LessOrEqual(t, n-s, context)
			if n <= context {
				assert.Zero(t, s)
			} else {
				assert.GreaterOrEqual(t, n-s, context/2, "%d of %d", n, context)
			}
			if s != before {
				assert.Equal(t, (context+1)/2, s-before)
				if moved > 0 {
					assert.Equal(t, (context+1)/2, n-moved)
				}
				before, moved = s, n
			}
		}
	}
}

// Ids come by logit, and by number among equals, whatever the bits.
func TestLikeliestFirst(t *testing.T) {
	negative := float32(math.Copysign(0, -1))
	assert.Equal(t, []int32{4, 1, 5, 2, 3, 6, 0, 7}, likeliestFirst([]float32{-2, 3, 0, negative, 1e38, 1e-45, -1e-45, float32(math.Inf(-1))}))
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOf(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{0, negative, 1, -1}))).Draw(t, "logits")
		want := make([]int32, len(logits))
		for i := range want {
			want[i] = int32(i)
		}
		slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
		require.Equal(t, want, likeliestFirst(logits))
	})
}
