package mae

import (
	"context"
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
	autoencoder = "masked_autoencoder"
	// classifier is its encoder, which sees all patches, and a head.
	classifier = "image_classifier"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "mae", Version: "0.1.0", Doc: "Masked autoencoders of images: MAE.", Roles: []string{autoencoder, classifier}}
}

// settings are a whole configuration, under Hugging Face's names.
type settings struct {
	image, patch, channels, width, layers, heads, inner, labels int
	decoder                                                     nn.PatchDecoder
	activation, positions, pool                                 string
	epsilon, scale                                              float64
}

func (c *settings) fields() []config.Field {
	return slices.Concat([]config.Field{
		config.Int("image_size", &c.image, 224, 1, 1<<12),
		config.Int("patch_size", &c.patch, 16, 1, 1<<10),
		config.Int("num_channels", &c.channels, 3, 1, 1<<10),
		config.Int("hidden_size", &c.width, 768, 4, 1<<16),
		config.Int("num_hidden_layers", &c.layers, 12, 1, 1<<10),
		config.Int("num_attention_heads", &c.heads, 12, 1, 1<<10),
		config.Int("intermediate_size", &c.inner, 3072, 1, 1<<19),
	}, c.decoder.Fields(), []config.Field{
		config.Int("num_labels", &c.labels, 1000, 1, 1<<20), // of image_classifier
		config.Word("hidden_act", &c.activation, "gelu", "gelu_tanh", "quick_gelu", "relu", "silu"),
		// The tables of positions, which are not trained.
		config.Word("position_embeddings", &c.positions, "sincos", "none"),
		config.Float("layer_norm_eps", &c.epsilon, 1e-12, 1e-12, 1),
		config.Float("initializer_range", &c.scale, 0.02, 0, 1),
		// What features are made of: the class token, or the mean of the patches that are seen.
		config.Word("global_pool", &c.pool, "token", "avg"),
	})
}

// presets are the paper's sizes.
func (c *settings) presets() []config.Preset {
	set := func(width, layers, heads, patch int) func() {
		return func() { c.width, c.layers, c.heads, c.inner, c.patch = width, layers, heads, 4*width, patch }
	}
	return []config.Preset{
		{Name: "vit-mae-base", Set: set(768, 12, 12, 16)},
		{Name: "vit-mae-large", Set: set(1024, 24, 16, 16)},
		{Name: "vit-mae-huge", Set: set(1280, 32, 16, 14)},
	}
}

// Build returns the module for the dimension "batch". With a mask_ratio of 0 the
// encoder sees all patches, for use after training.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), "batch")
	if err != nil {
		return nil, err
	}
	switch {
	case c.width%c.heads != 0:
		return nil, config.Wrong("num_attention_heads", "%d heads do not divide hidden_size %d", c.heads, c.width)
	case c.width%4 != 0:
		return nil, config.Wrong("hidden_size", "must be a multiple of 4, for positions, is %d", c.width)
	case c.image%c.patch != 0:
		return nil, config.Wrong("patch_size", "%d does not divide image_size %d", c.patch, c.image)
	}
	c.decoder.Side, c.decoder.Size = c.image/c.patch, c.patch*c.patch*c.channels
	c.decoder.Activation, c.decoder.Init, c.decoder.Unplaced = c.activation, nn.Normal(c.scale), c.positions == "none"
	seen, err := c.decoder.Seen()
	if err != nil {
		return nil, err
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	inputs := []ir.Param{
		{Name: "ids_keep", Type: ir.T(ir.I32, dims[0], seen)},
		{Name: "ids_restore", Type: ir.T(ir.I32, dims[0], c.decoder.Side*c.decoder.Side)},
		{Name: "pixel_values", Type: ir.T(ir.F32, dims[0], c.channels, c.image, c.image)},
	}
	if r.Role == classifier {
		return nn.Module(r.Role, whole, inputs[2:], func(n *nn.Net) {
			n.Epsilon = c.epsilon
			_, features := c.encode(n)
			n.Return("logits", n.Linear(features, "classifier", nn.Normal(c.scale), c.labels))
		})
	}
	return nn.Module(r.Role, whole, inputs, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		x, _ := c.encode(n)
		n.Return("prediction", n.DecodePatches(x, n.Input("ids_restore"), &c.decoder))
	})
}

// encode returns the class token and the visible patches [B,1+seen,E], those of
// ids_keep, or all where there is no such input, and the features [B,E].
func (c *settings) encode(n *nn.Net) (x, features ir.Value) {
	init := nn.Normal(c.scale)
	x = n.PatchEmbedding(n.Input("pixel_values"), "vit.embeddings.patch_embeddings.projection", init, c.patch, c.width, true)
	if !c.decoder.Unplaced {
		x = n.Place(x, c.decoder.Side)
	}
	if n.Has("ids_keep") {
		x = n.Pick(x, n.Input("ids_keep"))
	}
	x = n.Prepend(n.Weight("vit.embeddings.cls_token", init, 1, 1, c.width), x)
	x = n.Transform(x, nn.Transformer{
		Prefix: "vit.layers.", Names: nn.ViTNames, Layers: c.layers, Heads: c.heads, Inner: c.inner,
		Activation: c.activation, Init: init, InitUp: init, InitResidual: init, Segments: ir.NoValue,
	})
	x = n.LayerNorm(x, "vit.layernorm")
	if features = n.Token(x, 0); c.pool == "avg" {
		seen := n.Dim(x, 1) - 1
		features = n.MeanPool(n.Reshape(n.SliceDim(x, 1, 1, seen+1), n.Dim(x, 0), seen, 1, c.width))
	}
	n.Return("features", features)
	return x, features
}
