package nn

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// PatchDecoder predicts the patches of an image that an encoder did not see, as
// masked autoencoders do (He et al., arXiv 2111.06377): a Vision Transformer
// under the parameter names of Hugging Face's ViTMAEForPreTraining.
type PatchDecoder struct {
	Width, Layers, Heads, Inner int
	Ratio                       float64 // of the patches that the encoder does not see

	// What the model knows: images of Side*Side patches, and Size numbers to
	// predict of each.
	Side, Size int
	Activation string
	Init       plugin.Init // of all linear maps
	Unplaced   bool        // whether positions are left out
}

// Fields are its configuration.
func (d *PatchDecoder) Fields() []config.Field {
	return []config.Field{
		config.Int("decoder_hidden_size", &d.Width, 512, 4, 1<<16),
		config.Int("decoder_num_hidden_layers", &d.Layers, 8, 1, 1<<10),
		config.Int("decoder_num_attention_heads", &d.Heads, 16, 1, 1<<10),
		config.Int("decoder_intermediate_size", &d.Inner, 2048, 1, 1<<19),
		// The part of the patches that the encoder does not see.
		config.Float("mask_ratio", &d.Ratio, 0.75, 0, 0.99),
	}
}

// Seen checks the configuration and returns how many patches the encoder sees:
// floor(N * (1 - mask_ratio)) of the N, with a mask_ratio of 0 all of them.
func (d *PatchDecoder) Seen() (int, error) {
	patches := d.Side * d.Side
	seen := int(float64(patches) * (1 - d.Ratio))
	switch {
	case d.Width%d.Heads != 0:
		return 0, config.Wrong("decoder_num_attention_heads", "%d heads do not divide decoder_hidden_size %d", d.Heads, d.Width)
	case d.Width%4 != 0:
		return 0, config.Wrong("decoder_hidden_size", "must be a multiple of 4, for positions, is %d", d.Width)
	case seen < 1:
		return 0, config.Wrong("mask_ratio", "%v leaves %d of %d patches to see; there must be some", d.Ratio, seen, patches)
	}
	return seen, nil
}

// DecodePatches puts the patches of x [B,1+L,E], what an encoder made of the
// class token and of those that it saw, back in their places, which restore
// i32[B,N] tells, with one token for all that were not seen, and returns the
// prediction of each, [B,N,Size].
func (n *Net) DecodePatches(x, restore ir.Value, d *PatchDecoder) ir.Value {
	width, patches := d.Width, d.Side*d.Side
	x = n.Linear(x, "decoder.decoder_embed", d.Init, width)
	b, seen := n.Dim(x, 0), n.Dim(x, 1)-1
	class, shown := n.Token(x, 0), n.SliceDim(x, 1, 1, seen+1)
	token := n.Reshape(n.Weight("decoder.mask_token", d.Init, 1, 1, width), width)
	if patches > seen {
		shown = n.Concatenate(1, shown, n.BroadcastTo(token, b, patches-seen, width))
	}
	x = n.Pick(shown, restore)
	if !d.Unplaced {
		x = n.Place(x, d.Side)
	}
	x = n.Concatenate(1, n.Reshape(class, b, 1, width), x)
	x = n.Transform(x, Transformer{
		Prefix: "decoder.decoder_layers.", Names: ViTNames, Layers: d.Layers, Heads: d.Heads, Inner: d.Inner,
		Activation: d.Activation, Init: d.Init, InitUp: d.Init, InitResidual: d.Init, Segments: ir.NoValue,
	})
	x = n.SliceDim(n.LayerNorm(x, "decoder.decoder_norm"), 1, 1, patches+1)
	return n.Linear(x, "decoder.decoder_pred", d.Init, d.Size)
}
