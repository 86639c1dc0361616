package vision

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func files(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/images/*")
	require.NoError(t, err)
	found := map[string][]byte{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		found[filepath.Base(p)] = data
	}
	require.NotEmpty(t, found)
	return found
}

// TestDecode compares with Pillow: lossless formats to the bit, lossy ones, whose decoders may differ, within a bound. The digest holds
// the bits of the lossy ones in place: another decoder would change what models see.
func TestDecode(t *testing.T) {
	bounds := map[string]int{
		// The upsampling of half-resolution colour differs: Go repeats pixels, libjpeg and libwebp interpolate between them.
		"baseline.jpg": 70, "progressive.jpg": 70, "lossy.webp": 90, "lossy_alpha.webp": 90,
		"full.jpg": 3, "grey.jpg": 2, "cmyk.jpg": 3,
	}
	digest := sha256.New()
	n := 0
	all := files(t)
	for _, name := range []string{
		"baseline.jpg", "bits.png", "cmyk.jpg", "full.jpg", "grey.jpg", "grey.png", "grey16.png", "grey_alpha.png", "lossless.webp",
		"lossless_alpha.webp", "lossy.webp", "lossy_alpha.webp", "palette.png", "palette_clear.png", "progressive.jpg", "rgb.png", "rgba.png",
	} {
		im, err := Decode(all[name], DecodeOptions{})
		require.NoError(t, err, name)
		var width, height, most int
		ppm := all[name+".ppm"]
		_, err = fmt.Sscanf(string(ppm[:20]), "P6\n%d %d\n%d", &width, &height, &most)
		require.NoError(t, err)
		require.Equal(t, []int{width, height, 3}, []int{im.Width, im.Height, im.Channels})
		want := ppm[len(ppm)-3*width*height:]
		worst := 0
		for i := range want {
			worst = max(worst, int(want[i])-int(im.Pix[i]), int(im.Pix[i])-int(want[i]))
		}
		assert.LessOrEqual(t, worst, bounds[name], name)
		digest.Write(im.Pix)
		n++

		grey, err := Decode(all[name], DecodeOptions{Channels: 1})
		require.NoError(t, err)
		for i, p := range grey.Pix {
			require.Equal(t, luma(im.Pix[3*i], im.Pix[3*i+1], im.Pix[3*i+2]), p, name)
		}
		width, height, err = Size(all[name])
		require.NoError(t, err)
		assert.Equal(t, []int{im.Width, im.Height}, []int{width, height})
	}
	assert.Equal(t, n, len(all)/2)
	assert.Equal(t, "22cb951dee9d2d0968afb838eb1df40ea8ac84d6cbaa5142d1d4dc88ee1c1674", hex.EncodeToString(digest.Sum(nil)))
}

func TestBackground(t *testing.T) {
	im, err := Decode(files(t)["rgba.png"], DecodeOptions{Background: [3]uint8{255, 255, 255}})
	require.NoError(t, err)
	assert.Equal(t, []uint8{255, 255, 255}, im.Pix[:3], "clear in the corner")
}

// bomb is a PNG whose header claims a size and which has nothing else.
func bomb(width, height uint32) []byte {
	ihdr := []byte("IHDR")
	ihdr = binary.BigEndian.AppendUint32(ihdr, width)
	ihdr = binary.BigEndian.AppendUint32(ihdr, height)
	ihdr = append(ihdr, 8, 2, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, ihdr...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
}

func TestBadImages(t *testing.T) {
	all := files(t)
	jpegBomb := bytes.Clone(all["baseline.jpg"])
	at := bytes.Index(jpegBomb, []byte{0xFF, 0xC0})
	require.Positive(t, at)
	copy(jpegBomb[at+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	webpBomb := bytes.Clone(all["lossless.webp"])
	binary.LittleEndian.PutUint32(webpBomb[21:], 0x3FFF|0x3FFF<<14)
	disagree := bytes.Clone(all["lossy_alpha.webp"])
	at = bytes.Index(disagree, []byte("VP8X"))
	require.Positive(t, at)
	disagree[at+12] = 99
	for want, data := range map[string][]byte{
		"image: empty": {},
		"not PNG, JPEG or WebP: begins with \"GIF8":   []byte("GIF89a......"),
		"PNG: 50000x50000 pixels are outside":         bomb(50000, 50000),
		"image: PNG: ":                                bomb(0, 7),
		"JPEG: 65535x65535 pixels are outside":        jpegBomb,
		"WebP: 16384x16384 pixels are outside":        webpBomb,
		"WebP: the picture has 23x17 pixels on a ca":  disagree,
		"image: PNG: png: invalid format: not enough": all["rgb.png"][:60],
		"image: WebP: no VP8":                         all["lossy.webp"][:12],
	} {
		_, err := Decode(data, DecodeOptions{})
		assert.ErrorContains(t, err, want)
	}
	_, err := Decode(all["rgb.png"], DecodeOptions{MaxPixels: 23*17 - 1})
	assert.ErrorContains(t, err, "23x17 pixels are outside [1, 390]")
	_, err = Decode(all["rgb.png"], DecodeOptions{Channels: 4})
	assert.ErrorContains(t, err, "4 channels")
}

// FuzzDecode: any bytes give an image that holds together, or an error, in bounded memory.
func FuzzDecode(f *testing.F) {
	for name, data := range files(f) {
		if filepath.Ext(name) != ".ppm" {
			f.Add(data)
		}
	}
	f.Add(bomb(1<<20, 1<<20))
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := Decode(data, DecodeOptions{MaxPixels: 1 << 16})
		if err != nil {
			require.Contains(t, err.Error(), "image: ")
			return
		}
		im.check()
		require.LessOrEqual(t, im.Width*im.Height, 1<<16)
		again, err := Decode(data, DecodeOptions{})
		require.NoError(t, err)
		require.Equal(t, im, again)
	})
}
