package dvae

import (
	"context"
	"math"

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
	autoencoder = "discrete_vae"
	// decoder is its second half: images of codes.
	decoder = "code_decoder"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "dvae", Version: "0.1.0", Doc: "Images as codes of a codebook: DALL-E's discrete autoencoder.", Roles: []string{autoencoder, decoder}}
}

// settings are a whole configuration.
type settings struct {
	image, channels, codes, width int
	centered                      bool
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		config.Int("image_size", &c.image, 64, 4, 1<<12),
		config.Int("num_channels", &c.channels, 3, 1, 1<<10),
		config.Int("codes", &c.codes, 512, 2, 1<<20),
		config.Int("width", &c.width, 128, 1, 1<<16),
		// The encoder sees pixels from -1 to 1 instead of from 0.1 to 0.9: it learns
		// more codes sooner.
		config.Bool("center_inputs", &c.centered, false),
	}
}

// Build returns the module for the dimension "batch". A code stands for 4 by 4
// pixels.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, nil, c.fields(), "batch")
	if err != nil {
		return nil, err
	}
	if c.image%4 != 0 {
		return nil, config.Wrong("image_size", "must be a multiple of 4, is %d", c.image)
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	side := c.image / 4
	if r.Role == decoder {
		codes := []ir.Param{{Name: "image_codes", Type: ir.T(ir.I32, dims[0], side*side)}}
		return nn.Module(r.Role, whole, codes, func(n *nn.Net) {
			x := n.Gather(0, c.codebook(n), n.Input("image_codes"))
			n.Return("reconstruction", n.ChannelsFirst(c.decode(n, n.Reshape(x, dims[0], side, side, c.width))))
		})
	}
	inputs := []ir.Param{
		{Name: "gumbel", Type: ir.T(ir.F32, dims[0], c.codes, side, side)},
		{Name: "pixel_values", Type: ir.T(ir.F32, dims[0], c.channels, c.image, c.image)},
		{Name: "temperature", Type: ir.T(ir.F32)},
	}
	return nn.Module(r.Role, whole, inputs, func(n *nn.Net) {
		pixels := n.Input("pixel_values")
		if c.centered {
			t := n.Type(pixels)
			pixels = n.Scale(n.Sub(pixels, n.Full(t, 0.5)), 2.5)
		}
		logits := c.encode(n, n.ChannelsLast(pixels))
		noisy := n.Add(logits, n.ChannelsLast(n.Input("gumbel")))
		soft := n.Softmax(n.Div(noisy, n.BroadcastTo(n.Input("temperature"), n.Type(noisy).Shape...)))
		x := n.MatMul(soft, c.codebook(n))
		n.Return("code_logits", n.ChannelsFirst(logits))
		n.Return("reconstruction", n.ChannelsFirst(c.decode(n, x)))
	})
}

// codebook has a row for each code [K,E].
func (c *settings) codebook(n *nn.Net) ir.Value {
	return n.Weight("codebook.weight", nn.Normal(1), c.codes, c.width)
}

// conv is a convolution and relu; first values keep the size of activations,
// biases are PyTorch's.
func conv(n *nn.Net, x ir.Value, name string, out, kernel int) ir.Value {
	in := n.Dim(x, 3) * kernel * kernel
	return n.Unary("relu", n.ConvBias(x, name, nn.He(in), nn.FanIn(in), out, kernel))
}

// certainty is how many times as large the first logits are as activations: an
// encoder that is unsure at first is drowned by the noise, uses few codes and
// keeps to them.
const certainty = 10

// encode returns the logits of codes [B,H/4,W/4,K].
func (c *settings) encode(n *nn.Net, x ir.Value) ir.Value {
	two := []int{2, 2}
	one, zero := []int{1, 1}, []int{0, 0}
	half := ir.Window{Size: two, Stride: two, Low: zero, High: zero, BaseDilation: one, Dilation: one}
	x = n.MaxPool(conv(n, x, "encoder.0", c.width, 7), half)
	x = n.MaxPool(conv(n, x, "encoder.3", c.width, 3), half)
	x = conv(n, x, "encoder.6", c.width, 3)
	spread := nn.Uniform(min(certainty/math.Sqrt(float64(c.width)), 2))
	return n.ConvBias(x, "encoder.8", spread, nn.FanIn(c.width), c.codes, 1)
}

// decode returns, for each channel of a pixel, the place and then the log of
// the width of a Laplace distribution [B,H,W,2C].
func (c *settings) decode(n *nn.Net, x ir.Value) ir.Value {
	x = double(n, conv(n, x, "decoder.0", c.width, 3))
	x = double(n, conv(n, x, "decoder.3", c.width, 3))
	in := nn.FanIn(c.width)
	return n.ConvBias(x, "decoder.6", in, in, 2*c.channels, 1)
}

// double repeats each pixel of x [B,H,W,C] in both directions.
func double(n *nn.Net, x ir.Value) ir.Value {
	b, h, w, c := n.Dim(x, 0), n.Dim(x, 1), n.Dim(x, 2), n.Dim(x, 3)
	return n.Reshape(n.BroadcastInDim(x, []int{b, h, 2, w, 2, c}, []int{0, 1, 3, 5}), b, 2*h, 2*w, c)
}
