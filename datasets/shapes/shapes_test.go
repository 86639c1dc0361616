package shapes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/vision"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t testing.TB, c Config, rows ...int64) arrow.Record {
	t.Helper()
	d, err := Open(c)
	require.NoError(t, err)
	rec, err := d.Read(context.Background(), rows)
	require.NoError(t, err)
	t.Cleanup(rec.Release)
	return rec
}

func pixels(rec arrow.Record, row int) []uint8 {
	list := rec.Column(0).(*array.FixedSizeList)
	n := int(list.DataType().(*arrow.FixedSizeListType).Len())
	return list.ListValues().(*array.Uint8).Uint8Values()[row*n : (row+1)*n]
}

func ints(rec arrow.Record, name string) []int32 {
	return rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.Int32).Int32Values()
}

func upTo(n int64) []int64 {
	rows := make([]int64, n)
	for i := range rows {
		rows[i] = int64(i)
	}
	return rows
}

// TestDigest holds every bit of the pictures and captions in place.
func TestDigest(t *testing.T) {
	h := sha256.New()
	for _, c := range []Config{{Size: 32, Seed: 1}, {Size: 97, Seed: 1, Split: "validation"}, {Split: "held_out", Masks: true}} {
		rec := read(t, c, upTo(40)...)
		for i := range 40 {
			h.Write(pixels(rec, i))
			h.Write([]byte(rec.Column(2).ValueStr(i)))
			if c.Masks {
				h.Write([]byte(rec.Column(9).ValueStr(i) + rec.Column(10).ValueStr(i)))
			}
		}
	}
	assert.Equal(t, "3afb8d1e27f1a5a4f12ba317d62f115e3a8ec73872fab4187c25fb49d58cd116", hex.EncodeToString(h.Sum(nil)))
}

// TestSheet writes pictures to look at, if SHAPES_SHEET names a file.
func TestSheet(t *testing.T) {
	const size, side = 64, 12
	rec := read(t, Config{Size: size}, upTo(side*side)...)
	sheet := image.NewRGBA(image.Rect(0, 0, side*(size+2), side*(size+2)))
	for i := range side * side {
		pix := pixels(rec, i)
		for k := range size * size {
			sheet.Set(i%side*(size+2)+k%size, i/side*(size+2)+k/size, color.RGBA{pix[3*k], pix[3*k+1], pix[3*k+2], 255})
		}
	}
	if path := os.Getenv("SHAPES_SHEET"); path != "" {
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, sheet))
		require.NoError(t, f.Close())
		for i := range side {
			t.Log(rec.Column(2).ValueStr(i))
		}
	}
}

// TestAnyRowAlone: a row is the same whichever others are read with it.
func TestAnyRowAlone(t *testing.T) {
	many := read(t, Config{Size: 24}, upTo(30)...)
	for i := int64(29); i >= 0; i -= 7 {
		one := read(t, Config{Size: 24}, i)
		assert.Equal(t, pixels(many, int(i)), pixels(one, 0))
		assert.Equal(t, many.Column(2).ValueStr(int(i)), one.Column(2).ValueStr(0))
	}
}

// TestHeldOut: no object of training or validation is of a pair that is held out, the first object of every held-out row is, and both
// splits have every colour, form and word.
func TestHeldOut(t *testing.T) {
	for split, name := range splits {
		colors, forms := map[int]bool{}, map[int]bool{}
		for i := range uint64(2000) {
			s := newScene(9, split, i, false)
			colors[s.Objects[0].Color], forms[s.Objects[0].Form] = true, true
			for k, o := range s.Objects {
				held := name == "held_out" && (k == 0 || s.Relation < 0)
				require.Equal(t, held, heldOut(o.Color, o.Form), "%s %d: %s", name, i, s.Caption)
			}
		}
		assert.Len(t, colors, 8)
		assert.Len(t, forms, 8)
	}
	a, b := newScene(9, 0, 5, false), newScene(9, 1, 5, false)
	assert.NotEqual(t, a.Objects, b.Objects)
}

// TestCaptionsAreTrue reads captions back with the words alone and compares with what is drawn: the boxes of the masks.
func TestCaptionsAreTrue(t *testing.T) {
	const n, size = 400, 96
	rec := read(t, Config{Size: size, Masks: true}, upTo(n)...)
	boxes, masks := rec.Column(9).(*array.List), rec.Column(10).(*array.FixedSizeList).ListValues().(*array.Uint8).Uint8Values()
	for i := range n {
		text := rec.Column(2).(*array.String).Value(i)
		start, end := boxes.ValueOffsets(i)
		box := boxes.ListValues().(*array.Int32).Int32Values()[start:end]
		objects := len(box) / 4
		has := func(word string) bool { return strings.Contains(" "+text+" ", " "+word+" ") }
		form, count := ints(rec, "label")[i], int(ints(rec, "count")[i])
		want := Forms[form]
		if count > 1 {
			want = plurals[form]
			assert.Equal(t, count, objects, text)
			assert.True(t, has(numbers[count]), text)
		}
		for _, word := range []string{want, Colors[ints(rec, "color")[i]], Sizes[ints(rec, "size")[i]], Textures[ints(rec, "texture")[i]]} {
			assert.True(t, has(word), "%q lacks %q", text, word)
		}
		middle := func(k int) (x, y float64) {
			return float64(box[4*k]+box[4*k+2]) / 2 / size, float64(box[4*k+1]+box[4*k+3]) / 2 / size
		}
		if r := ints(rec, "relation")[i]; r >= 0 {
			assert.Equal(t, 2, objects)
			assert.True(t, has(Relations[r]), text)
			ax, ay := middle(0)
			bx, by := middle(1)
			assert.True(t, []bool{ax < bx, ax > bx, ay < by, ay > by}[r], text)
		} else if p := ints(rec, "position")[i]; p >= 0 {
			assert.Equal(t, 1, objects)
			assert.Contains(t, text, "at the "+Positions[p])
			x, y := middle(0)
			assert.Equal(t, int(p), int(y*3)*3+int(x*3), text)
		}
		// Every object is seen, within its box, and covers none of another.
		seen := map[uint8]int{}
		for k, m := range masks[i*size*size : (i+1)*size*size] {
			if m > 0 {
				seen[m]++
				b := box[4*(m-1):]
				x, y := int32(k%size), int32(k/size)
				require.True(t, x >= b[0] && y >= b[1] && x < b[2] && y < b[3], text)
			}
		}
		require.Len(t, seen, objects, text)
	}
}

// TestLinearModelsFail: the class cannot be told from pixels by a linear model, which says little more than chance (1/8) on pictures it has
// not seen, though it learns those it has.
func TestLinearModelsFail(t *testing.T) {
	const train, test, size, classes = 1500, 500, 16, 8
	const n = size*size*3 + 1
	features := func(c Config, rows int64) ([][]float64, []int32) {
		c.Size = 64
		rec := read(t, c, upTo(rows)...)
		out := make([][]float64, rows)
		for i := range out {
			var w vision.Work
			w.Load(vision.Image{Width: 64, Height: 64, Channels: 3, Pix: pixels(rec, i)})
			w.Resize(size, size, vision.Bilinear)
			out[i] = make([]float64, n)
			for k, p := range w.Pix {
				out[i][k] = float64(p)/127.5 - 1
			}
			out[i][n-1] = 1
		}
		return out, ints(rec, "label")
	}
	x, labels := features(Config{}, train)
	weights := make([][]float64, classes)
	for c := range weights {
		weights[c] = make([]float64, n)
	}
	scores := func(x []float64) (p [classes]float64) {
		sum := 0.0
		for c, w := range weights {
			for k, v := range x {
				p[c] += w[k] * v
			}
			p[c] = math.Exp(p[c])
			sum += p[c]
		}
		for c := range p {
			p[c] /= sum
		}
		return p
	}
	accuracy := func(x [][]float64, labels []int32) float64 {
		right := 0
		for i := range x {
			p, best := scores(x[i]), 0
			for c := range p {
				if p[c] > p[best] {
					best = c
				}
			}
			if int32(best) == labels[i] {
				right++
			}
		}
		return float64(right) / float64(len(x))
	}
	for epoch := range 25 {
		rate := 0.01 / (1 + float64(epoch)/5)
		for i := range x {
			p := scores(x[i])
			p[labels[i]]--
			for c, w := range weights {
				for k, v := range x[i] {
					w[k] -= rate * p[c] * v
				}
			}
		}
	}
	seen := accuracy(x, labels)
	fresh, labels := features(Config{Split: "validation"}, test)
	unseen := accuracy(fresh, labels)
	t.Logf("logistic regression on 16 x 16 pixels: %.1f %% of the training pictures, %.1f %% of others; chance is 12.5 %%", 100*seen, 100*unseen)
	assert.Greater(t, seen, 0.25)
	assert.Less(t, unseen, 0.25)
}

func TestDistinct(t *testing.T) {
	d, err := Open(Config{Split: "held_out", Seed: 3})
	require.NoError(t, err)
	rows, err := Distinct(d, 500)
	require.NoError(t, err)
	said := map[string]bool{}
	for _, r := range rows {
		s := newScene(3, 2, uint64(r), false)
		said[s.meaning()] = true
	}
	assert.Len(t, said, 500)
	_, err = Distinct(d, 19_999)
	assert.ErrorContains(t, err, "different captions, fewer than")
}

func TestRefused(t *testing.T) {
	for want, c := range map[string]Config{
		"size: 7 is outside": {Size: 7}, "size: 1025 is outside": {Size: 1025}, "rows: -1 is outside": {Rows: -1}, `split: "test" is not`: {Split: "test"},
		`label: "relation" is not form, color, size, texture or count`: {Label: "relation"},
	} {
		_, err := Open(c)
		assert.ErrorContains(t, err, want)
	}
	d, err := Open(Config{Rows: 5})
	require.NoError(t, err)
	_, err = d.Read(context.Background(), []int64{5})
	assert.ErrorContains(t, err, "row 5 is outside [0, 5)")
	prints := map[string]bool{}
	for _, c := range []Config{{}, {Size: 32}, {Rows: 5}, {Seed: 1}, {Split: "held_out"}, {Masks: true}, {Alike: true}, {Label: "color"}, {Label: "form"}} {
		d, err := Open(c)
		require.NoError(t, err)
		prints[d.Fingerprint()] = true
	}
	assert.Len(t, prints, 8, "form is the default")
}

// The column label holds what the configuration says, and scenes that are alike have one answer.
func TestLabels(t *testing.T) {
	for _, c := range []Config{{}, {Label: "form"}, {Label: "color"}, {Label: "size"}, {Label: "texture"}, {Label: "count"}} {
		seen := map[int32]bool{}
		c.Alike, c.Size = true, 8
		rec := read(t, c, upTo(300)...)
		for i := range 300 {
			label := rec.Column(1).(*array.Int32).Value(i)
			seen[label] = true
			column := map[string]int{"color": 3, "size": 4, "texture": 5, "count": 6}[c.Label]
			if c.Label == "count" {
				label++
			}
			if column > 0 {
				require.Equal(t, rec.Column(column).(*array.Int32).Value(i), label)
			}
			require.Equal(t, int32(-1), rec.Column(8).(*array.Int32).Value(i), "no relation")
		}
		assert.Len(t, seen, len(c.Classes()), "%s", c.Label)
	}
}

func BenchmarkRead(b *testing.B) {
	d, err := Open(Config{})
	require.NoError(b, err)
	rows := upTo(64)
	for range b.N {
		rec, err := d.Read(context.Background(), rows)
		require.NoError(b, err)
		rec.Release()
	}
}
