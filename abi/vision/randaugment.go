package vision

import (
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// RandAugment applies N transforms chosen at random from fourteen, each with strength Magnitude of 30 (Cubuk et al. 2019,
// "RandAugment"), with torchvision's ranges. Geometric ones take the nearest pixel and leave black what comes from outside.
type RandAugment struct{ N, Magnitude int }

// Check checks both numbers.
func (r RandAugment) Check() error {
	if r.N < 0 || r.N > 100 || r.Magnitude < 0 || r.Magnitude > 30 {
		return fmt.Errorf("n %d is outside [0, 100] or magnitude %d outside [0, 30]", r.N, r.Magnitude)
	}
	return nil
}

// Apply applies the transforms.
func (r RandAugment) Apply(w *Work, d *Draws) {
	for range r.N {
		op, negative := d.Below(14), d.Bits()&1 == 1
		part := float64(r.Magnitude) / 30
		signed := part
		if negative {
			signed = -part
		}
		factor := float32(1 + float64(0.9*signed))
		switch op {
		case 0: // identity
		case 1:
			w.Affine([6]float64{1, float64(0.3 * signed), 0, 0, 1, 0})
		case 2:
			w.Affine([6]float64{1, 0, 0, float64(0.3 * signed), 1, 0})
		case 3:
			w.Affine([6]float64{1, 0, shift(w.Width, signed), 0, 1, 0})
		case 4:
			w.Affine([6]float64{1, 0, 0, 0, 1, shift(w.Height, signed)})
		case 5:
			w.Rotate(float64(30 * signed))
		case 6:
			w.Brightness(factor)
		case 7:
			w.Saturation(factor)
		case 8:
			w.Contrast(factor)
		case 9:
			w.Sharpness(factor)
		case 10:
			w.Posterize(8 - int(math.RoundToEven(float64(4*part))))
		case 11:
			w.Solarize(255 - int(float64(255*part)))
		case 12:
			w.AutoContrast()
		case 13:
			w.Equalize()
		}
	}
}

// shift is a translation by whole pixels: up to 150/331 of a side.
func shift(side int, signed float64) float64 {
	return math.Trunc(float64(float64(150.0/331*float64(side)) * signed))
}

// Affine gives pixel (x, y) the value at (m0 x + m1 y + m2, m3 x + m4 y + m5), pixel centres at halves, the nearest pixel, black outside.
// Coordinates count in units of 2^-16, as in Pillow.
func (w *Work) Affine(m [6]float64) {
	var a [6]int64
	for i, v := range m {
		a[i] = int64(math.Floor(float64(v*65536) + 0.5))
	}
	a[2] = int64(math.Floor(float64((m[2]+float64(m[0]*0.5)+float64(m[1]*0.5))*65536) + 0.5))
	a[5] = int64(math.Floor(float64((m[5]+float64(m[3]*0.5)+float64(m[4]*0.5))*65536) + 0.5))
	next := w.next(w.Width, w.Height)
	c := w.Channels
	for y := range w.Height {
		fx, fy := a[2]+int64(y)*a[1], a[5]+int64(y)*a[4]
		row := next.Pix[y*w.Width*c:][:w.Width*c]
		for x := 0; x < len(row); x += c {
			px, py := fx>>16, fy>>16
			if px >= 0 && px < int64(w.Width) && py >= 0 && py < int64(w.Height) {
				copy(row[x:x+c], w.Pix[(int(py)*w.Width+int(px))*c:])
			} else {
				clear(row[x : x+c])
			}
			fx += a[0]
			fy += a[3]
		}
	}
	w.swap(next)
}

// Rotate turns the image counter-clockwise about its middle, by degrees.
func (w *Work) Rotate(degrees float64) {
	turn := degrees / 180
	sin, cos := numerics.SinPi64(turn), numerics.CosPi64(turn)
	x, y := float64(float64(w.Width)/2), float64(float64(w.Height)/2)
	w.Affine([6]float64{
		cos, -sin, x - float64(cos*x) + float64(sin*y),
		sin, cos, y - float64(sin*x) - float64(cos*y),
	})
}

// Sharpness scales the distance of all values from a smoothed image (each pixel weighs 5, its 8 neighbours 1), whose border is the
// image's own.
func (w *Work) Sharpness(factor float32) {
	next := w.next(w.Width, w.Height)
	copy(next.Pix, w.Pix)
	c, stride := w.Channels, w.Width*w.Channels
	for y := 1; y < w.Height-1; y++ {
		for i := y*stride + c; i < (y+1)*stride-c; i++ {
			sum := 4 * int(w.Pix[i])
			for _, row := range [3]int{i - stride, i, i + stride} {
				sum += int(w.Pix[row-c]) + int(w.Pix[row]) + int(w.Pix[row+c])
			}
			next.Pix[i] = mix(uint8((2*sum+13)/26), w.Pix[i], factor)
		}
	}
	// At the border smoothed and image are the same.
	w.swap(next)
}

// Posterize keeps the upper bits of each value.
func (w *Work) Posterize(bits int) {
	var t [256]uint8
	for p := range t {
		t[p] = uint8(p) &^ uint8(0xFF>>bits)
	}
	w.table(&t)
}

// Solarize inverts the values from a threshold on.
func (w *Work) Solarize(threshold int) {
	var t [256]uint8
	for p := range t {
		t[p] = uint8(p)
		if p >= threshold {
			t[p] = 255 - uint8(p)
		}
	}
	w.table(&t)
}

// perChannel sends each channel through a table made of its histogram.
func (w *Work) perChannel(table func(histogram *[256]int) [256]uint8) {
	for c := range w.Channels {
		var histogram [256]int
		for i := c; i < len(w.Pix); i += w.Channels {
			histogram[w.Pix[i]]++
		}
		t := table(&histogram)
		for i := c; i < len(w.Pix); i += w.Channels {
			w.Pix[i] = t[w.Pix[i]]
		}
	}
}

// AutoContrast spreads the values of each channel over 0 to 255.
func (w *Work) AutoContrast() {
	w.perChannel(func(h *[256]int) (t [256]uint8) {
		low, high := 0, 255
		for low < 255 && h[low] == 0 {
			low++
		}
		for high > 0 && h[high] == 0 {
			high--
		}
		scale, offset := 1.0, 0.0
		if high > low {
			scale = 255 / float64(high-low)
			offset = float64(-float64(low) * scale)
		}
		for p := range t {
			t[p] = uint8(min(max(int(float64(float64(p)*scale)+offset), 0), 255))
		}
		return t
	})
}

// Equalize makes the values of each channel about equally frequent.
func (w *Work) Equalize() {
	w.perChannel(func(h *[256]int) (t [256]uint8) {
		total, last, distinct := 0, 0, 0
		for p, n := range h {
			if n > 0 {
				last = p
				distinct++
			}
			total += n
		}
		step := (total - h[last]) / 255
		if distinct <= 1 || step == 0 {
			for p := range t {
				t[p] = uint8(p)
			}
			return t
		}
		n := step / 2
		for p := range t {
			t[p] = uint8(min(n/step, 255))
			n += h[p]
		}
		return t
	})
}
