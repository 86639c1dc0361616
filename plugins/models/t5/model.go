package t5

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
	role = "seq2seq_lm"
	// language is its decoder alone, which attends to no encoder.
	language = "causal_lm"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{Name: "t5", Version: "0.1.0", Doc: "Text-to-text transformers: T5 1.0 and 1.1.", Roles: []string{role, language}}
}

// settings are a whole configuration, under Hugging Face's names.
type settings struct {
	vocab, width, key, inner, encoder, decoder, heads, buckets, distance int
	mlp                                                                  string
	tied, scaled                                                         bool
	epsilon, factor, dropout                                             float64
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		config.Int("vocab_size", &c.vocab, 32128, 1, 1<<24),
		config.Int("d_model", &c.width, 512, 1, 1<<16),
		config.Int("d_kv", &c.key, 64, 1, 1<<12),
		config.Int("d_ff", &c.inner, 2048, 1, 1<<19),
		config.Int("num_layers", &c.encoder, 6, 1, 1<<10),
		config.Int("num_decoder_layers", &c.decoder, 6, 1, 1<<10),
		config.Int("num_heads", &c.heads, 8, 1, 1<<10),
		config.Int("relative_attention_num_buckets", &c.buckets, 32, 4, 256),
		config.Int("relative_attention_max_distance", &c.distance, 128, 2, 1<<16),
		config.Word("feed_forward_proj", &c.mlp, "relu", "gated-gelu"),
		config.Bool("tie_word_embeddings", &c.tied, true),
		config.Bool("scale_decoder_outputs", &c.scaled, true),
		config.Float("layer_norm_epsilon", &c.epsilon, 1e-6, 1e-12, 1),
		config.Float("initializer_factor", &c.factor, 1, 0, 100),
		config.Rate("dropout_rate", &c.dropout),
	}
}

// presets are the published checkpoints.
func (c *settings) presets() []config.Preset {
	set := func(width, key, inner, layers, heads int) func() {
		return func() {
			c.width, c.key, c.inner, c.encoder, c.decoder, c.heads = width, key, inner, layers, layers, heads
		}
	}
	gated := func(width, inner, layers, heads int) func() {
		return func() {
			set(width, 64, inner, layers, heads)()
			c.mlp, c.tied, c.scaled = "gated-gelu", false, false
		}
	}
	return []config.Preset{
		{Name: "t5-small", Set: set(512, 64, 2048, 6, 8)},
		{Name: "t5-base", Set: set(768, 64, 3072, 12, 12)},
		{Name: "t5-large", Set: set(1024, 64, 4096, 24, 16)},
		{Name: "t5-3b", Set: set(1024, 128, 16384, 24, 32)},
		{Name: "t5-11b", Set: set(1024, 128, 65536, 24, 128)},
		{Name: "t5-v1_1-small", Set: gated(512, 1024, 8, 6)},
		{Name: "t5-v1_1-base", Set: gated(768, 2048, 12, 12)},
		{Name: "t5-v1_1-large", Set: gated(1024, 2816, 24, 16)},
		{Name: "t5-v1_1-xl", Set: gated(2048, 5120, 24, 32)},
		{Name: "t5-v1_1-xxl", Set: gated(4096, 10240, 24, 64)},
	}
}

// Build returns the module for the dimensions "batch", "sequence" and, of
// seq2seq_lm, "target" (of the decoder). Dropout, 0.1 in the paper's
// fine-tuning and of attention probabilities too, is 0 unless given.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	names := []string{"batch", "sequence", "target"}
	if r.Role == language {
		names = names[:2]
	}
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), names...)
	if err != nil {
		return nil, err
	}
	switch {
	case c.buckets%4 != 0:
		return nil, config.Wrong("relative_attention_num_buckets", "must be a multiple of 4, is %d", c.buckets)
	case c.distance <= c.buckets/2:
		return nil, config.Wrong("relative_attention_max_distance", "must be more than half of relative_attention_num_buckets, %d, is %d", c.buckets/2, c.distance)
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	source := ir.T(ir.I32, dims[0], dims[1])
	inputs := []ir.Param{{Name: "input_ids", Type: source}, {Name: "segment_ids", Type: source}}
	if r.Role == role {
		target := ir.T(ir.I32, dims[0], dims[2])
		inputs = append([]ir.Param{{Name: "decoder_input_ids", Type: target}, {Name: "decoder_segment_ids", Type: target}}, inputs...)
	}
	return nn.Module(r.Role, whole, inputs, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		var hidden ir.Value
		if r.Role == language {
			hidden = c.decode(n, n.Input("input_ids"), n.Input("segment_ids"), ir.NoValue, ir.NoValue)
		} else {
			encoded := c.encode(n)
			hidden = c.decode(n, n.Input("decoder_input_ids"), n.Input("decoder_segment_ids"), encoded, n.Input("segment_ids"))
		}
		embedding := c.words(n)
		if !c.tied {
			embedding = n.Weight("lm_head.weight", nn.Normal(c.factor), c.vocab, c.width)
		}
		if c.scaled {
			hidden = n.Scale(hidden, 1/math.Sqrt(float64(c.width)))
		}
		n.Return("hidden", hidden)
		n.Return("output_embedding", embedding)
	})
}

func (c *settings) words(n *nn.Net) ir.Value {
	return n.Weight("shared.weight", nn.Normal(c.factor), c.vocab, c.width)
}

func (c *settings) encode(n *nn.Net) ir.Value {
	segments := n.Input("segment_ids")
	x := n.Drop(n.Gather(0, c.words(n), n.Input("input_ids")), c.dropout)
	bias := ir.NoValue
	for i := range c.encoder {
		block := "encoder.block." + strconv.Itoa(i) + ".layer."
		if i == 0 {
			bias = c.bias(n, block+"0.SelfAttention", n.Dim(x, 1), true)
		}
		y := n.RMSNorm(x, block+"0.layer_norm")
		x = n.Add(x, c.attend(n, block+"0.SelfAttention", y, y, bias, false, segments, segments))
		x = c.feed(n, block+"1.", x)
	}
	return n.Drop(n.RMSNorm(x, "encoder.final_layer_norm"), c.dropout)
}

// decode attends to what the encoder made of tokens in segments source, unless
// encoded is NoValue.
func (c *settings) decode(n *nn.Net, ids, segments, encoded, source ir.Value) ir.Value {
	x := n.Drop(n.Gather(0, c.words(n), ids), c.dropout)
	bias := ir.NoValue
	for i := range c.decoder {
		block := "decoder.block." + strconv.Itoa(i) + ".layer."
		if i == 0 {
			bias = c.bias(n, block+"0.SelfAttention", n.Dim(x, 1), false)
		}
		y := n.RMSNorm(x, block+"0.layer_norm")
		x = n.Add(x, c.attend(n, block+"0.SelfAttention", y, y, bias, true, segments, segments))
		if encoded != ir.NoValue {
			y = n.RMSNorm(x, block+"1.layer_norm")
			x = n.Add(x, c.attend(n, block+"1.EncDecAttention", y, encoded, ir.NoValue, false, segments, source))
		}
		x = c.feed(n, block+"2.", x)
	}
	return n.Drop(n.RMSNorm(x, "decoder.final_layer_norm"), c.dropout)
}

// attend is attention of y to source, which has a bias among its own tokens
// only; scores are not scaled, which the first values of the query's weights
// make up for.
func (c *settings) attend(n *nn.Net, name string, y, source, bias ir.Value, causal bool, segments ...ir.Value) ir.Value {
	project := func(x ir.Value, part string, fanIn int) ir.Value {
		return n.Split(n.Project(x, name+part, c.normal(fanIn), c.heads*c.key), c.heads)
	}
	q, k, v := project(y, ".q", c.width*c.key), project(source, ".k", c.width), project(source, ".v", c.width)
	a := nn.Attention{Causal: causal, Scale: 1, Segments: segments, Dropout: c.dropout}
	if bias != ir.NoValue {
		a.Bias = []ir.Value{bias}
	}
	y = n.Attend(q, k, v, a)
	return n.Drop(n.Project(n.Join(y), name+".o", c.normal(c.heads*c.key), c.width), c.dropout)
}

func (c *settings) feed(n *nn.Net, layer string, x ir.Value) ir.Value {
	y, dense := n.RMSNorm(x, layer+"layer_norm"), layer+"DenseReluDense."
	if c.mlp == "relu" {
		y = n.Unary("relu", n.Project(y, dense+"wi", c.normal(c.width), c.inner))
	} else {
		gate := n.Unary("gelu_tanh", n.Project(y, dense+"wi_0", c.normal(c.width), c.inner))
		y = n.Mul(gate, n.Project(y, dense+"wi_1", c.normal(c.width), c.inner))
	}
	y = n.Project(n.Drop(y, c.dropout), dense+"wo", c.normal(c.inner), c.width)
	return n.Add(x, n.Drop(y, c.dropout))
}

func (c *settings) normal(fanIn int) plugin.Init {
	return nn.Normal(c.factor / math.Sqrt(float64(fanIn)))
}

// bias returns what is added to scores of s queries and keys, f32[1,H,s,s].
func (c *settings) bias(n *nn.Net, name string, s int, both bool) ir.Value {
	weight := n.Weight(name+".relative_attention_bias.weight", c.normal(c.width), c.buckets, c.heads)
	return n.RelativePositionBias(weight, s, s, both, c.distance)
}
