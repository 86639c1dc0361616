package classification

import (
	"encoding/binary"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
)

// stream keeps the draws apart from others.
const stream uint32 = 0x6d697800 // "mix"

// mix puts a part of the image n-1-r into image r of the n of a grain, and as
// large a part of its targets, in pairs at the same time. The part is one for
// all, as in the papers.
func (b *binding) mix(pixels []byte, targets []float32, at plugin.Position) {
	n, height, width := b.shape.Shape[0], b.shape.Shape[2], b.shape.Shape[3]
	draws := batch.NewDraws(at, stream, 1, 0)
	cut := b.cutmix > 0 && (b.mixup == 0 || draws.Chance(0.5))
	var keep float64 // the part of the image's own
	// Of an image's plane: what is replaced.
	var top, bottom, left, right int
	if cut {
		keep = beta(b.cutmix, draws)
		side := math.Sqrt(1 - keep)
		y, x := draws.Below(height), draws.Below(width)
		half := func(size int) int { return int(side * float64(size) / 2) }
		top, bottom = max(0, y-half(height)), min(height, y+half(height))
		left, right = max(0, x-half(width)), min(width, x+half(width))
		keep = 1 - float64((bottom-top)*(right-left))/float64(height*width)
	} else {
		keep = beta(b.mixup, draws)
	}
	own, other := float32(keep), float32(1-keep)
	blend := func(x, y float32) (float32, float32) {
		return float32(x*own) + float32(y*other), float32(y*own) + float32(x*other)
	}
	get := func(p []byte, i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:])) }
	put := func(p []byte, i int, v float32) { binary.LittleEndian.PutUint32(p[4*i:], math.Float32bits(v)) }
	image := len(pixels) / n
	for r := range n / 2 {
		p, q := pixels[r*image:][:image], pixels[(n-1-r)*image:][:image]
		for i := range image / 4 {
			x, y := get(p, i), get(q, i)
			if !cut {
				x, y = blend(x, y)
			} else if row, column := i/width%height, i%width; row >= top && row < bottom && column >= left && column < right {
				x, y = y, x
			}
			put(p, i, x)
			put(q, i, y)
		}
		t, u := targets[r*b.classes:][:b.classes], targets[(n-1-r)*b.classes:][:b.classes]
		for i := range t {
			t[i], u[i] = blend(t[i], u[i])
		}
	}
}

// beta draws from Beta(alpha, alpha) (Jöhnk 1964): u^(1/alpha) and v^(1/alpha)
// for uniform u and v whose sum is at most 1, the first divided by the sum.
func beta(alpha float64, draws *batch.Draws) float64 {
	for {
		x, y := power(draws, alpha), power(draws, alpha)
		if s := x + y; s > 0 && s <= 1 {
			return x / s
		}
	}
}

// power draws u^(1/alpha) for u uniform in (0, 1].
func power(draws *batch.Draws, alpha float64) float64 {
	u := float64(draws.Bits()>>8+1) * 0x1p-24
	return numerics.Exp64(numerics.Log64(u) / alpha)
}
