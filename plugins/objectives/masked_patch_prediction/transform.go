package masked_patch_prediction

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
)

// stream keeps the draws apart from others.
const stream uint32 = 0x6d707000 // "mpp"

// Transform hides some patches of each image, every choice as likely as
// another.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	n := b.shape.Shape[0]
	buffers, err := batch.Open(rows, n, b.fields, fields)
	if err != nil {
		return fmt.Errorf("masked_patch_prediction: %w", err)
	}
	pixels := buffers["pixel_values"]
	if err := b.images.Put(ctx, rows, at, 0, pixels); err != nil {
		return fmt.Errorf("masked_patch_prediction: %w", err)
	}
	image := len(pixels) / n
	for r := range n {
		first := r * b.patches
		for i := range b.patches {
			buffers.PutInt("patch_sources", first+i, int32(i))
			buffers.PutInt("labels", first+i, batch.IgnoreIndex)
			buffers.PutInt("hidden_patches", first+i, 0)
		}
		draws := batch.NewDraws(at, stream, n, r)
		for _, i := range draws.Choose(b.patches, b.hidden) {
			source := b.patches // the mask token
			switch u := float64(draws.Uniform()); {
			case u < b.keepRate:
				source = i
			case u < b.keepRate+b.randomRate:
				source = b.other(draws, i)
			}
			buffers.PutInt("patch_sources", first+i, int32(source))
			buffers.PutInt("hidden_patches", first+i, 1)
			if b.colors {
				buffers.PutInt("labels", first+i, b.color(pixels[r*image:][:image], i))
			}
		}
	}
	return nil
}

// other draws one of the patches that are not i, or i where there is no other.
func (b *binding) other(draws *batch.Draws, i int) int {
	if b.patches < 2 {
		return i
	}
	return (i + 1 + draws.Below(b.patches-1)) % b.patches
}

// bits are those of a channel's mean.
const bits = 3

// color is the mean color of a patch of an image's pixels f32[C,H,W]: the
// highest bits of the mean level of each channel.
func (b *binding) color(pixels []byte, patch int) (class int32) {
	channels, height, width := b.shape.Shape[1], b.shape.Shape[2], b.shape.Shape[3]
	p := b.patch
	top, left := patch/(width/p)*p, patch%(width/p)*p
	for c := range channels {
		sum := 0
		for y := range p {
			row := 4 * ((c*height+top+y)*width + left)
			for x := range p {
				sum += b.images.Level(math.Float32frombits(binary.LittleEndian.Uint32(pixels[row+4*x:])))
			}
		}
		class = class<<bits | int32(sum/(p*p)>>(8-bits))
	}
	return class
}
