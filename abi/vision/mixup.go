package vision

import (
	"encoding/binary"
	"math"
)

// Mixup mixes each image of a batch with its partner: lambda*x + (1-lambda)*y, each operation rounded to float32 (Zhang et al. 2017,
// "mixup: Beyond empirical risk minimization"). images holds little-endian f32[N, ...] and partner a permutation of 0 to N-1. Labels
// that are distributions are mixed by the same call with theirs.
func Mixup(images []byte, partner []int, lambda float32) {
	n := len(partner)
	size := len(images) / n
	if len(images)%n != 0 || size%4 != 0 {
		panic("vision: images that do not divide into the batch")
	}
	src := append([]byte(nil), images...)
	rest := 1 - lambda
	for i, j := range partner {
		a, b := images[i*size:][:size], src[j*size:][:size]
		for k := 0; k < size; k += 4 {
			x := float32(math.Float32frombits(binary.LittleEndian.Uint32(a[k:])) * lambda)
			y := float32(math.Float32frombits(binary.LittleEndian.Uint32(b[k:])) * rest)
			binary.LittleEndian.PutUint32(a[k:], math.Float32bits(x+y))
		}
	}
}

// Rect is a rectangle of pixels, the right and lower ends excluded.
type Rect struct{ Left, Top, Right, Bottom int }

// CutMixRect draws the rectangle that cutmix pastes: its middle is uniform, its sides are sqrt(1-lambda) of the image's, cut at the
// border. It also returns lambda as it is after cutting: the part of the image that stays (Yun et al. 2019, "CutMix").
func CutMixRect(d *Draws, width, height int, lambda float64) (Rect, float32) {
	side := math.Sqrt(max(0, 1-lambda))
	x, y := d.Below(width), d.Below(height)
	halfWidth, halfHeight := int(float64(side*float64(width)))/2, int(float64(side*float64(height)))/2
	r := Rect{max(0, x-halfWidth), max(0, y-halfHeight), min(width, x+halfWidth), min(height, y+halfHeight)}
	return r, 1 - float32((r.Right-r.Left)*(r.Bottom-r.Top))/float32(width*height)
}

// CutMix pastes a rectangle of each image's partner into the image. images holds f32[N, height, width, channels].
func CutMix(images []byte, partner []int, width, height, channels int, r Rect) {
	size := 4 * width * height * channels
	if len(images) != size*len(partner) {
		panic("vision: images that are not the batch")
	}
	src := append([]byte(nil), images...)
	for i, j := range partner {
		for y := r.Top; y < r.Bottom; y++ {
			from, to := 4*(y*width+r.Left)*channels, 4*(y*width+r.Right)*channels
			copy(images[i*size+from:i*size+to], src[j*size+from:j*size+to])
		}
	}
}

// Partners is a random permutation of a batch of n.
func (d *Draws) Partners(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := d.Below(i + 1)
		p[i] = p[j]
		p[j] = i
	}
	return p
}
