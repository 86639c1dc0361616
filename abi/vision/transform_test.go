package vision

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything is a pipeline of all transforms.
var everything = Pipeline{
	ResizeShorter{40, Bicubic}, RandomCrop{36, 4},
	RandomResizedCrop{Size: 32, Filter: Bicubic}, RandomHorizontalFlip{0.5},
	Sometimes{0.8, ColorJitter{0.8, 0.8, 0.8, 0.2}}, RandomGrayscale{0.2},
	Sometimes{0.5, GaussianBlur{Sigma: [2]float64{0.1, 2}, Kernel: 3}}, RandAugment{2, 9}, CenterCrop{28}, ResizeTo{30, 24, Bilinear},
}

// TestDigest holds the bits of every transform and of all chance in place.
func TestDigest(t *testing.T) {
	require.NoError(t, everything.Check())
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		digest := sha256.New()
		sums := make([][]byte, 3*64)
		var w Work
		for _, kind := range order {
			im := []Image{synthetic(57, 43, 3), synthetic(30, 90, 3), synthetic(57, 43, 1)}[kind]
			for sample := range 64 {
				w.Load(im)
				d := NewDraws(Key{Seed: 7, Epoch: 3, Sample: uint64(sample), View: uint32(kind)})
				everything.Apply(&w, &d)
				w.check()
				sum := sha256.Sum256(w.Pix)
				sums[kind*64+sample] = sum[:]
			}
		}
		digest.Write(bytes.Join(sums, nil))
		assert.Equal(t, "74e012e85bbe111a5a1056164f5b0708416cec76df7daadbf2d998f36a106952", hex.EncodeToString(digest.Sum(nil)))
	}
}

func TestDraws(t *testing.T) {
	base := Key{1, 2, 3, 4}
	first := NewDraws(base)
	want := [3]uint32{first.Bits(), first.Bits(), first.Bits()}
	for _, k := range []Key{{2, 2, 3, 4}, {1, 3, 3, 4}, {1, 2, 4, 4}, {1, 2, 3, 5}, {1 + 1<<40, 2, 3, 4}, {1, 2 + 1<<40, 3, 4}, {1, 2, 3 + 1<<40, 4}} {
		d := NewDraws(k)
		assert.NotEqual(t, want, [3]uint32{d.Bits(), d.Bits(), d.Bits()}, "%v", k)
	}
	d := NewDraws(base)
	var counts [7]int
	mean, beta, square := 0.0, 0.0, 0.0
	const n = 20000
	for range n {
		counts[d.Below(7)]++
		mean += d.Between(-1, 3) / n
		b := d.Beta(0.4)
		beta += b / n
		square += b * b / n
		assert.True(t, b >= 0 && b <= 1)
	}
	for _, c := range counts {
		assert.InDelta(t, n/7, c, 250)
	}
	assert.InDelta(t, 1, mean, 0.03)
	assert.InDelta(t, 0.5, beta, 0.01)
	assert.InDelta(t, 0.25/1.8, square-beta*beta, 0.004, "variance 1 / 4(2a+1)")
	seen := map[int]bool{}
	for _, p := range d.Partners(50) {
		seen[p] = true
	}
	assert.Len(t, seen, 50)
}

// TestBlur compares with float64: a value is off by less than 1 plus what weights in units of 2^-16 cost.
func TestBlur(t *testing.T) {
	for _, channels := range []int{1, 3} {
		for _, sigma := range []float64{0.1, 0.7, 2, 9} {
			for _, kernel := range []int{0, 3, 23} {
				im := synthetic(31, 17, channels)
				var w Work
				w.Load(im)
				w.Blur(sigma, kernel)
				r := kernel / 2
				if kernel == 0 {
					r = int(math.Ceil(3 * sigma))
				}
				sum := 0.0
				weight := func(i int) float64 { return math.Exp(-float64(i*i) / (2 * sigma * sigma)) }
				for i := -r; i <= r; i++ {
					sum += weight(i)
				}
				for y := range im.Height {
					for x := range im.Width * channels {
						want := 0.0
						for i := -r; i <= r; i++ {
							for j := -r; j <= r; j++ {
								p := im.Pix[(reflect(y+i, im.Height)*im.Width+reflect(x/channels+j, im.Width))*channels+x%channels]
								want += float64(p) * weight(i) * weight(j) / sum / sum
							}
						}
						require.InDelta(t, want, float64(w.Pix[y*im.Width*channels+x]), 0.6, "sigma %v", sigma)
					}
				}
			}
		}
	}
}

func TestRotate(t *testing.T) {
	var w Work
	im := synthetic(20, 20, 3)
	w.Load(im)
	w.Rotate(90)
	for y := range 20 {
		for x := range 20 {
			assert.Equal(t, im.Pix[(x*20+19-y)*3], w.Pix[(y*20+x)*3])
		}
	}
}

func TestCropOfSmallImages(t *testing.T) {
	var w Work
	w.Load(Image{2, 1, 1, []uint8{7, 9}})
	CenterCrop{4}.Apply(&w, nil)
	assert.Equal(t, []uint8{0, 0, 0, 0, 0, 7, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0}, w.Pix)
	w.Load(Image{1, 1, 3, []uint8{1, 2, 3}})
	d := NewDraws(Key{})
	everything.Apply(&w, &d)
	w.check()
	// A long strip has no crop of an allowed ratio that fits with so much area: the middle is taken.
	x, y, width, height := RandomResizedCrop{Size: 8, Scale: [2]float64{1, 1}}.withDefaults().choose(100, 10, &d)
	assert.Equal(t, []int{43, 0, 13, 10}, []int{x, y, width, height})
}

func TestChecks(t *testing.T) {
	for _, bad := range []Transform{
		ResizeShorter{}, ResizeTo{1, 0, Bilinear}, CenterCrop{-1}, CenterCrop{1 << 20}, RandomCrop{5, -1}, RandomResizedCrop{},
		RandomResizedCrop{Size: 4, Scale: [2]float64{0.5, 2}}, RandomResizedCrop{Size: 4, Ratio: [2]float64{2, 1}}, RandomHorizontalFlip{1.5},
		Sometimes{math.NaN(), CenterCrop{1}}, Sometimes{1, CenterCrop{}}, Sometimes{P: 1}, ColorJitter{Brightness: -1}, ColorJitter{Hue: 0.6}, RandomGrayscale{-0.1},
		GaussianBlur{}, GaussianBlur{Sigma: [2]float64{1, 2}, Kernel: 4}, RandAugment{2, 31},
	} {
		assert.ErrorContains(t, Pipeline{CenterCrop{1}, bad}.Check(), "transforms[1]: ", "%#v", bad)
	}
}

// TestBatch goes the way of an objective: rows of encoded images and of pixels, to f32[N, H, W, C].
func TestBatch(t *testing.T) {
	png := files(t)["rgb.png"]
	raw := synthetic(23, 17, 1)
	schema := arrow.NewSchema([]arrow.Field{{Name: "image", Type: arrow.BinaryTypes.Binary, Nullable: true}, PixelField("pixels", 17, 23, 1)}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range 5 {
		switch i {
		case 3:
			b.Field(0).(*array.BinaryBuilder).AppendNull()
		case 4:
			b.Field(0).(*array.BinaryBuilder).Append([]byte("junk"))
		default:
			b.Field(0).(*array.BinaryBuilder).Append(png)
		}
		list := b.Field(1).(*array.FixedSizeListBuilder)
		list.Append(true)
		list.ValueBuilder().(*array.Uint8Builder).AppendValues(raw.Pix, nil)
	}
	whole := b.NewRecord()
	defer whole.Release()
	rows := whole.NewSlice(1, 5)
	defer rows.Release()
	norm, err := NewNormalizer(ImageNetMean, ImageNetStd)
	require.NoError(t, err)
	for _, name := range []string{"image", "pixels"} {
		column, err := FindImages(schema, name, DecodeOptions{Channels: 3})
		require.NoError(t, err)
		size := 4 * 8 * 8 * 3
		dst := make([]byte, 2*size)
		require.NoError(t, Each(context.Background(), 2, func(w *Work, i int) error {
			if err := column.Load(w, rows, i); err != nil {
				return err
			}
			d := NewDraws(Key{Sample: uint64(i)})
			Pipeline{ResizeTo{8, 8, Bilinear}}.Apply(w, &d)
			return norm.Put(dst[i*size:(i+1)*size], w.Image)
		}))
		assert.Equal(t, dst[:size], dst[size:])
		im := raw
		if name == "image" {
			im, err = Decode(png, DecodeOptions{})
			require.NoError(t, err)
		}
		var w Work
		w.Load(im)
		w.Resize(8, 8, Bilinear)
		p := w.Pix[0]
		assert.Equal(t, (float32(p)/255-ImageNetMean[0])/ImageNetStd[0], math.Float32frombits(binary.LittleEndian.Uint32(dst)))
	}
	column, err := FindImages(schema, "image", DecodeOptions{})
	require.NoError(t, err)
	var w Work
	assert.ErrorContains(t, column.Load(&w, rows, 2), `row 2: column "image" is null`)
	assert.ErrorContains(t, column.Load(&w, rows, 3), `row 3: column "image": image: not PNG`)
	_, err = FindImages(schema, "picture", DecodeOptions{})
	assert.ErrorContains(t, err, `0 columns "picture"`)
	text := arrow.NewSchema([]arrow.Field{{Name: "image", Type: arrow.BinaryTypes.String}}, nil)
	_, err = FindImages(text, "image", DecodeOptions{})
	assert.ErrorContains(t, err, "not images")
	wrong := arrow.NewSchema([]arrow.Field{{Name: "image", Type: arrow.FixedSizeListOf(12, arrow.PrimitiveTypes.Uint8), Metadata: arrow.NewMetadata([]string{"shape"}, []string{"2,2,2"})}}, nil)
	_, err = FindImages(wrong, "image", DecodeOptions{})
	assert.ErrorContains(t, err, `shape "2,2,2"`)
}

func TestEachReportsTheFirstError(t *testing.T) {
	for range 20 {
		err := Each(context.Background(), 40, func(_ *Work, i int) error {
			if i >= 7 {
				return errors.New(string(rune('A' + i)))
			}
			return nil
		})
		assert.EqualError(t, err, "H")
	}
	assert.NoError(t, Each(context.Background(), 0, nil))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, Each(ctx, 3, func(*Work, int) error { return nil }), context.Canceled)
}

func TestMixing(t *testing.T) {
	floats := func(values ...float32) []byte {
		var out []byte
		for _, v := range values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
		return out
	}
	batch := floats(1, 2, 3, 4, 10, 20, 30, 40)
	Mixup(batch, []int{1, 0}, 0.75)
	assert.Equal(t, floats(3.25, 6.5, 9.75, 13, 7.75, 15.5, 23.25, 31), batch)

	batch = floats(1, 2, 3, 4, 10, 20, 30, 40)
	CutMix(batch, []int{1, 0}, 2, 2, 1, Rect{1, 0, 2, 2})
	assert.Equal(t, floats(1, 20, 3, 40, 10, 2, 30, 4), batch)

	d := NewDraws(Key{})
	for range 200 {
		r, lambda := CutMixRect(&d, 30, 20, 0.36)
		assert.True(t, r.Left >= 0 && r.Top >= 0 && r.Right <= 30 && r.Bottom <= 20 && r.Right-r.Left <= 24 && r.Bottom-r.Top <= 16, "%v", r)
		assert.Equal(t, 1-float32((r.Right-r.Left)*(r.Bottom-r.Top))/600, lambda)
	}
}

// TestNoAllocationPerImage: after the first image of a size, transforms run in memory they have.
func TestNoAllocationPerImage(t *testing.T) {
	im := synthetic(256, 256, 3)
	p := Pipeline{RandomResizedCrop{Size: 224, Filter: Bicubic, Scale: [2]float64{1, 1}}, RandomHorizontalFlip{0.5}, ColorJitter{0.4, 0.4, 0.4, 0.1}}
	var w Work
	run := func() {
		w.Load(im)
		d := NewDraws(Key{})
		p.Apply(&w, &d)
	}
	run()
	assert.LessOrEqual(t, testing.AllocsPerRun(5, run), 4.0)
}

func BenchmarkSimCLRView(b *testing.B) {
	im := synthetic(256, 256, 3)
	p := Pipeline{
		RandomResizedCrop{Size: 224, Filter: Bicubic}, RandomHorizontalFlip{0.5}, Sometimes{0.8, ColorJitter{0.8, 0.8, 0.8, 0.2}},
		RandomGrayscale{0.2}, Sometimes{0.5, GaussianBlur{Sigma: [2]float64{0.1, 2}, Kernel: 23}},
	}
	var w Work
	for i := range b.N {
		w.Load(im)
		d := NewDraws(Key{Sample: uint64(i)})
		p.Apply(&w, &d)
	}
}
