package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// DecodeOptions bounds and defines decoding. The zero value is the default.
type DecodeOptions struct {
	MaxPixels  int      // an image with more is refused before anything is allocated; 0 is 64 Mi
	Background [3]uint8 // behind transparent pixels; black unless told
	Channels   int      // 3 (the default, 0) or 1: grey
}

// DefaultMaxPixels bounds images.
const DefaultMaxPixels = 64 << 20

// Decode reads a PNG, JPEG or WebP image.
//
// Pixels with alpha are laid over the background: (c*a + b*(255-a)) / 255 rounded to nearest. Of 16 bits the upper 8 count. Palettes
// and grey become RGB; with Channels 1, colours become grey as Grayscale makes it. The EXIF orientation is not applied, as in
// torchvision's ImageFolder: pixels come in the order in which they are stored. Embedded colour profiles and gamma are ignored.
// Animated WebP is refused.
//
// Decoding is done in integers. JPEG allows decoders to differ; these are the bits of Go's image/jpeg.
func Decode(data []byte, opts DecodeOptions) (Image, error) {
	var w Work
	if err := w.Decode(data, opts); err != nil {
		return Image{}, err
	}
	return w.Image, nil
}

// Decode is the function of that name, into the work's memory.
func (w *Work) Decode(data []byte, opts DecodeOptions) (err error) {
	defer func() {
		if p := recover(); p != nil { // a decoder's bug must not take a run down
			err = fmt.Errorf("image: the decoder failed: %v", p)
		}
	}()
	format, config, err := header(data)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := checkSize(config.Width, config.Height, opts.MaxPixels); err != nil {
		return fmt.Errorf("image: %s: %w", format.name, err)
	}
	im, err := format.decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("image: %s: %w", format.name, err)
	}
	bounds := im.Bounds()
	if bounds.Dx() != config.Width || bounds.Dy() != config.Height {
		return fmt.Errorf("image: %s: %dx%d pixels, the header says %dx%d", format.name, bounds.Dx(), bounds.Dy(), config.Width, config.Height)
	}
	switch opts.Channels {
	case 0, 3:
		w.reserve(config.Width, config.Height, 3)
		w.fill(im, opts.Background)
	case 1:
		w.reserve(config.Width, config.Height, 1)
		if grey, ok := im.(*image.Gray); ok {
			for y := range w.Height {
				copy(w.Pix[y*w.Width:(y+1)*w.Width], grey.Pix[y*grey.Stride:])
			}
			break
		}
		rgb := Work{spare: w.spare}
		rgb.reserve(config.Width, config.Height, 3)
		rgb.fill(im, opts.Background)
		for i := range w.Pix {
			w.Pix[i] = luma(rgb.Pix[3*i], rgb.Pix[3*i+1], rgb.Pix[3*i+2])
		}
	default:
		return fmt.Errorf("image: %d channels cannot be decoded, only 1 or 3", opts.Channels)
	}
	return nil
}

// Size returns the width and height of an image from its header.
func Size(data []byte) (width, height int, err error) {
	_, config, err := header(data)
	if err != nil {
		return 0, 0, fmt.Errorf("image: %w", err)
	}
	return config.Width, config.Height, nil
}

func checkSize(width, height, most int) error {
	if most == 0 {
		most = DefaultMaxPixels
	}
	if width < 1 || height < 1 || int64(width)*int64(height) > int64(most) {
		return fmt.Errorf("%dx%d pixels are outside [1, %d]: raise the limit if the image is not a decompression bomb", width, height, most)
	}
	return nil
}

type format struct {
	name   string
	decode func(*bytes.Reader) (image.Image, error)
}

var (
	pngFormat  = format{"PNG", func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }}
	jpegFormat = format{"JPEG", func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }}
	webpFormat = format{"WebP", func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) }}
)

// header tells the format by its first bytes and reads the size.
func header(data []byte) (f format, config image.Config, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		f = pngFormat
		config, err = png.DecodeConfig(bytes.NewReader(data))
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		f = jpegFormat
		config, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		f = webpFormat
		config.Width, config.Height, err = webpSize(data)
	case len(data) == 0:
		return f, config, errors.New("empty")
	default:
		return f, config, fmt.Errorf("not PNG, JPEG or WebP: begins with %q", data[:min(len(data), 12)])
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.name, err)
	}
	return f, config, err
}

// webpSize reads the size of the picture itself, which the extended header (VP8X) may contradict.
func webpSize(data []byte) (width, height int, err error) {
	canvas := [2]int{}
	for at := 12; at+8 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		chunk := data[at+8:]
		switch string(data[at : at+4]) {
		case "VP8X":
			if len(chunk) < 10 {
				return 0, 0, errors.New("ends within the VP8X chunk")
			}
			if chunk[0]&2 != 0 {
				return 0, 0, errors.New("animated images are not supported")
			}
			canvas = [2]int{1 + int(uint32(chunk[4])|uint32(chunk[5])<<8|uint32(chunk[6])<<16), 1 + int(uint32(chunk[7])|uint32(chunk[8])<<8|uint32(chunk[9])<<16)}
		case "VP8 ":
			if len(chunk) < 10 {
				return 0, 0, errors.New("ends within the VP8 chunk")
			}
			width, height = int(binary.LittleEndian.Uint16(chunk[6:])&0x3FFF), int(binary.LittleEndian.Uint16(chunk[8:])&0x3FFF)
		case "VP8L":
			if len(chunk) < 5 {
				return 0, 0, errors.New("ends within the VP8L chunk")
			}
			bits := binary.LittleEndian.Uint32(chunk[1:])
			width, height = 1+int(bits&0x3FFF), 1+int(bits>>14&0x3FFF)
		}
		if width > 0 {
			if canvas[0] > 0 && canvas != [2]int{width, height} {
				return 0, 0, fmt.Errorf("the picture has %dx%d pixels on a canvas of %dx%d", width, height, canvas[0], canvas[1])
			}
			return width, height, nil
		}
		if size < 0 || size > len(chunk) {
			break
		}
		at += 8 + size + size&1
	}
	return 0, 0, errors.New("no VP8 or VP8L chunk")
}

// fill converts a decoded image to RGB.
func (w *Work) fill(im image.Image, background [3]uint8) {
	at := func(y int) []uint8 { return w.Pix[3*y*w.Width : 3*(y+1)*w.Width] }
	min := im.Bounds().Min
	switch src := im.(type) {
	case *image.YCbCr:
		for y := range w.Height {
			row := at(y)
			for x := range w.Width {
				yi, ci := src.YOffset(min.X+x, min.Y+y), src.COffset(min.X+x, min.Y+y)
				row[3*x], row[3*x+1], row[3*x+2] = color.YCbCrToRGB(src.Y[yi], src.Cb[ci], src.Cr[ci])
			}
		}
	case *image.Gray:
		for y := range w.Height {
			row, line := at(y), src.Pix[y*src.Stride:]
			for x := range w.Width {
				row[3*x], row[3*x+1], row[3*x+2] = line[x], line[x], line[x]
			}
		}
	case *image.RGBA: // PNG without alpha
		for y := range w.Height {
			row, line := at(y), src.Pix[y*src.Stride:]
			for x := range w.Width {
				row[3*x], row[3*x+1], row[3*x+2] = line[4*x], line[4*x+1], line[4*x+2]
			}
		}
	case *image.NRGBA:
		for y := range w.Height {
			row, line := at(y), src.Pix[y*src.Stride:]
			for x := range w.Width {
				over(row[3*x:], line[4*x], line[4*x+1], line[4*x+2], line[4*x+3], background)
			}
		}
	default: // palettes, 16 bits, CMYK, alpha of WebP
		for y := range w.Height {
			row := at(y)
			for x := range w.Width {
				r, g, b, a := straight(im.At(min.X+x, min.Y+y))
				over(row[3*x:], r, g, b, a, background)
			}
		}
	}
}

// straight returns a colour with 8 bits a channel that are not multiplied by alpha.
func straight(c color.Color) (r, g, b, a uint8) {
	switch c := c.(type) {
	case color.NRGBA:
		return c.R, c.G, c.B, c.A
	case color.NRGBA64:
		return uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), uint8(c.A >> 8)
	case color.NYCbCrA:
		r, g, b = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
		return r, g, b, c.A
	case color.CMYK:
		r, g, b = color.CMYKToRGB(c.C, c.M, c.Y, c.K)
		return r, g, b, 255
	case color.RGBA: // of opaque palettes
		return c.R, c.G, c.B, 255
	}
	r16, g16, b16, _ := c.RGBA() // Gray16, RGBA64: opaque
	return uint8(r16 >> 8), uint8(g16 >> 8), uint8(b16 >> 8), 255
}

func over(dst []uint8, r, g, b, a uint8, background [3]uint8) {
	dst[0], dst[1], dst[2] = blend8(r, background[0], a), blend8(g, background[1], a), blend8(b, background[2], a)
}

// blend8 is (c*a + b*(255-a)) / 255, rounded to nearest; there are no ties.
func blend8(c, b, a uint8) uint8 {
	return uint8((uint32(c)*uint32(a) + uint32(b)*uint32(255-a) + 127) / 255)
}
