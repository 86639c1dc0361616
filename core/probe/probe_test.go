package probe_test

import (
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/core/probe"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clouds are examples of three classes around different points: noise of
// deviation 1 in eight features, of which two tell the class, at very
// different scales.
func clouds(n int, apart float32, step uint32) *probe.Set {
	s := &probe.Set{Width: 8, X: make([]float32, 8*n), Labels: make([]int32, n)}
	numerics.Stream{Seed: 3, Step: step}.FillNormal(s.X, 0)
	for i := range n {
		s.Labels[i] = int32(i % 3)
		x := s.X[8*i:][:8]
		x[i%3%2] += apart
		if i%3 == 2 {
			x[1] += apart
		}
		x[0] = 1000*x[0] + 5000
		x[7] = 1 // tells nothing
	}
	return s
}

func TestAccuracy(t *testing.T) {
	got, err := probe.Accuracy(clouds(600, 8, 0), clouds(300, 8, 1))
	require.NoError(t, err)
	assert.Equal(t, 1.0, got)
	got, err = probe.Accuracy(clouds(600, 0, 0), clouds(3000, 0, 1))
	require.NoError(t, err)
	assert.InDelta(t, 1.0/3, got, 0.05, "there is nothing to learn")
	_, err = probe.Accuracy(&probe.Set{Width: 2, X: make([]float32, 3), Labels: []int32{0}}, clouds(3, 1, 1))
	assert.ErrorContains(t, err, "3 values and 1 labels are not of examples of 2 features")
	_, err = probe.Accuracy(clouds(3, 1, 1), &probe.Set{Width: 2, X: make([]float32, 2), Labels: []int32{0}})
	assert.ErrorContains(t, err, "8 features to learn from and 2 to test")
	_, err = probe.Accuracy(clouds(3, 1, 1), &probe.Set{Width: 1, X: make([]float32, 1), Labels: []int32{-1}})
	assert.ErrorContains(t, err, "example 0 has label -1")
}

func TestRecall(t *testing.T) {
	queries := []float32{1, 0, 0, 1, -1, 0, 0, -1}
	got, err := probe.Recall(queries, queries, 2, 1, 4)
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 1}, got)
	got, err = probe.Recall(queries, []float32{1, 0, 0, 1, 0, -1, -1, 0}, 2, 1, 2, 4)
	require.NoError(t, err)
	assert.Equal(t, []float64{0.5, 0.5, 1}, got, "the last two are each other's; two more are as near as their own")
	alike := []float32{1, 1, 1, 1, 1, 1}
	got, err = probe.Recall(alike, alike, 2, 1, 2, 3)
	require.NoError(t, err)
	assert.Equal(t, []float64{0, 0, 1}, got)
	_, err = probe.Recall(alike, alike[:4], 2, 1)
	assert.ErrorContains(t, err, "6 and 4 values")
}

func TestNearest(t *testing.T) {
	texts := []float32{3, 0, 0, 2, -1, -1}
	vectors := []float32{2, 1, 1, 2, -1, -3}
	got, err := probe.Nearest(vectors, texts, []int32{0, 1, 2}, 2, 1)
	require.NoError(t, err)
	assert.Equal(t, 1.0, got, "lengths of texts do not count")
	got, err = probe.Nearest(vectors, []float32{3, 0, 3, 0, 0, -1, -1, 0}, []int32{0, 0, 1}, 2, 2)
	require.NoError(t, err)
	assert.Equal(t, 1.0, got, "the mean of two texts is a third direction")
	got, err = probe.Nearest(vectors, []float32{1, 0, 1, 0}, []int32{0, 1, 1}, 2, 1)
	require.NoError(t, err)
	assert.Equal(t, 1.0/3, got, "of classes that are alike the first")
	_, err = probe.Nearest(vectors, texts, []int32{0, 1, 3}, 2, 1)
	assert.ErrorContains(t, err, "vector 2 has label 3 of 3 classes")
	_, err = probe.Nearest(vectors, texts, []int32{0, 1}, 2, 1)
	assert.ErrorContains(t, err, "6 and 6 values")
}
