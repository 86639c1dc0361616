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

const role = "image_classifier"

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "vit", Version: "0.1.0", Doc: "Vision transformers: ViT.", Roles: []string{role}}
}

// settings are a whole configuration, under Hugging Face's names.
type settings struct {
	image, patch, channels, width, layers, heads, inner, labels int
	activation                                                  string
	epsilon, scale, dropout                                     float64
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

// Build returns the module for the dimension "batch".
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
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	images := []ir.Param{{Name: "pixel_values", Type: ir.T(ir.F32, dims[0], c.channels, c.image, c.image)}}
	return nn.Module(role, whole, images, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		init := nn.Normal(c.scale)
		const embeddings = "vit.embeddings."
		x := n.PatchEmbedding(n.Input("pixel_values"), embeddings+"patch_embeddings.projection", init, c.patch, c.width, true)
		x = n.Prepend(n.Weight(embeddings+"cls_token", init, 1, 1, c.width), x)
		positions := n.Weight(embeddings+"position_embeddings", init, 1, n.Dim(x, 1), c.width)
		x = n.Drop(n.AddLast(x, n.Reshape(positions, n.Dim(x, 1), c.width)), c.dropout)
		x = n.Transform(x, nn.Transformer{
			Prefix: "vit.layers.", Names: nn.ViTNames, Layers: c.layers, Heads: c.heads, Inner: c.inner,
			Activation: c.activation, Dropout: c.dropout, Init: init, InitUp: init, InitResidual: init, Segments: ir.NoValue,
		})
		features := n.Token(n.LayerNorm(x, "vit.layernorm"), 0)
		n.Return("logits", n.Linear(features, "classifier", init, c.labels))
		n.Return("features", features)
	})
}
