package clip

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/seedbed/seedbed/abi/plugin/nn"
)

// Model is the plugin. It has no state.
var Model plugin.Model = model{}

type model struct{}

// The roles.
const (
	role = "dual_encoder"
	// autoencoder is its image tower, which sees some of the patches, and a
	// decoder that predicts the others.
	autoencoder = "masked_autoencoder"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "clip", Version: "0.3.0", Doc: "An image and a text encoder with embeddings in common: CLIP.", Roles: []string{role, autoencoder}}
}

// tower is one of the two transformers.
type tower struct{ width, layers, heads, inner int }

// settings are a whole configuration; names are Hugging Face's, with the tower
// in front where both have the field.
type settings struct {
	vocab, positions, image, patch, channels, projection int
	text, vision                                         tower
	residual                                             residual
	decoder                                              nn.PatchDecoder // of masked_autoencoder
	activation, tower                                    string
	epsilon, temperature                                 float64
}

func (t *tower) fields(name string, width, heads int) []config.Field {
	return []config.Field{
		config.Int(name+"_hidden_size", &t.width, width, 1, 1<<16),
		config.Int(name+"_num_hidden_layers", &t.layers, 12, 1, 1<<10),
		config.Int(name+"_num_attention_heads", &t.heads, heads, 1, 1<<10),
		config.Int(name+"_intermediate_size", &t.inner, 4*width, 1, 1<<19),
	}
}

func (c *settings) fields() []config.Field {
	return append(slices.Concat(c.text.fields("text", 512, 8), c.vision.fields("vision", 768, 12), c.residual.fields(), c.decoder.Fields()),
		// The image tower: vision_hidden_size is the width of its features, of
		// which the residual one attends with vision_num_attention_heads; that one
		// has vision_depth_1 to 4 blocks, and the other vision_num_hidden_layers,
		// vision_intermediate_size and patch_size.
		config.Word("vision_tower", &c.tower, "transformer", "resnet"),
		config.Int("vocab_size", &c.vocab, 49408, 1, 1<<24),
		config.Int("max_position_embeddings", &c.positions, 77, 1, 1<<20),
		config.Int("image_size", &c.image, 224, 1, 1<<12),
		config.Int("patch_size", &c.patch, 32, 1, 1<<10),
		config.Int("num_channels", &c.channels, 3, 1, 1<<10),
		config.Int("projection_dim", &c.projection, 512, 1, 1<<16),
		config.Word("hidden_act", &c.activation, "quick_gelu", "gelu", "gelu_tanh", "relu", "silu"),
		config.Float("layer_norm_eps", &c.epsilon, 1e-5, 1e-12, 1),
		// The log of 1/0.07.
		config.Float("logit_scale_init_value", &c.temperature, 2.6592, -10, 10),
	)
}

// presets are the paper's (tables 19 and 20).
func (c *settings) presets() []config.Preset {
	resnet := func(width, image, text, projection int, depths ...int) func() {
		return func() {
			c.tower, c.residual.depths, c.image, c.projection = "resnet", [stages]int(depths), image, projection
			c.vision.width, c.vision.heads = shrink*width, width/2
			c.text = tower{text, 12, text / 64, 4 * text}
		}
	}
	return []config.Preset{
		{Name: "clip-vit-base-patch32", Set: func() {}},
		{Name: "clip-vit-base-patch16", Set: func() { c.patch = 16 }},
		{Name: "clip-vit-large-patch14", Set: func() {
			c.text, c.vision, c.patch, c.projection = tower{768, 12, 12, 3072}, tower{1024, 24, 16, 4096}, 14, 768
		}},
		{Name: "clip-rn50", Set: resnet(64, 224, 512, 1024, 3, 4, 6, 3)},
		{Name: "clip-rn101", Set: resnet(64, 224, 512, 512, 3, 4, 23, 3)},
		{Name: "clip-rn50x4", Set: resnet(80, 288, 640, 640, 4, 6, 10, 6)},
		{Name: "clip-rn50x16", Set: resnet(96, 384, 768, 768, 6, 8, 18, 8)},
		{Name: "clip-rn50x64", Set: resnet(128, 448, 1024, 1024, 3, 15, 36, 10)},
	}
}

// Build returns the module for the dimensions "batch" and, of dual_encoder,
// "sequence" (of the captions).
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	names := []string{"batch", "sequence"}
	if r.Role == autoencoder {
		names = names[:1]
	}
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), names...)
	if err != nil {
		return nil, err
	}
	for name, t := range map[string]tower{"text": c.text, "vision": c.vision} {
		if t.width%t.heads != 0 {
			return nil, config.Wrong(name+"_num_attention_heads", "%d heads do not divide %s_hidden_size %d", t.heads, name, t.width)
		}
	}
	if c.tower == "resnet" {
		if err := c.checkResidual(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.tower == "transformer" && c.image%c.patch != 0:
		return nil, config.Wrong("patch_size", "%d does not divide image_size %d", c.patch, c.image)
	case r.Role == autoencoder && c.tower != "transformer":
		return nil, config.Wrong("vision_tower", "must be transformer in role %s, whose encoder sees single patches", autoencoder)
	case r.Role == role && dims[1] > c.positions:
		return nil, config.Wrong("max_position_embeddings", "%d is less than the dimension \"sequence\", %d", c.positions, dims[1])
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	pixels := ir.Param{Name: "pixel_values", Type: ir.T(ir.F32, dims[0], c.channels, c.image, c.image)}
	if r.Role == autoencoder {
		return c.autoencode(whole, pixels)
	}
	inputs := []ir.Param{
		{Name: "input_ids", Type: ir.T(ir.I32, dims...)}, pixels, {Name: "text_positions", Type: ir.T(ir.I32, dims[0])},
	}
	return nn.Module(role, whole, inputs, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		if c.tower == "resnet" {
			n.Return("image_embeds", n.Normalize(c.places(n)))
		} else {
			n.Return("image_embeds", c.project(n, n.LayerNorm(n.Token(c.images(n), 0), imageNorm), "visual_projection"))
		}
		n.Return("text_embeds", c.project(n, c.captions(n), "text_projection"))
		n.Return("logit_scale", n.Weight("logit_scale", plugin.Init{Kind: plugin.InitNormal, Mean: c.temperature}))
	})
}

// project maps features to the space in common, to vectors of length 1.
func (c *settings) project(n *nn.Net, x ir.Value, name string) ir.Value {
	return n.Normalize(n.Project(x, name, deviation(1, n.Dim(x, 1)), c.projection))
}

// deviation is a normal distribution of standard deviation 1/sqrt(scale *
// width).
func deviation(scale, width int) plugin.Init {
	return nn.Normal(1 / math.Sqrt(float64(scale*width)))
}

// transform is a tower's stack of blocks, with first values as in the released
// code.
func (c *settings) transform(n *nn.Net, x ir.Value, t tower, prefix string, causal bool) ir.Value {
	return n.Transform(x, nn.Transformer{
		Prefix: prefix, Names: nn.CLIPNames, Layers: t.layers, Heads: t.heads, Inner: t.inner, Activation: c.activation,
		Init: deviation(1, t.width), InitUp: deviation(2, t.width), InitResidual: deviation(2*t.layers, t.width),
		Causal: causal, Segments: ir.NoValue,
	})
}

// imageNorm is the norm of what the image tower gives.
const imageNorm = "vision_model.post_layernorm"

// images returns what the image tower makes of the class token and the patches,
// before its last norm: [B,1+N,E], or [B,1+L,E] of those of ids_keep where there
// is such an input.
func (c *settings) images(n *nn.Net) ir.Value {
	width := c.vision.width
	const embeddings = "vision_model.embeddings."
	x := n.PatchEmbedding(n.Input("pixel_values"), embeddings+"patch_embedding", nn.FanIn(c.channels*c.patch*c.patch), c.patch, width, false)
	x = n.Prepend(n.Weight(embeddings+"class_embedding", deviation(1, width), width), x)
	x = n.AddLast(x, n.Weight(embeddings+"position_embedding.weight", deviation(1, width), n.Dim(x, 1), width))
	if n.Has("ids_keep") {
		class, patches := n.SliceDim(x, 1, 0, 1), n.SliceDim(x, 1, 1, n.Dim(x, 1))
		x = n.Concatenate(1, class, n.Pick(patches, n.Input("ids_keep")))
	}
	x = n.LayerNorm(x, "vision_model.pre_layrnorm") // sic: the name in the checkpoints
	return c.transform(n, x, c.vision, "vision_model.encoder.layers.", false)
}

// autoencode is the image tower as the encoder of a masked autoencoder.
func (c *settings) autoencode(whole json.RawMessage, pixels ir.Param) (*plugin.Module, error) {
	d := &c.decoder
	d.Side, d.Size = c.image/c.patch, c.patch*c.patch*c.channels
	d.Activation, d.Init = c.activation, nn.Normal(0.02)
	seen, err := d.Seen()
	if err != nil {
		return nil, err
	}
	b := pixels.Type.Shape[0]
	inputs := []ir.Param{
		{Name: "ids_keep", Type: ir.T(ir.I32, b, seen)}, {Name: "ids_restore", Type: ir.T(ir.I32, b, d.Side*d.Side)}, pixels,
	}
	return nn.Module(autoencoder, whole, inputs, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		x := n.LayerNorm(c.images(n), imageNorm)
		n.Return("features", n.Token(x, 0))
		n.Return("prediction", n.DecodePatches(x, n.Input("ids_restore"), d))
	})
}

// captions returns the features of the token at text_positions [B,E]. A token
// sees those before it, so that what follows the caption is of no effect.
func (c *settings) captions(n *nn.Net) ir.Value {
	width, ids := c.text.width, n.Input("input_ids")
	const embeddings = "text_model.embeddings."
	x := n.Embedding(ids, embeddings+"token_embedding", nn.Normal(0.02), c.vocab, width)
	positions := n.Weight(embeddings+"position_embedding.weight", nn.Normal(0.01), c.positions, width)
	x = n.AddLast(x, n.SliceDim(positions, 0, 0, n.Dim(ids, 1)))
	x = c.transform(n, x, c.text, "text_model.encoder.layers.", true)
	x = n.LayerNorm(x, "text_model.final_layer_norm")
	at := n.Reshape(n.Input("text_positions"), n.Dim(ids, 0), 1)
	return n.Reshape(n.Pick(x, at), n.Dim(ids, 0), width)
}
