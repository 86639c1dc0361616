package resnet

import (
	"context"
	"strconv"

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
	twoViews   = "two_view_encoder"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "resnet", Version: "0.1.0", Doc: "Residual networks: ResNet, and SimCLR's encoder.", Roles: []string{classifier, twoViews}}
}

// stages is the number of stages.
const stages = 4

// settings are a whole configuration; names are Hugging Face's where it has
// them. A stage of depth 0 is not there, nor those after it.
type settings struct {
	image, imageWidth, channels, stem, labels int
	widths, depths                            [stages]int
	layer, activation                         string
	// of the projection head
	hidden, projection int
}

func (c *settings) fields() []config.Field {
	fields := []config.Field{
		config.Int("image_size", &c.image, 224, 1, 1<<12),
		// The width of images that are not square; 0 is image_size.
		config.Int("image_width", &c.imageWidth, 0, 0, 1<<12),
		config.Int("num_channels", &c.channels, 3, 1, 1<<10),
		config.Int("embedding_size", &c.stem, 64, 1, 1<<16),
		config.Word("layer_type", &c.layer, "bottleneck", "basic"),
		config.Word("hidden_act", &c.activation, "relu", "silu", "gelu"),
		config.Int("num_labels", &c.labels, 1000, 1, 1<<20),
		// Of SimCLR's head; 0 is the width of the features.
		config.Int("projection_hidden", &c.hidden, 0, 0, 1<<16),
		config.Int("projection_dim", &c.projection, 128, 1, 1<<16),
	}
	for i := range stages {
		number := strconv.Itoa(i + 1)
		fields = append(fields,
			config.Int("hidden_size_"+number, &c.widths[i], 256<<i, 1, 1<<16),
			config.Int("depth_"+number, &c.depths[i], [stages]int{3, 4, 6, 3}[i], 0, 1<<10))
	}
	return fields
}

// presets are the paper's table 1.
func (c *settings) presets() []config.Preset {
	set := func(layer string, width int, depths ...int) func() {
		return func() {
			c.layer, c.depths = layer, [stages]int(depths)
			for i := range stages {
				c.widths[i] = width << i
			}
		}
	}
	return []config.Preset{
		{Name: "resnet-50", Set: set("bottleneck", 256, 3, 4, 6, 3)},
		{Name: "resnet-18", Set: set("basic", 64, 2, 2, 2, 2)},
		{Name: "resnet-34", Set: set("basic", 64, 3, 4, 6, 3)},
		{Name: "resnet-101", Set: set("bottleneck", 256, 3, 4, 23, 3)},
		{Name: "resnet-152", Set: set("bottleneck", 256, 3, 8, 36, 3)},
	}
}

// Build returns the module for the dimension "batch": of images, or of pairs of
// views.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), "batch")
	if err != nil {
		return nil, err
	}
	for i, depth := range c.depths {
		number := strconv.Itoa(i + 1)
		switch {
		case i == 0 && depth == 0:
			return nil, config.Wrong("depth_1", "must be positive: a network has at least one stage")
		case i > 0 && depth > 0 && c.depths[i-1] == 0:
			return nil, config.Wrong("depth_"+number, "is %d, but the stage before it is not there", depth)
		case c.layer == "bottleneck" && c.widths[i]%4 != 0:
			return nil, config.Wrong("hidden_size_"+number, "must be a multiple of 4 for bottlenecks, is %d", c.widths[i])
		}
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	width := c.imageWidth
	if width == 0 {
		width = c.image
	}
	images := ir.T(ir.F32, dims[0], c.channels, c.image, width)
	if r.Role == classifier {
		return nn.Module(r.Role, whole, []ir.Param{{Name: "pixel_values", Type: images}}, func(n *nn.Net) {
			features := c.encode(n, n.Input("pixel_values"), "resnet.")
			width := n.Dim(features, 1)
			y := n.Project(features, "classifier.1", nn.FanIn(width), c.labels)
			n.Return("logits", n.AddLast(y, n.Weight("classifier.1.bias", nn.FanIn(width), c.labels)))
			n.Return("features", features)
		})
	}
	return nn.Module(r.Role, whole, []ir.Param{{Name: "view_a", Type: images}, {Name: "view_b", Type: images}}, func(n *nn.Net) {
		features := c.encode(n, n.Concatenate(0, n.Input("view_a"), n.Input("view_b")), "encoder.")
		n.Return("embeddings", n.ProjectionHead(features, c.hidden, c.projection))
		n.Return("features", features)
	})
}

// encode returns the features [B,E] of images [B,C,H,W].
func (c *settings) encode(n *nn.Net, images ir.Value, prefix string) ir.Value {
	n.Epsilon = 1e-5
	x := c.convolve(n, n.ChannelsLast(images), prefix+"embedder.embedder", c.stem, 7, 2, true)
	two := func(v int) []int { return []int{v, v} }
	x = n.MaxPool(x, ir.Window{Size: two(3), Stride: two(2), Low: two(1), High: two(1), BaseDilation: two(1), Dilation: two(1)})
	for i, depth := range c.depths {
		for k := range depth {
			stride := 1
			if i > 0 && k == 0 {
				stride = 2
			}
			layer := prefix + "encoder.stages." + strconv.Itoa(i) + ".layers." + strconv.Itoa(k) + "."
			x = c.residual(n, x, layer, c.widths[i], stride)
		}
	}
	return n.MeanPool(x)
}

// residual is one block: its branch, and x itself, or a projection of it where
// sizes differ.
func (c *settings) residual(n *nn.Net, x ir.Value, layer string, width, stride int) ir.Value {
	var y ir.Value
	if c.layer == "basic" {
		y = c.convolve(n, x, layer+"layer.0", width, 3, stride, true)
		y = c.convolve(n, y, layer+"layer.1", width, 3, 1, false)
	} else {
		y = c.convolve(n, x, layer+"layer.0", width/4, 1, 1, true)
		y = c.convolve(n, y, layer+"layer.1", width/4, 3, stride, true)
		y = c.convolve(n, y, layer+"layer.2", width, 1, 1, false)
	}
	if stride != 1 || n.Dim(x, 3) != width {
		x = c.convolve(n, x, layer+"shortcut", width, 1, stride, false)
	}
	return n.Unary(c.activation, n.Add(y, x))
}

// convolve is a convolution, its batch norm and perhaps an activation.
func (c *settings) convolve(n *nn.Net, x ir.Value, name string, out, kernel, stride int, activate bool) ir.Value {
	x = n.BatchNorm(n.Conv(x, name+".convolution", nn.FanOut(out, kernel), out, kernel, stride), name+".normalization")
	if activate {
		x = n.Unary(c.activation, x)
	}
	return x
}
