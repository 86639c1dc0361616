package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/core/safetensors"
)

// openKept reads what host evaluate --tensors wrote.
func openKept(path string) (*tensors, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &tensors{types: f.Types(), data: map[string][]byte{}}
	for _, name := range f.Names() {
		if t.data[name], err = f.Read(name); err != nil {
			return nil, err
		}
	}
	if texts := f.Metadata()["texts"]; texts != "" {
		err = json.Unmarshal([]byte(texts), &t.texts)
	}
	return t, err
}

// ints are the values of a tensor of integers.
func (t *tensors) ints(name string) []int32 {
	data := t.data[name]
	x := make([]int32, len(data)/4)
	for i := range x {
		x[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// floats are the values of a tensor of row r.
func (t *tensors) floats(name string, r int) []float32 {
	each := t.types[name].Bytes() / t.types[name].Shape[0]
	data := t.data[name][r*each:][:each]
	x := make([]float32, each/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

func (t *tensors) rows(name string) int { return t.types[name].Shape[0] }

// planar is a picture, channel by channel, of values from 0 to 1.
type planar struct {
	channels, side int
	v              []float64
}

// pixels is row r of pixel_values, as (v - mean) / deviation.
func (t *tensors) pixels(r int, mean, deviation float64) planar {
	s := t.types["pixel_values"].Shape
	p := planar{channels: s[1], side: s[2]}
	for _, v := range t.floats("pixel_values", r) {
		p.v = append(p.v, float64(v)*deviation+mean)
	}
	return p
}

// grid is pictures in rows of columns.
type grid [][]planar

// picture writes a grid as PNG beside the table.
func (x *lesson) picture(name, what string, g grid) error {
	if x.results == "" {
		return nil
	}
	x.row.Pictures = append(x.row.Pictures, name+" "+what)
	const zoom, gap = 2, 4
	side := g[0][0].side * zoom
	columns := 0
	for _, r := range g {
		columns = max(columns, len(r))
	}
	m := image.NewRGBA(image.Rect(0, 0, columns*(side+gap)+gap, len(g)*(side+gap)+gap))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	for i, r := range g {
		for k, p := range r {
			for y := range side {
				for c := range side {
					at := y/zoom*p.side + c/zoom
					value := func(channel int) uint8 {
						v := p.v[channel%p.channels*p.side*p.side+at]
						return uint8(math.Round(255 * min(max(v, 0), 1)))
					}
					m.Set(gap+k*(side+gap)+c, gap+i*(side+gap)+y, color.RGBA{value(0), value(1), value(2), 255})
				}
			}
		}
	}
	f, err := os.Create(filepath.Join(x.results, name))
	if err != nil {
		return err
	}
	if err := png.Encode(f, m); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// hidden shows images, what a masked autoencoder sees of them, and what it
// makes of it: its prediction where it saw nothing.
func hidden(k *tensors) grid {
	g := make(grid, 3)
	predicted := k.types["prediction"].Shape
	for r := range k.rows("pixel_values") {
		whole := k.pixels(r, 0.5, 0.5)
		seen, made := planar{whole.channels, whole.side, slices.Clone(whole.v)}, planar{whole.channels, whole.side, slices.Clone(whole.v)}
		prediction := k.floats("prediction", r)
		restore := k.ints("ids_restore")[r*predicted[1]:][:predicted[1]]
		patch := int(math.Sqrt(float64(predicted[2] / whole.channels)))
		across := whole.side / patch
		shown := predicted[1] / 4 // rounded down, as the model does
		for n, place := range restore {
			if int(place) < shown {
				continue
			}
			for y := range patch {
				for c := range patch {
					for channel := range whole.channels {
						at := channel*whole.side*whole.side + (n/across*patch+y)*whole.side + n%across*patch + c
						seen.v[at] = 0.5
						made.v[at] = float64(prediction[n*predicted[2]+(y*patch+c)*whole.channels+channel])*0.5 + 0.5
					}
				}
			}
		}
		g[0], g[1], g[2] = append(g[0], whole), append(g[1], seen), append(g[2], made)
	}
	return g
}

// laplace is the middle of the distribution that an autoencoder gives each
// value: the logistic function of its place, from 0.1 to 0.9.
func (t *tensors) laplace(r int) planar {
	s := t.types["reconstruction"].Shape
	p := planar{channels: s[1] / 2, side: s[2]}
	for _, v := range t.floats("reconstruction", r)[:p.channels*p.side*p.side] {
		p.v = append(p.v, (float64(numerics.Logistic(v))-0.1)/0.8)
	}
	return p
}

// pairs shows pictures above what an autoencoder makes of them.
func pairs(k *tensors, n int) grid {
	g := make(grid, 2)
	for r := range n {
		g[0], g[1] = append(g[0], k.pixels(r, -0.125, 1.25)), append(g[1], k.laplace(r))
	}
	return g
}

// pixelErrors are the mean squared errors of reconstructions, and of the mean
// of the images that were learned from.
func pixelErrors(learned, test *tensors) (got, mean float64) {
	n := learned.rows("pixel_values")
	var middle []float64
	for r := range n {
		p := learned.pixels(r, -0.125, 1.25)
		if middle == nil {
			middle = make([]float64, len(p.v))
		}
		for i, v := range p.v {
			middle[i] += v / float64(n)
		}
	}
	values := 0.0
	for r := range test.rows("pixel_values") {
		made := test.laplace(r)
		for i, v := range test.pixels(r, -0.125, 1.25).v {
			got += (v - made.v[i]) * (v - made.v[i])
			mean += (v - middle[i]) * (v - middle[i])
			values++
		}
	}
	return got / values, mean / values
}

// nearest shows, for some captions, the images nearest to them.
func nearest(k *tensors, captions, images int) (grid, []string) {
	var g grid
	var notes []string
	n := k.rows("image_embeds")
	for c := range captions {
		q := c * n / captions
		text := k.floats("text_embeds", q)
		order := make([]int, n)
		score := make([]float64, n)
		for i := range n {
			order[i] = i
			for d, v := range k.floats("image_embeds", i) {
				score[i] += float64(v) * float64(text[d])
			}
		}
		slices.SortStableFunc(order, func(a, b int) int {
			if score[a] > score[b] {
				return -1
			} else if score[a] < score[b] {
				return 1
			}
			return 0
		})
		var line []planar
		for _, i := range order[:images] {
			line = append(line, k.pixels(i, 0.5, 0.5))
		}
		g = append(g, line)
		place := slices.Index(order, q) + 1
		notes = append(notes, fmt.Sprintf("row %d: “%s”: its own image is number %d", c+1, k.texts[q], place))
	}
	return g, notes
}
