package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
)

// picture is a PNG file of one colour, with a pixel that tells it from others.
func picture(c color.Color, i int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 20, 18))
	for k := range m.Pix {
		m.Pix[k] = 255
	}
	for x := range 20 {
		for y := range 9 {
			m.Set(x, y, c)
		}
	}
	m.Set(i%20, 9+i/20%9, color.Black)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // of a picture in memory
	}
	return b.Bytes()
}

// writePictures writes folders to learn from: pictures, 12 of each of two
// classes; pairs, the same with captions; and bad ones of both.
func writePictures(dir string) error {
	colors := map[string]color.RGBA{"red": {200, 20, 20, 255}, "blue": {20, 20, 200, 255}}
	files := map[string][]byte{
		"torn/red/0.png":       picture(colors["red"], 0)[:40],
		"alone/a.png":          picture(colors["red"], 0),
		"alone/b.png":          picture(colors["red"], 1),
		"alone/b.txt":          []byte("a red field"),
		"table/labels.csv":     []byte("image,label\nred0.png,red\nblue0.png,green\n"),
		"table/red0.png":       picture(colors["red"], 0),
		"table/blue0.png":      picture(colors["blue"], 0),
		"pairs_torn/bad.png":   []byte("not a picture"),
		"pairs_torn/bad.txt":   []byte("a field of no colour"),
		"pairs_torn/other.png": picture(colors["blue"], 5),
	}
	for name, c := range colors {
		for i := range 12 {
			files[fmt.Sprintf("pictures/%s/%d.png", name, i)] = picture(c, i)
			files[fmt.Sprintf("torn/%s/%d.png", name, i+1)] = picture(c, i)
			for _, folder := range []string{"pairs", "pairs_torn"} {
				files[fmt.Sprintf("%s/%s%d.png", folder, name, i)] = picture(c, i)
				files[fmt.Sprintf("%s/%s%d.txt", folder, name, i)] = fmt.Appendf(nil, "a %s field, number %d", name, i)
			}
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
