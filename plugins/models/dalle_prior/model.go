package dalle_prior

import (
	"context"
	"math"
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
	prior = "token_prior"
	// one is the same model for one token of each sequence.
	one = "token_prior_step"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "dalle_prior", Version: "0.1.0", Doc: "A text and the codes of its image as one sequence: DALL-E's transformer.", Roles: []string{prior, one}}
}

// settings are a whole configuration.
type settings struct {
	vocab, codes, text, side, width, layers, heads int
	scale, dropout, attentionDropout               float64
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		config.Int("text_vocab", &c.vocab, 16384, 1, 1<<24),
		config.Int("codes", &c.codes, 512, 2, 1<<20),
		config.Int("text_len", &c.text, 64, 1, 1<<16),
		// Codes in a row and in a column of an image.
		config.Int("side", &c.side, 16, 1, 1<<10),
		config.Int("n_embd", &c.width, 512, 1, 1<<16),
		config.Int("n_layer", &c.layers, 12, 1, 1<<10),
		config.Int("n_head", &c.heads, 8, 1, 1<<10),
		config.Float("initializer_range", &c.scale, 0.02, 0, 1),
		config.Rate("resid_pdrop", &c.dropout),
		config.Rate("attn_pdrop", &c.attentionDropout),
	}
}

// Build returns the module for the dimension "batch".
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, nil, c.fields(), "batch")
	if err != nil {
		return nil, err
	}
	if c.width%c.heads != 0 {
		return nil, config.Wrong("n_head", "%d heads do not divide n_embd %d", c.heads, c.width)
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	if r.Role == one {
		ids := ir.T(ir.I32, dims[0], 1)
		return nn.Module(r.Role, whole, []ir.Param{{Name: "position_ids", Type: ids}, {Name: "token_ids", Type: ids}}, func(n *nn.Net) {
			n.Epsilon = 1e-5
			n.Return("image_logits", n.Linear(c.trunk(n, c.embedOne(n)), "image_head", c.normal(), c.codes))
		})
	}
	inputs := []ir.Param{
		{Name: "image_codes", Type: ir.T(ir.I32, dims[0], c.side*c.side)},
		{Name: "text_ids", Type: ir.T(ir.I32, dims[0], c.text)},
	}
	return nn.Module(r.Role, whole, inputs, func(n *nn.Net) {
		n.Epsilon = 1e-5
		h := c.trunk(n, c.embed(n))
		end := n.Dim(h, 1)
		n.Return("text_logits", n.Linear(n.SliceDim(h, 1, 0, c.text), "text_head", c.normal(), c.vocab))
		n.Return("image_logits", n.Linear(n.SliceDim(h, 1, c.text, end), "image_head", c.normal(), c.codes))
	})
}

func (c *settings) normal() plugin.Init { return nn.Normal(c.scale) }

// embed returns what stands before each token: a start, then all tokens but the
// last [B,text+side*side,E]. A code's position is the sum of its row's and its
// column's.
func (c *settings) embed(n *nn.Net) ir.Value {
	text := n.Embedding(n.Input("text_ids"), "text_embed", c.normal(), c.vocab, c.width)
	text = n.AddLast(text, n.Weight("text_pos.weight", c.normal(), c.text, c.width))
	image := n.Embedding(n.Input("image_codes"), "image_embed", c.normal(), c.codes, c.width)
	image = n.AddLast(image, c.places(n))
	x := n.Prepend(n.Weight("start", c.normal(), c.width), n.Concatenate(1, text, image))
	return n.SliceDim(x, 1, 0, n.Dim(x, 1)-1)
}

// places are the positions of codes [side*side,E].
func (c *settings) places(n *nn.Net) ir.Value {
	shape := []int{c.side, c.side, c.width}
	rows := n.BroadcastInDim(n.Weight("row_pos.weight", c.normal(), c.side, c.width), shape, []int{0, 2})
	columns := n.BroadcastInDim(n.Weight("col_pos.weight", c.normal(), c.side, c.width), shape, []int{1, 2})
	return n.Reshape(n.Add(rows, columns), c.side*c.side, c.width)
}

// embedOne returns what embed does for the token at a position [B,1,E].
func (c *settings) embedOne(n *nn.Net) ir.Value {
	ids, at := n.Input("token_ids"), n.Input("position_ids")
	t := n.Type(ids)
	from := func(x ir.Value, first int) ir.Value { return n.Sub(x, n.Full(t, float64(first))) }
	// What is gathered for a token of another kind is not chosen below.
	text := n.Embedding(from(ids, 1), "text_embed", c.normal(), c.vocab, c.width)
	text = n.Add(text, n.Embedding(from(at, 1), "text_pos", c.normal(), c.text, c.width))
	image := n.Embedding(from(ids, 1+c.vocab), "image_embed", c.normal(), c.codes, c.width)
	image = n.Add(image, n.Gather(0, c.places(n), from(at, 1+c.text)))
	shape := n.Type(text).Shape
	upTo := func(last int) ir.Value {
		return n.BroadcastInDim(n.Compare("le", at, n.Full(t, float64(last))), shape, []int{0, 1})
	}
	start := n.BroadcastTo(n.Weight("start", c.normal(), c.width), shape...)
	return n.Select(upTo(0), start, n.Select(upTo(c.text), text, image))
}

// trunk is GPT-2's stack of blocks under Hugging Face's names, whose linear
// maps are [in, out].
func (c *settings) trunk(n *nn.Net, x ir.Value) ir.Value {
	linear := func(x ir.Value, name string, scale float64, out int) ir.Value {
		y := n.MatMul(x, n.Weight(name+".weight", nn.Normal(scale), n.Dim(x, -1), out))
		return n.AddLast(y, n.Weight(name+".bias", nn.Zeros(), out))
	}
	e, residual := c.width, c.scale/math.Sqrt(float64(2*c.layers))
	for i := range c.layers {
		h := "trunk.h." + strconv.Itoa(i) + "."
		qkv := linear(n.LayerNorm(x, h+"ln_1"), h+"attn.c_attn", c.scale, 3*e)
		part := func(k int) ir.Value { return n.Split(n.SliceDim(qkv, 2, k*e, (k+1)*e), c.heads) }
		y := linear(n.Join(n.Attend(part(0), part(1), part(2), nn.Attention{Causal: true, Dropout: c.attentionDropout})), h+"attn.c_proj", residual, e)
		x = n.Add(x, n.Drop(y, c.dropout))
		y = n.Unary("gelu_tanh", linear(n.LayerNorm(x, h+"ln_2"), h+"mlp.c_fc", c.scale, 4*e))
		x = n.Add(x, n.Drop(linear(y, h+"mlp.c_proj", residual, e), c.dropout))
	}
	return n.LayerNorm(x, "trunk.ln_f")
}
