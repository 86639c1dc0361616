package main

import (
	"context"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

func init() {
	add(map[string]func(s site) kernel{
		"dot_general": dotGeneral, "convolution": convolution, "convolution_filter_grad": filterGrad,
		"reduce_window": reduceWindow, "select_and_scatter": selectAndScatter,
	})
}

// dot is the contraction of rule 5.
func dot(x, y []float32) float32 { return numerics.Dot(x, y) }

func dotGeneral(s site) kernel {
	l, r, d := s.in[0], s.in[1], ir.DotDimsOf(s.Attrs)
	lf, rf := d.LHSFree(l.Rank()), d.RHSFree(r.Rank())
	// The result's dimensions: those of the batch, free ones of lhs, of rhs. An
	// operand does not move along the other's.
	shape := s.out[0].Shape
	stay := func(n int) []int { return make([]int, n) }
	left := offsets(0, shape, slices.Concat(pick(l.Strides(), d.LHSBatch), pick(l.Strides(), lf), stay(len(rf))))
	right := offsets(0, shape, slices.Concat(pick(r.Strides(), d.RHSBatch), stay(len(lf)), pick(r.Strides(), rf)))
	k := pick(l.Shape, d.LHSContract)
	lk, rk := offsets(0, k, pick(l.Strides(), d.LHSContract)), offsets(0, k, pick(r.Strides(), d.RHSContract))
	e := floats(l.DType)
	return func(_ context.Context, in, out [][]word) error {
		x, y := e.loadAll(in[0]), e.loadAll(in[1])
		for i := range out[0] {
			var sum numerics.DotAcc
			for n, o := range lk {
				sum.Add(x[left[i]+o], y[right[i]+rk[n]])
			}
			out[0][i] = e.store(sum.Sum())
		}
		return nil
	}
}

// padding is the place of a tap that lies outside of an operand.
const padding = -1

// windows returns, for each of the places of a window and each of its taps, the
// offset of the element of an operand that they meet, or padding.
func windows(w ir.Window, shape, strides, places, taps []int) [][]int {
	rank := len(shape)
	var table [][]int
	for o := range offsets(0, places, make([]int, rank)) {
		at := index(places, o)
		row := make([]int, 0, len(table))
		for k := range offsets(0, taps, make([]int, rank)) {
			tap, to := index(taps, k), 0
			for d := range rank {
				i, ok := w.At(d, shape[d], at[d], tap[d])
				if !ok {
					to = padding
					break
				}
				to += i * strides[d]
			}
			row = append(row, to)
		}
		table = append(table, row)
	}
	return table
}

// index returns the index of element i of a shape.
func index(shape []int, i int) []int {
	l := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		l[d], i = i%shape[d], i/shape[d]
	}
	return l
}

// meeting is windows over the spatial dimensions of images [N, spatial..., C].
func meeting(s site, places, taps []int) [][]int {
	n := s.in[0].Rank() - 1
	return windows(ir.WindowOf(s.Attrs), s.in[0].Shape[1:n], s.in[0].Strides()[1:n], places, taps)
}

// convolution contracts, for each output, all taps of a kernel and channels of
// its group; padding is a zero, whatever it would be multiplied with.
func convolution(s site) kernel {
	spatial := s.in[0].Rank() - 2
	taps, ci, co := s.in[1].Shape[:spatial], s.in[1].Shape[spatial], s.in[1].Shape[spatial+1]
	table := meeting(s, s.out[0].Shape[1:spatial+1], taps)
	image := s.in[0].Strides()[0]
	group := co / s.Attrs.Int("feature_group_count")
	e := floats(s.in[0].DType)
	return func(_ context.Context, in, out [][]word) error {
		x, kernel := e.loadAll(in[0]), e.loadAll(in[1])
		for n := range out[0] {
			c, place := n%co, n/co
			first := place/len(table)*image + c/group*ci
			var sum numerics.DotAcc
			for tap, o := range table[place%len(table)] {
				for i := range ci {
					if o == padding {
						sum.Add(0, 0)
					} else {
						sum.Add(x[first+o+i], kernel[(tap*ci+i)*co+c])
					}
				}
			}
			out[0][n] = e.store(sum.Sum())
		}
		return nil
	}
}

// filterGrad contracts images and places.
func filterGrad(s site) kernel {
	spatial := s.in[0].Rank() - 2
	taps, ci, co := s.out[0].Shape[:spatial], s.out[0].Shape[spatial], s.out[0].Shape[spatial+1]
	table := meeting(s, s.in[1].Shape[1:spatial+1], taps)
	image, images := s.in[0].Strides()[0], s.in[0].Shape[0]
	group := co / s.Attrs.Int("feature_group_count")
	e := floats(s.in[0].DType)
	return func(_ context.Context, in, out [][]word) error {
		x, ct := e.loadAll(in[0]), e.loadAll(in[1])
		for n := range out[0] {
			c, i, tap := n%co, n/co%ci, n/co/ci
			var sum numerics.DotAcc
			for at := range images {
				for place, row := range table {
					if o := row[tap]; o == padding {
						sum.Add(0, 0)
					} else {
						sum.Add(x[at*image+o+c/group*ci+i], ct[(at*len(table)+place)*co+c])
					}
				}
			}
			out[0][n] = e.store(sum.Sum())
		}
		return nil
	}
}

func reduceWindow(s site) kernel {
	w := ir.WindowOf(s.Attrs)
	table := windows(w, s.in[0].Shape, s.in[0].Strides(), s.out[0].Shape, w.Size)
	f := folding(s.in[0].DType, s.Attrs.Str("kind"))
	return func(_ context.Context, in, out [][]word) error {
		var under []word
		for i, row := range table {
			under = under[:0]
			for _, o := range row {
				if o != padding {
					under = append(under, in[0][o])
				}
			}
			out[0][i] = f(under)
		}
		return nil
	}
}

// selectAndScatter adds each source to the extreme of its window, in f32.
func selectAndScatter(s site) kernel {
	w, d := ir.WindowOf(s.Attrs), s.in[0].DType
	table := windows(w, s.in[0].Shape, s.in[0].Strides(), s.in[1].Shape, w.Size)
	e, better := floats(d), better(d, s.Attrs.Str("kind") == "max")
	return func(_ context.Context, in, out [][]word) error {
		sums := make([]float32, len(out[0]))
		for i, row := range table {
			best := padding
			for _, o := range row {
				if o != padding && (best == padding || better(in[0][o], in[0][best])) {
					best = o
				}
			}
			if best != padding {
				sums[best] += e.load(in[1][i])
			}
		}
		e.storeAll(out[0], sums)
		return nil
	}
}
