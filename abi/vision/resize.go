package vision

import "math"

// Filter is an interpolation.
type Filter int

// Filters. Both are antialiased: scaling down widens them, so that every pixel counts (antialias=True in PyTorch).
const (
	Bilinear Filter = iota // triangle of radius 1
	Bicubic                // Keys' cubic of radius 2 with a = -1/2
)

func (f Filter) support() float64 {
	if f == Bicubic {
		return 2
	}
	return 1
}

func (f Filter) at(x float64) float64 {
	x = math.Abs(x)
	if f == Bilinear {
		return max(0, 1-x)
	}
	const a = -0.5
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// coefficients say which pixels of a line go into each pixel of another, and how much, in units of 2^-22.
type coefficients struct {
	width int // of the kernel; k has width entries for each pixel
	from  []int32
	count []int32
	k     []int32
	real  []float64
}

// precision is the number of fraction bits: 8 for the pixel and 2 for the sum of a cubic remain of 32.
const precision = 32 - 8 - 2

// set computes the coefficients of a line of n pixels resized to m, as Pillow does (Resample.c), in float64.
func (c *coefficients) set(n, m int, f Filter) {
	scale := float64(n) / float64(m)
	wide := max(scale, 1)
	support := float64(f.support() * wide)
	c.width = int(math.Ceil(support))*2 + 1
	c.from, c.count, c.k, c.real = grow(c.from, m), grow(c.count, m), grow(c.k, m*c.width), grow(c.real, c.width)
	step := 1 / wide
	for i := range m {
		center := float64((float64(i) + 0.5) * scale)
		from := max(0, int(center-support+0.5))
		count := min(n, int(center+support+0.5)) - from
		sum := 0.0
		for j := range count {
			w := f.at(float64((float64(j+from) - center + 0.5) * step))
			c.real[j] = w
			sum += w
		}
		for j := range count {
			w := c.real[j]
			if sum != 0 {
				w /= sum
			}
			w = float64(w * (1 << precision))
			if w < 0 {
				c.k[i*c.width+j] = int32(w - 0.5)
			} else {
				c.k[i*c.width+j] = int32(w + 0.5)
			}
		}
		c.from[i], c.count[i] = int32(from), int32(count)
	}
}

func clip8(x int32) uint8 {
	x >>= precision
	if uint32(x) > 255 {
		if x < 0 {
			return 0
		}
		return 255
	}
	return uint8(x)
}

// Resize makes the image width x height pixels. The bits are Pillow's: each line, then each column, rounded to 8 bits between.
func (w *Work) Resize(width, height int, f Filter) {
	w.ResizedCrop(0, 0, w.Width, w.Height, width, height, f)
}

// ResizedCrop cuts out the rectangle with the given corner and size, which must lie in the image, and resizes it. Pixels outside
// the rectangle do not count.
func (w *Work) ResizedCrop(x, y, cropWidth, cropHeight, width, height int, f Filter) {
	if x < 0 || y < 0 || cropWidth < 1 || cropHeight < 1 || x+cropWidth > w.Width || y+cropHeight > w.Height || width < 1 || height < 1 {
		panic("vision: a crop outside the image, or of no size")
	}
	if cropWidth != width {
		w.coeffs.set(cropWidth, width, f)
		next := w.next(width, cropHeight)
		for row := range cropHeight {
			line := w.Pix[((y+row)*w.Width+x)*w.Channels:][:cropWidth*w.Channels]
			w.coeffs.line(next.Pix[row*width*w.Channels:][:width*w.Channels], line, w.Channels)
		}
		w.swap(next)
	} else if cropWidth != w.Width || cropHeight != w.Height {
		w.crop(x, y, cropWidth, cropHeight)
	}
	if cropHeight != height {
		w.coeffs.set(cropHeight, height, f)
		next := w.next(width, height)
		n := width * w.Channels
		w.ints = grow(w.ints, n)
		for row := range height {
			w.coeffs.rows(next.Pix[row*n:][:n], w.Pix, w.ints, row)
		}
		w.swap(next)
	}
}

// line resizes one line of interleaved channels.
func (c *coefficients) line(dst, src []uint8, channels int) {
	const half = 1 << (precision - 1)
	if channels == 1 {
		for i := range c.from {
			k := c.k[i*c.width:][:c.count[i]]
			p := src[c.from[i]:][:len(k)]
			sum := int32(half)
			for j, w := range k {
				sum += int32(p[j]) * w
			}
			dst[i] = clip8(sum)
		}
		return
	}
	for i := range c.from {
		k := c.k[i*c.width:][:c.count[i]]
		p := src[3*c.from[i]:][:3*len(k)]
		r, g, b := int32(half), int32(half), int32(half)
		for j, w := range k {
			q := p[3*j:][:3]
			r += int32(q[0]) * w
			g += int32(q[1]) * w
			b += int32(q[2]) * w
		}
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = clip8(r), clip8(g), clip8(b)
	}
}

// rows makes one line of whole lines.
func (c *coefficients) rows(dst, src []uint8, sums []int32, i int) {
	for j := range sums {
		sums[j] = 1 << (precision - 1)
	}
	for j, w := range c.k[i*c.width:][:c.count[i]] {
		line := src[(int(c.from[i])+j)*len(dst):][:len(sums)]
		for x, p := range line {
			sums[x] += int32(p) * w
		}
	}
	for x, s := range sums {
		dst[x] = clip8(s)
	}
}

// crop cuts out a rectangle.
func (w *Work) crop(x, y, width, height int) {
	next := w.next(width, height)
	n := width * w.Channels
	for row := range height {
		copy(next.Pix[row*n:][:n], w.Pix[((y+row)*w.Width+x)*w.Channels:])
	}
	w.swap(next)
}
