package vision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// synthetic is the image of testdata/make.py.
func synthetic(width, height, channels int) Image {
	im := Image{width, height, channels, nil}
	state := 12345
	for y := range height {
		for x := range width {
			for c := range channels {
				state = (state*1103515245 + 12345) & 0x7FFFFFFF
				im.Pix = append(im.Pix, uint8(x*255/max(1, width-1)*(c+1)+y*3+(state>>16)%48))
			}
		}
	}
	return im
}

// TestPillow: every transform that Pillow has gives Pillow's bits.
func TestPillow(t *testing.T) {
	data, err := os.ReadFile("testdata/pillow.json")
	require.NoError(t, err)
	var cases []struct {
		Size          [3]int
		Op            string
		Args          []any
		Width, Height int
		SHA256        string
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Greater(t, len(cases), 100)
	var w Work
	for _, c := range cases {
		w.Load(synthetic(c.Size[0], c.Size[1], c.Size[2]))
		n := func(i int) int { return int(c.Args[i].(float64)) }
		f := func(i int) float32 { return float32(c.Args[i].(float64)) }
		filter := func(i int) Filter {
			return map[string]Filter{"bilinear": Bilinear, "bicubic": Bicubic}[c.Args[i].(string)]
		}
		switch c.Op {
		case "resize":
			w.Resize(n(0), n(1), filter(2))
		case "resized_crop":
			w.ResizedCrop(n(0), n(1), n(2), n(3), n(4), n(5), filter(6))
		case "brightness":
			w.Brightness(f(0))
		case "contrast":
			w.Contrast(f(0))
		case "saturation":
			w.Saturation(f(0))
		case "sharpness":
			w.Sharpness(f(0))
		case "hue":
			w.Hue(uint8(n(0)))
		case "posterize":
			w.Posterize(n(0))
		case "solarize":
			w.Solarize(n(0))
		case "autocontrast":
			w.AutoContrast()
		case "equalize":
			w.Equalize()
		case "grayscale":
			w.Grayscale()
		case "affine":
			var m [6]float64
			for i := range m {
				m[i] = c.Args[i].(float64)
			}
			w.Affine(m)
		default:
			t.Fatal(c.Op)
		}
		w.check()
		sum := sha256.Sum256(w.Pix)
		assert.Equal(t, c.SHA256, hex.EncodeToString(sum[:]), "%s %v of %v", c.Op, c.Args, c.Size)
		assert.Equal(t, [2]int{c.Width, c.Height}, [2]int{w.Width, w.Height})
	}
}
