package vision

import (
	"errors"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Transform changes an image, by chance or not. A transform's zero fields are not defaults unless it says so.
type Transform interface {
	// Check says what is wrong with the transform's parameters.
	Check() error
	// Apply changes w and takes what is random from d.
	Apply(w *Work, d *Draws)
}

// Pipeline applies transforms in order. The draws that one takes do not depend on the image, so that a pipeline sees the same
// chance for every size, with the exception of RandomResizedCrop, which tries until a crop fits.
type Pipeline []Transform

// Check checks every transform.
func (p Pipeline) Check() error {
	for i, t := range p {
		if err := t.Check(); err != nil {
			return fmt.Errorf("transforms[%d]: %w", i, err)
		}
	}
	return nil
}

// Apply applies all of them.
func (p Pipeline) Apply(w *Work, d *Draws) {
	for _, t := range p {
		t.Apply(w, d)
	}
}

// MaxSide bounds the sizes that transforms make, in pixels.
const MaxSide = 1 << 14

func checkSide(n int) error {
	if n < 1 || n > MaxSide {
		return fmt.Errorf("size %d is outside [1, %d]", n, MaxSide)
	}
	return nil
}

func checkChance(p float64) error {
	if !(p >= 0 && p <= 1) {
		return fmt.Errorf("probability %v is outside [0, 1]", p)
	}
	return nil
}

// ResizeShorter makes the shorter side Size pixels and keeps the proportions: the longer one is Size*long/short, rounded down, as
// in torchvision. Longer sides than MaxSide are cut to it.
type ResizeShorter struct {
	Size   int
	Filter Filter
}

// Check checks the size.
func (r ResizeShorter) Check() error { return checkSide(r.Size) }

// Apply resizes.
func (r ResizeShorter) Apply(w *Work, _ *Draws) {
	if w.Width <= w.Height {
		w.Resize(r.Size, min(MaxSide, max(1, r.Size*w.Height/w.Width)), r.Filter)
	} else {
		w.Resize(min(MaxSide, max(1, r.Size*w.Width/w.Height)), r.Size, r.Filter)
	}
}

// ResizeTo makes the image Width x Height pixels.
type ResizeTo struct {
	Width, Height int
	Filter        Filter
}

// Check checks the sizes.
func (r ResizeTo) Check() error {
	if err := checkSide(r.Width); err != nil {
		return err
	}
	return checkSide(r.Height)
}

// Apply resizes.
func (r ResizeTo) Apply(w *Work, _ *Draws) { w.Resize(r.Width, r.Height, r.Filter) }

// CenterCrop cuts out the middle Size x Size pixels; what is missing at the sides is black. An odd remainder is rounded half to even, as in
// torchvision.
type CenterCrop struct{ Size int }

// Check checks the size.
func (c CenterCrop) Check() error { return checkSide(c.Size) }

// Apply crops.
func (c CenterCrop) Apply(w *Work, _ *Draws) {
	w.pad(max(0, c.Size-w.Width), max(0, c.Size-w.Height))
	at := func(n int) int { return int(math.RoundToEven(float64(n-c.Size) / 2)) }
	if w.Width != c.Size || w.Height != c.Size {
		w.crop(at(w.Width), at(w.Height), c.Size, c.Size)
	}
}

// pad adds black pixels, half of them before the image.
func (w *Work) pad(columns, rows int) {
	if columns == 0 && rows == 0 {
		return
	}
	next := w.next(w.Width+columns, w.Height+rows)
	clear(next.Pix)
	for y := range w.Height {
		copy(next.Pix[((y+rows/2)*next.Width+columns/2)*w.Channels:], w.Pix[y*w.Width*w.Channels:][:w.Width*w.Channels])
	}
	w.swap(next)
}

// RandomCrop pads all sides with Padding black pixels and cuts out Size x Size pixels anywhere.
type RandomCrop struct{ Size, Padding int }

// Check checks the size and the padding.
func (r RandomCrop) Check() error {
	if r.Padding < 0 || r.Padding > MaxSide {
		return fmt.Errorf("padding %d is outside [0, %d]", r.Padding, MaxSide)
	}
	return checkSide(r.Size)
}

// Apply crops.
func (r RandomCrop) Apply(w *Work, d *Draws) {
	w.pad(max(2*r.Padding, r.Size-w.Width), max(2*r.Padding, r.Size-w.Height))
	x, y := d.Below(w.Width-r.Size+1), d.Below(w.Height-r.Size+1)
	w.crop(x, y, r.Size, r.Size)
}

// RandomResizedCrop cuts out a random rectangle and makes it Size x Size pixels (Szegedy et al. 2014, "Going deeper with
// convolutions"): its area is uniform in Scale times the image's, the logarithm of its width over its height is uniform in that of
// Ratio. Ten are tried; if none fits, the largest one of an allowed ratio in the middle is taken. Zero values are torchvision's
// defaults.
type RandomResizedCrop struct {
	Size   int
	Scale  [2]float64 // default 0.08 to 1
	Ratio  [2]float64 // default 3/4 to 4/3
	Filter Filter
}

func (r RandomResizedCrop) withDefaults() RandomResizedCrop {
	if r.Scale == [2]float64{} {
		r.Scale = [2]float64{0.08, 1}
	}
	if r.Ratio == [2]float64{} {
		r.Ratio = [2]float64{3.0 / 4, 4.0 / 3}
	}
	return r
}

// Check checks size, scale and ratio.
func (r RandomResizedCrop) Check() error {
	r = r.withDefaults()
	if s := r.Scale; !(s[0] > 0 && s[0] <= s[1] && s[1] <= 1) {
		return fmt.Errorf("scale %v is not in (0, 1] and ascending", s)
	}
	if a := r.Ratio; !(a[0] >= 0.01 && a[0] <= a[1] && a[1] <= 100) {
		return fmt.Errorf("ratio %v is not in [0.01, 100] and ascending", a)
	}
	return checkSide(r.Size)
}

// Apply crops and resizes.
func (r RandomResizedCrop) Apply(w *Work, d *Draws) {
	r = r.withDefaults()
	x, y, width, height := r.choose(w.Width, w.Height, d)
	w.ResizedCrop(x, y, width, height, r.Size, r.Size, r.Filter)
}

func (r RandomResizedCrop) choose(w, h int, d *Draws) (x, y, width, height int) {
	low, high := float64(numerics.Log(float32(r.Ratio[0]))), float64(numerics.Log(float32(r.Ratio[1])))
	for range 10 {
		area := float64(float64(w*h) * d.Between(r.Scale[0], r.Scale[1]))
		ratio := float64(numerics.Exp(float32(d.Between(low, high))))
		width = int(math.RoundToEven(math.Sqrt(float64(area * ratio))))
		height = int(math.RoundToEven(math.Sqrt(area / ratio)))
		if width > 0 && height > 0 && width <= w && height <= h {
			return d.Below(w - width + 1), d.Below(h - height + 1), width, height
		}
	}
	width, height = w, h
	if in := float64(w) / float64(h); in < r.Ratio[0] {
		height = min(h, max(1, int(math.RoundToEven(float64(w)/r.Ratio[0]))))
	} else if in > r.Ratio[1] {
		width = min(w, max(1, int(math.RoundToEven(float64(float64(h)*r.Ratio[1])))))
	}
	return (w - width) / 2, (h - height) / 2, width, height
}

// RandomHorizontalFlip mirrors left and right with probability P.
type RandomHorizontalFlip struct{ P float64 }

// Check checks the probability.
func (f RandomHorizontalFlip) Check() error { return checkChance(f.P) }

// Apply flips or not.
func (f RandomHorizontalFlip) Apply(w *Work, d *Draws) {
	if !d.Chance(f.P) {
		return
	}
	c := w.Channels
	for y := range w.Height {
		row := w.Pix[y*w.Width*c:][:w.Width*c]
		for i, j := 0, len(row)-c; i < j; i, j = i+c, j-c {
			for k := range c {
				row[i+k], row[j+k] = row[j+k], row[i+k]
			}
		}
	}
}

// Sometimes applies a transform with probability P; its draws are taken only then.
type Sometimes struct {
	P         float64
	Transform Transform
}

// Check checks the probability and the transform.
func (s Sometimes) Check() error {
	if err := checkChance(s.P); err != nil {
		return err
	}
	if s.Transform == nil {
		return errors.New("no transform is given")
	}
	return s.Transform.Check()
}

// Apply applies it or not.
func (s Sometimes) Apply(w *Work, d *Draws) {
	if d.Chance(s.P) {
		s.Transform.Apply(w, d)
	}
}
