package vision

import (
	"errors"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// luma is ITU-R 601-2 in units of 2^-16, as Pillow has it.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

// mix is a + factor*(b-a) in float32, cut to [0, 255] and rounded down, as Pillow's Image.blend.
func mix(a, b uint8, factor float32) uint8 {
	x := float32(a) + float32(factor*float32(int(b)-int(a)))
	switch {
	case x <= 0:
		return 0
	case x >= 255:
		return 255
	}
	return uint8(x)
}

// table sends each byte of the image through a table.
func (w *Work) table(t *[256]uint8) {
	for i, p := range w.Pix {
		w.Pix[i] = t[p]
	}
}

// Brightness scales all values.
func (w *Work) Brightness(factor float32) { w.mixWith(0, factor) }

// Contrast scales the distance of all values from the mean of the grey image, rounded to nearest.
func (w *Work) Contrast(factor float32) {
	sum := 0
	if w.Channels == 1 {
		for _, p := range w.Pix {
			sum += int(p)
		}
	} else {
		for i := 0; i < len(w.Pix); i += 3 {
			sum += int(luma(w.Pix[i], w.Pix[i+1], w.Pix[i+2]))
		}
	}
	n := w.Width * w.Height
	w.mixWith(uint8((2*sum+n)/(2*n)), factor)
}

func (w *Work) mixWith(base uint8, factor float32) {
	var t [256]uint8
	for p := range t {
		t[p] = mix(base, uint8(p), factor)
	}
	w.table(&t)
}

// Saturation scales the distance of all values from the grey image. It leaves grey images alone.
func (w *Work) Saturation(factor float32) {
	if w.Channels == 1 {
		return
	}
	for i := 0; i < len(w.Pix); i += 3 {
		p := w.Pix[i : i+3]
		grey := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = mix(grey, p[0], factor), mix(grey, p[1], factor), mix(grey, p[2], factor)
	}
}

// Grayscale makes all channels the luma 0.299 R + 0.587 G + 0.114 B.
func (w *Work) Grayscale() {
	if w.Channels == 1 {
		return
	}
	for i := 0; i < len(w.Pix); i += 3 {
		p := w.Pix[i : i+3]
		grey := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = grey, grey, grey
	}
}

// Hue turns the hue by shift/256 of the circle, through 8-bit HSV as Pillow has it. It leaves grey images alone.
func (w *Work) Hue(shift uint8) {
	if w.Channels == 1 || shift == 0 {
		return
	}
	for i := 0; i < len(w.Pix); i += 3 {
		p := w.Pix[i : i+3]
		h, s, v := toHSV(p[0], p[1], p[2])
		p[0], p[1], p[2] = fromHSV(h+shift, s, v)
	}
}

func toHSV(r, g, b uint8) (h, s, v uint8) {
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0, high
	}
	span := float32(high - low)
	saturation := span / float32(high)
	rc, gc, bc := float32(high-r)/span, float32(high-g)/span, float32(high-b)/span
	var hue float32
	switch high {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2 + float64(rc) - float64(bc))
	default:
		hue = float32(4 + float64(gc) - float64(rc))
	}
	turn := float64(hue)/6 + 1
	turn -= math.Floor(turn)
	hue = float32(turn)
	return uint8(float64(hue) * 255), uint8(float64(saturation) * 255), high
}

func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	sextant := float32(math.Floor(float64(h) * 6 / 255))
	f := float32(float64(h)*6/255 - float64(sextant))
	fs := float32(float64(s) / 255)
	value := float64(v)
	round := func(x float64) uint8 { return uint8(math.Floor(x + 0.5)) }
	p := round(float64(value * (1 - float64(fs))))
	q := round(float64(value * (1 - float64(fs*f))))
	t := round(float64(value * (1 - float64(float64(fs)*(1-float64(f))))))
	switch int(sextant) % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}

// ColorJitter changes brightness, contrast and saturation by factors from [max(0, 1-x), 1+x] and the hue by a part of the circle from
// [-Hue, Hue], in random order, as torchvision.
type ColorJitter struct {
	Brightness, Contrast, Saturation float64 // at least 0
	Hue                              float64 // in [0, 1/2]
}

// Check checks the ranges.
func (c ColorJitter) Check() error {
	for _, x := range []float64{c.Brightness, c.Contrast, c.Saturation} {
		if !(x >= 0 && x <= 100) {
			return fmt.Errorf("brightness, contrast or saturation %v is outside [0, 100]", x)
		}
	}
	if !(c.Hue >= 0 && c.Hue <= 0.5) {
		return fmt.Errorf("hue %v is outside [0, 0.5]", c.Hue)
	}
	return nil
}

// Apply changes the colours.
func (c ColorJitter) Apply(w *Work, d *Draws) {
	order := [4]int{0, 1, 2, 3}
	for i := 3; i > 0; i-- {
		j := d.Below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	factor := func(x float64) float32 { return float32(d.Between(max(0, 1-x), 1+x)) }
	brightness, contrast, saturation := factor(c.Brightness), factor(c.Contrast), factor(c.Saturation)
	hue := d.Between(-c.Hue, c.Hue)
	for _, what := range order {
		switch {
		case what == 0 && c.Brightness > 0:
			w.Brightness(brightness)
		case what == 1 && c.Contrast > 0:
			w.Contrast(contrast)
		case what == 2 && c.Saturation > 0:
			w.Saturation(saturation)
		case what == 3 && c.Hue > 0:
			w.Hue(uint8(int(float64(hue * 255))))
		}
	}
}

// RandomGrayscale takes the colours away with probability P.
type RandomGrayscale struct{ P float64 }

// Check checks the probability.
func (g RandomGrayscale) Check() error { return checkChance(g.P) }

// Apply makes the image grey or not.
func (g RandomGrayscale) Apply(w *Work, d *Draws) {
	if d.Chance(g.P) {
		w.Grayscale()
	}
}

// GaussianBlur blurs with a standard deviation, in pixels, uniform in Sigma. Kernel, odd, is the number of pixels of a side; 0 is the
// least odd number that is at least 6 sigma + 1.
type GaussianBlur struct {
	Sigma  [2]float64
	Kernel int
}

const maxSigma = 100

// Check checks kernel and sigma.
func (g GaussianBlur) Check() error {
	if !(g.Sigma[0] > 0 && g.Sigma[0] <= g.Sigma[1] && g.Sigma[1] <= maxSigma) {
		return fmt.Errorf("sigma %v is not in (0, %d] and ascending", g.Sigma, maxSigma)
	}
	if g.Kernel != 0 && (g.Kernel < 1 || g.Kernel%2 == 0 || g.Kernel > 6*maxSigma+1) {
		return errors.New("kernel is not odd, or outside [1, 601]")
	}
	return nil
}

// Apply blurs.
func (g GaussianBlur) Apply(w *Work, d *Draws) {
	w.Blur(d.Between(g.Sigma[0], g.Sigma[1]), g.Kernel)
}

// Blur convolves lines and then columns with exp(-x^2 / 2 sigma^2) at kernel pixels, whose weights are whole units of 2^-16 that sum to 1.
// The border is reflected, its own pixel not repeated. Between lines and columns values keep 7 bits of fraction.
func (w *Work) Blur(sigma float64, kernel int) {
	if kernel == 0 {
		kernel = int(math.Ceil(float64(3*sigma)))*2 + 1
	}
	r := kernel / 2
	weights := make([]int32, r+1)
	real := make([]float64, r+1)
	sum := 0.0
	for i := range real {
		x := float64(i) / sigma
		real[i] = numerics.Exp64(float64(-0.5 * float64(x*x)))
		sum += real[i]
		if i > 0 {
			sum += real[i]
		}
	}
	rest := int32(1 << 16)
	for i := r; i > 0; i-- {
		weights[i] = int32(math.RoundToEven(float64(real[i] / sum * (1 << 16))))
		rest -= 2 * weights[i]
	}
	weights[0] = rest

	c, stride := w.Channels, w.Width*w.Channels
	w.ints = grow(w.ints, len(w.Pix)+stride)
	between, sums := w.ints[:len(w.Pix)], w.ints[len(w.Pix):]
	for y := range w.Height {
		src, dst := w.Pix[y*stride:][:stride], between[y*stride:][:stride]
		for i, p := range src {
			dst[i] = int32(p) * weights[0]
		}
		for k := 1; k <= r; k++ {
			weight := weights[k]
			inner := min(max(w.Width-k, 0), w.Width)
			for i := k * c; i < inner*c; i++ {
				dst[i] += (int32(src[i-k*c]) + int32(src[i+k*c])) * weight
			}
			for x := 0; x < w.Width; x++ {
				if x >= k && x < inner { // done above
					x = inner - 1
					continue
				}
				a, b := reflect(x-k, w.Width)*c, reflect(x+k, w.Width)*c
				for j := range c {
					dst[x*c+j] += (int32(src[a+j]) + int32(src[b+j])) * weight
				}
			}
		}
		for i, s := range dst {
			dst[i] = (s + 1<<8) >> 9
		}
	}
	for y := range w.Height {
		for i, p := range between[y*stride:][:stride] {
			sums[i] = p * weights[0]
		}
		for k := 1; k <= r; k++ {
			above, below := between[reflect(y-k, w.Height)*stride:][:stride], between[reflect(y+k, w.Height)*stride:][:stride]
			for i := range sums {
				sums[i] += (above[i] + below[i]) * weights[k]
			}
		}
		for i, s := range sums {
			w.Pix[y*stride+i] = uint8(min((int64(s)+1<<22)>>23, 255))
		}
	}
}

// reflect returns the pixel of a line of n that stands for position i.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}
