package vision

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// ShapeKey is the metadata key of a column of pixels: its value "H,W,C" is the shape of the images in a fixed_size_list<uint8>[H*W*C].
const ShapeKey = "shape"

// PixelField is a column of images of one size as pixels.
func PixelField(name string, height, width, channels int) arrow.Field {
	shape := fmt.Sprintf("%d,%d,%d", height, width, channels)
	return arrow.Field{
		Name: name, Type: arrow.FixedSizeListOfNonNullable(int32(height*width*channels), arrow.PrimitiveTypes.Uint8),
		Metadata: arrow.NewMetadata([]string{ShapeKey}, []string{shape}),
	}
}

// ImageColumn is a column of images: binary, each a PNG, JPEG or WebP file; or pixels, as PixelField says.
type ImageColumn struct {
	index   int
	name    string
	shape   [3]int // height, width, channels of pixels; zero if encoded
	options DecodeOptions
}

// FindImages finds the column of a schema.
func FindImages(s *arrow.Schema, name string, options DecodeOptions) (*ImageColumn, error) {
	if s == nil {
		return nil, errors.New("the dataset has no schema")
	}
	at := s.FieldIndices(name)
	if len(at) != 1 {
		return nil, fmt.Errorf("the dataset has %d columns %q, and one is needed; its columns are %v", len(at), name, s.Fields())
	}
	c := &ImageColumn{index: at[0], name: name, options: options}
	field := s.Field(at[0])
	switch t := field.Type.(type) {
	case *arrow.BinaryType:
		return c, nil
	case *arrow.FixedSizeListType:
		shape, _ := field.Metadata.GetValue(ShapeKey)
		parts := strings.Split(shape, ",")
		if t.Elem().ID() == arrow.UINT8 && len(parts) == 3 {
			for i, part := range parts {
				n, err := strconv.Atoi(part)
				if err != nil || n < 1 || n > MaxSide {
					return nil, fmt.Errorf("column %q: shape %q is not height,width,channels", name, shape)
				}
				c.shape[i] = n
			}
			if c.shape[0]*c.shape[1]*c.shape[2] == int(t.Len()) && (c.shape[2] == 1 || c.shape[2] == 3) {
				return c, nil
			}
		}
		return nil, fmt.Errorf("column %q: %v with shape %q is not an image: want fixed_size_list<uint8>[H*W*C] and the shape H,W,C, C 1 or 3", name, t, shape)
	}
	return nil, fmt.Errorf("column %q is %v, not images: want binary (files) or fixed_size_list<uint8> (pixels)", name, field.Type)
}

// Load puts the image of a row into w.
func (c *ImageColumn) Load(w *Work, rows arrow.Record, row int) error {
	if c.index >= int(rows.NumCols()) || row < 0 || int64(row) >= rows.NumRows() {
		return fmt.Errorf("row %d of column %d, %q: there are %d rows of %d columns", row, c.index, c.name, rows.NumRows(), rows.NumCols())
	}
	if rows.Column(c.index).IsNull(row) {
		return fmt.Errorf("row %d: column %q is null", row, c.name)
	}
	switch a := rows.Column(c.index).(type) {
	case *array.Binary:
		if err := w.Decode(a.Value(row), c.options); err != nil {
			return fmt.Errorf("row %d: column %q: %w", row, c.name, err)
		}
		return nil
	case *array.FixedSizeList:
		n := c.shape[0] * c.shape[1] * c.shape[2]
		if pixels, ok := a.ListValues().(*array.Uint8); ok && int(a.DataType().(*arrow.FixedSizeListType).Len()) == n {
			start := (row + a.Data().Offset()) * n
			if start+n <= pixels.Len() {
				c.loadPixels(w, pixels.Uint8Values()[start:start+n])
				return nil
			}
		}
	}
	return fmt.Errorf("row %d: column %q is not what the schema says", row, c.name)
}

// loadPixels copies pixels and makes grey ones colour, or the other way, if the options say so.
func (c *ImageColumn) loadPixels(w *Work, pix []uint8) {
	im := Image{c.shape[1], c.shape[0], c.shape[2], pix}
	want := c.options.Channels
	if want == 0 || want == im.Channels {
		w.Load(im)
		return
	}
	w.reserve(im.Width, im.Height, want)
	for i := range im.Width * im.Height {
		if want == 3 {
			w.Pix[3*i], w.Pix[3*i+1], w.Pix[3*i+2] = pix[i], pix[i], pix[i]
		} else {
			w.Pix[i] = luma(pix[3*i], pix[3*i+1], pix[3*i+2])
		}
	}
}

// Normalizer turns pixels into float32: (p/255 - Mean) / Std for each channel, each operation rounded.
type Normalizer struct{ table [3][256]float32 }

// ImageNetMean and ImageNetStd are those of torchvision's models.
var (
	ImageNetMean = []float32{0.485, 0.456, 0.406}
	ImageNetStd  = []float32{0.229, 0.224, 0.225}
)

// NewNormalizer takes a mean and a standard deviation for each channel, or one of both for all.
func NewNormalizer(mean, std []float32) (*Normalizer, error) {
	n := &Normalizer{}
	if len(mean) != len(std) || len(mean) != 1 && len(mean) != 3 {
		return nil, fmt.Errorf("mean has %d values and std %d: want 1 or 3 of both", len(mean), len(std))
	}
	for c := range n.table {
		m, s := mean[c%len(mean)], std[c%len(mean)]
		if !(s > 0) || m != m {
			return nil, fmt.Errorf("mean %v, std %v: want numbers, and std above 0", m, s)
		}
		for p := range n.table[c] {
			n.table[c][p] = (float32(p)/255 - m) / s
		}
	}
	return n, nil
}

// Put writes an image as little-endian f32[H, W, C], of which dst holds exactly that.
func (n *Normalizer) Put(dst []byte, im Image) error {
	if len(dst) != 4*len(im.Pix) {
		return fmt.Errorf("an image of %dx%dx%d pixels does not fit %d bytes of float32", im.Height, im.Width, im.Channels, len(dst))
	}
	if im.Channels == 1 {
		for i, p := range im.Pix {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(n.table[0][p]))
		}
		return nil
	}
	for i := 0; i < len(im.Pix); i += 3 {
		d := dst[4*i:][:12]
		binary.LittleEndian.PutUint32(d, math.Float32bits(n.table[0][im.Pix[i]]))
		binary.LittleEndian.PutUint32(d[4:], math.Float32bits(n.table[1][im.Pix[i+1]]))
		binary.LittleEndian.PutUint32(d[8:], math.Float32bits(n.table[2][im.Pix[i+2]]))
	}
	return nil
}

var works = sync.Pool{New: func() any { return new(Work) }}

// Each calls f for 0 to n-1 on all processors, each with a Work of its own. The first error, by index, is returned; what f does must
// depend on i alone.
func Each(ctx context.Context, n int, f func(w *Work, i int) error) error {
	workers := min(runtime.GOMAXPROCS(0), n)
	failed := make([]error, max(workers, 1))
	panics := make([]any, max(workers, 1))
	at := make([]int, max(workers, 1))
	var group sync.WaitGroup
	for k := range workers {
		group.Go(func() {
			w := works.Get().(*Work)
			defer works.Put(w)
			defer func() { panics[k] = recover() }()
			for i := k; i < n; i += workers {
				if err := ctx.Err(); err != nil {
					failed[k], at[k] = err, i
					return
				}
				if err := f(w, i); err != nil {
					failed[k], at[k] = err, i
					return
				}
			}
		})
	}
	group.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p) // where the caller can recover from it
		}
	}
	first := -1
	for k, err := range failed {
		if err != nil && (first < 0 || at[k] < at[first]) {
			first = k
		}
	}
	if first < 0 {
		return nil
	}
	return failed[first]
}
