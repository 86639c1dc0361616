package tokens

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDocumentIsTheHash(t *testing.T) {
	// SHA-256 of "abc", FIPS 180-4's example.
	d := newDocument(sha256.Sum256([]byte("abc")), 3)
	assert.Equal(t, document{0xba7816bf8f01cfea, 0x414140de5dae2223, 3}, d)
}

func TestBelow(t *testing.T) {
	assert.Equal(t, uint64(1)<<63, below(0.5))
	assert.Equal(t, uint64(1)<<62, below(0.25))
	assert.Equal(t, uint64(0), below(0x1p-70))
	assert.Equal(t, uint64(math.MaxUint64-1<<11+1), below(math.Nextafter(1, 0)))
}

// many returns n documents of a size, as if of different texts.
func many(n, size int) []document {
	docs := make([]document, n)
	for i := range docs {
		docs[i] = newDocument(sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))), size)
	}
	return docs
}

func TestSplitAtIsTheFractionWhereThereIsEnough(t *testing.T) {
	docs := many(20000, 1000)
	for _, fraction := range []float64{0.01, 0.1, 0.5, 0.9} {
		at, err := splitAt(docs, fraction)
		require.NoError(t, err)
		assert.Equal(t, below(fraction), at)
		held := 0
		for _, d := range docs {
			if d.place < at {
				held++
			}
		}
		assert.InDelta(t, fraction, float64(held)/20000, 0.012)
	}
	at, err := splitAt(docs, 0)
	require.NoError(t, err)
	assert.Zero(t, at)
}

// TestSplitLaws holds for any documents: both splits have some, validation has what it needs and not more than one document
// beyond it, and the order of documents does not matter.
func TestSplitLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) document {
			return document{
				place: uint64(rapid.IntRange(0, 20).Draw(t, "place")) * 0x0C30C30C30C30C30, // few, so that some are equal
				size:  int32(rapid.IntRange(1, 200000).Draw(t, "size")),
			}
		}), 1, 12).Draw(t, "documents")
		fraction := rapid.Float64Range(1e-9, 0.999).Draw(t, "fraction")
		places := map[uint64]int64{}
		total := int64(0)
		for _, d := range docs {
			places[d.place] += int64(d.size)
			total += int64(d.size)
		}
		at, err := splitAt(docs, fraction)
		if len(places) == 1 {
			require.ErrorContains(t, err, "one document is too little")
			return
		}
		require.NoError(t, err)
		var held, last, lastPlace int64
		trainPlaces := 0
		for place, size := range places {
			if place >= at {
				trainPlaces++
				continue
			}
			held += size
			if int64(place>>1) >= lastPlace {
				lastPlace, last = int64(place>>1), size
			}
		}
		require.Positive(t, held)
		require.Positive(t, trainPlaces)
		least := min(minValidation, total/10)
		if trainPlaces > 1 {
			require.GreaterOrEqual(t, held, least)
		}
		if at > below(fraction) { // it moved, and no further than it had to
			require.Less(t, held-last, max(least, 1))
		}
		reversed := make([]document, len(docs))
		for i, d := range docs {
			reversed[len(docs)-1-i] = d
		}
		again, err := splitAt(reversed, fraction)
		require.NoError(t, err)
		require.Equal(t, at, again)
	})
}

func TestSampleUpTo(t *testing.T) {
	docs := many(1000, 100)
	at := below(0.1)
	train := 0
	for _, d := range docs {
		if d.place >= at {
			train++
		}
	}
	chosen := func(limit int64) (n int) {
		upTo := sampleUpTo(docs, at, limit)
		for _, d := range docs {
			if d.place >= at && d.sample <= upTo {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 1, chosen(1))
	assert.Equal(t, 1, chosen(100))
	assert.Equal(t, 2, chosen(101))
	assert.Equal(t, 50, chosen(5000))
	assert.Equal(t, train, chosen(int64(train)*100))
	assert.Equal(t, train, chosen(math.MaxInt64))
}
