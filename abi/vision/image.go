package vision

import "fmt"

// Image is u8[Height, Width, Channels], row-major: 3 channels are red, green, blue; 1 is grey.
type Image struct {
	Width, Height, Channels int
	Pix                     []uint8 // Height * Width * Channels
}

// check panics on an image that was not made by this package and does not hold together: a bug of the caller, as a wrong index is.
func (im *Image) check() {
	if im.Width < 1 || im.Height < 1 || im.Channels != 1 && im.Channels != 3 || len(im.Pix) != im.Width*im.Height*im.Channels {
		panic(fmt.Sprintf("vision: an image of %dx%dx%d with %d bytes", im.Height, im.Width, im.Channels, len(im.Pix)))
	}
}

// Work is an image on its way through transforms, with the memory they need. It is for one goroutine; its zero value is ready.
type Work struct {
	Image
	spare  []uint8 // for the next image
	coeffs coefficients
	ints   []int32
}

// Load copies an image. The work's memory is used again.
func (w *Work) Load(im Image) {
	im.check()
	w.reserve(im.Width, im.Height, im.Channels)
	copy(w.Pix, im.Pix)
}

// reserve makes w an image of a size, whose content is not defined.
func (w *Work) reserve(width, height, channels int) {
	n := width * height * channels
	w.Image = Image{width, height, channels, grow(w.Pix, n)}
}

// next returns memory for an image that will replace the present one by swap.
func (w *Work) next(width, height int) Image {
	w.spare = grow(w.spare, width*height*w.Channels)
	return Image{width, height, w.Channels, w.spare}
}

func (w *Work) swap(im Image) {
	w.spare = w.Pix
	w.Image = im
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
