package vit

import (
	"context"

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
	classifier = "image_classifier"
	masked     = "masked_patches"
	twoViews   = "two_view_encoder"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "vit", Version: "0.2.0", Doc: "Vision transformers: ViT, also as SimCLR's encoder.", Roles: []string{classifier, masked, twoViews}}
}

// settings are a whole configuration, under Hugging Face's names.
type settings struct {
	image, patch, channels, width, layers, heads, inner, labels int
	activation, prediction                                      string
	epsilon, scale, dropout                                     float64
	hidden, projection                                          int // of SimCLR's head
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		config.Int("image_size", &c.image, 224, 1, 1<<12),
		config.Int("patch_size", &c.patch, 16, 1, 1<<10),
		config.Int("num_channels", &c.channels, 3, 1, 1<<10),
		config.Int("hidden_size", &c.width, 768, 1, 1<<16),
		config.Int("num_hidden_layers", &c.layers, 12, 1, 1<<10),
		config.Int("num_attention_heads", &c.heads, 12, 1, 1<<10),
		config.Int("intermediate_size", &c.inner, 3072, 1, 1<<19),
		config.Int("num_labels", &c.labels, 1000, 1, 1<<20),
		config.Word("hidden_act", &c.activation, "gelu", "gelu_tanh", "quick_gelu", "relu", "silu"),
		config.Float("layer_norm_eps", &c.epsilon, 1e-12, 1e-12, 1),
		config.Float("initializer_range", &c.scale, 0.02, 0, 1),
		config.Rate("hidden_dropout_prob", &c.dropout),
		// Of masked_patches: a class for each mean color of a patch in 3 bits a
		// channel, or the patch's pixels.
		config.Word("patch_prediction", &c.prediction, "colors", "pixels"),
		// Of two_view_encoder, the head; 0 is hidden_size.
		config.Int("projection_hidden", &c.hidden, 0, 0, 1<<16),
		config.Int("projection_dim", &c.projection, 128, 1, 1<<16),
	}
}

// presets are the sizes of the paper's table 1, and those of Touvron et al.,
// arXiv 2012.12877, table 1.
func (c *settings) presets() []config.Preset {
	set := func(width, layers, heads, patch int) func() {
		return func() { c.width, c.layers, c.heads, c.inner, c.patch = width, layers, heads, 4*width, patch }
	}
	return []config.Preset{
		{Name: "vit-base-patch16-224", Set: set(768, 12, 12, 16)},
		{Name: "vit-tiny-patch16-224", Set: set(192, 12, 3, 16)},
		{Name: "vit-small-patch16-224", Set: set(384, 12, 6, 16)},
		{Name: "vit-base-patch32-224", Set: set(768, 12, 12, 32)},
		{Name: "vit-large-patch16-224", Set: set(1024, 24, 16, 16)},
	}
}

// maxColorChannels bounds the classes of colors, eight to the power of it.
const maxColorChannels = 4

// Build returns the module for the dimension "batch": of images, or of pairs of
// views.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), "batch")
	if err != nil {
		return nil, err
	}
	switch {
	case c.width%c.heads != 0:
		return nil, config.Wrong("num_attention_heads", "%d heads do not divide hidden_size %d", c.heads, c.width)
	case c.image%c.patch != 0:
		return nil, config.Wrong("patch_size", "%d does not divide image_size %d", c.patch, c.image)
	case r.Role == masked && c.prediction == "colors" && c.channels > maxColorChannels:
		return nil, config.Wrong("patch_prediction", "colors are of at most %d channels, num_channels is %d; take pixels", maxColorChannels, c.channels)
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	images := ir.T(ir.F32, dims[0], c.channels, c.image, c.image)
	pixels := []ir.Param{{Name: "pixel_values", Type: images}}
	init := nn.Normal(c.scale)
	switch r.Role {
	case twoViews:
		return nn.Module(r.Role, whole, []ir.Param{{Name: "view_a", Type: images}, {Name: "view_b", Type: images}}, func(n *nn.Net) {
			features := n.Token(c.encode(n, n.Concatenate(0, n.Input("view_a"), n.Input("view_b"))), 0)
			n.Epsilon = 1e-5
			n.Return("embeddings", n.ProjectionHead(features, c.hidden, c.projection))
			n.Return("features", features)
		})
	case masked:
		side := c.image / c.patch
		sources := ir.Param{Name: "patch_sources", Type: ir.T(ir.I32, dims[0], side*side)}
		return nn.Module(r.Role, whole, append([]ir.Param{sources}, pixels...), func(n *nn.Net) {
			x := c.encode(n, n.Input("pixel_values"))
			n.Return("features", n.Token(x, 0))
			n.Return("prediction", c.predict(n, n.SliceDim(x, 1, 1, 1+side*side)))
		})
	}
	return nn.Module(r.Role, whole, pixels, func(n *nn.Net) {
		features := n.Token(c.encode(n, n.Input("pixel_values")), 0)
		n.Return("logits", n.Linear(features, "classifier", init, c.labels))
		n.Return("features", features)
	})
}

// encode returns the class token and the patches of images [B,1+N,E]. Where
// there is an input patch_sources, the embedding of another patch, or of N a
// token that is learned, stands at a patch's place.
func (c *settings) encode(n *nn.Net, images ir.Value) ir.Value {
	n.Epsilon = c.epsilon
	init := nn.Normal(c.scale)
	const embeddings = "vit.embeddings."
	x := n.PatchEmbedding(images, embeddings+"patch_embeddings.projection", init, c.patch, c.width, true)
	if n.Has("patch_sources") {
		token := n.Reshape(n.Weight(embeddings+"mask_token", nn.Zeros(), 1, 1, c.width), c.width)
		x = n.Pick(n.Concatenate(1, x, n.BroadcastTo(token, n.Dim(x, 0), 1, c.width)), n.Input("patch_sources"))
	}
	x = n.Prepend(n.Weight(embeddings+"cls_token", init, 1, 1, c.width), x)
	positions := n.Weight(embeddings+"position_embeddings", init, 1, n.Dim(x, 1), c.width)
	x = n.Drop(n.AddLast(x, n.Reshape(positions, n.Dim(x, 1), c.width)), c.dropout)
	x = n.Transform(x, nn.Transformer{
		Prefix: "vit.layers.", Names: nn.ViTNames, Layers: c.layers, Heads: c.heads, Inner: c.inner,
		Activation: c.activation, Dropout: c.dropout, Init: init, InitUp: init, InitResidual: init, Segments: ir.NoValue,
	})
	return n.LayerNorm(x, "vit.layernorm")
}

// predict is the head of masked_patches over patches [B,N,E]: a convolution
// with a kernel of one, under the names of Hugging Face's
// ViTForMaskedImageModeling, whose order of a patch's pixels this is: channel
// by channel.
func (c *settings) predict(n *nn.Net, x ir.Value) ir.Value {
	size := c.patch * c.patch * c.channels
	if c.prediction == "colors" {
		size = 1 << (3 * c.channels)
	}
	weight := n.Weight("decoder.0.weight", nn.Normal(c.scale), size, c.width, 1, 1)
	return n.AddLast(n.Builder.Linear(x, n.Reshape(weight, size, c.width)), n.Weight("decoder.0.bias", nn.Zeros(), size))
}
