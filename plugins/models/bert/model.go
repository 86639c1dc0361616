package bert

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
	maskedLM = "masked_lm"
	// pretraining is masked_lm with a head for pairs of sentences.
	pretraining = "masked_lm+next_sentence"
	// nextSentence is that head alone.
	nextSentence = "next_sentence"
	// classifier has a head for classes of texts.
	classifier = "text_classifier"
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{
		Name:    "bert",
		Version: "0.1.0",
		Doc:     "Bidirectional transformer encoders: BERT.",
		Roles:   []string{maskedLM, pretraining, nextSentence, classifier},
	}
}

// settings are a whole configuration, under Hugging Face's names.
type settings struct {
	vocab, width, layers, heads, inner, positions, types, labels int
	activation                                                   string
	epsilon, scale, dropout, attentionDropout                    float64
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		config.Int("vocab_size", &c.vocab, 30522, 1, 1<<24),
		config.Int("hidden_size", &c.width, 768, 1, 1<<16),
		config.Int("num_hidden_layers", &c.layers, 12, 1, 1<<10),
		config.Int("num_attention_heads", &c.heads, 12, 1, 1<<10),
		config.Int("intermediate_size", &c.inner, 3072, 1, 1<<19),
		config.Int("max_position_embeddings", &c.positions, 512, 1, 1<<20),
		config.Int("type_vocab_size", &c.types, 2, 1, 1<<10),
		config.Int("num_labels", &c.labels, 2, 1, 1<<20), // of text_classifier
		config.Word("hidden_act", &c.activation, "gelu", "gelu_tanh", "relu", "silu"),
		config.Float("layer_norm_eps", &c.epsilon, 1e-12, 1e-12, 1),
		config.Float("initializer_range", &c.scale, 0.02, 0, 1),
		config.Rate("hidden_dropout_prob", &c.dropout),
		config.Rate("attention_probs_dropout_prob", &c.attentionDropout),
	}
}

// presets are the sizes of the paper's section 3.
func (c *settings) presets() []config.Preset {
	return []config.Preset{
		{Name: "bert-base-uncased", Set: func() {}},
		{Name: "bert-large-uncased", Set: func() { c.width, c.layers, c.heads, c.inner = 1024, 24, 16, 4096 }},
	}
}

// Build returns the module for the dimensions "batch" and "sequence". Dropout,
// 0.1 in the paper, is 0 unless given.
func (m model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	var c settings
	dims, err := nn.Begin(ctx, m.Info(), r, c.presets(), c.fields(), "batch", "sequence")
	if err != nil {
		return nil, err
	}
	switch {
	case c.width%c.heads != 0:
		return nil, config.Wrong("num_attention_heads", "%d heads do not divide hidden_size %d", c.heads, c.width)
	case dims[1] > c.positions:
		return nil, config.Wrong("max_position_embeddings", "%d is less than the dimension \"sequence\", %d", c.positions, dims[1])
	}
	whole, err := config.JSON(c.fields()...)
	if err != nil {
		return nil, err
	}
	var inputs []ir.Param
	for _, name := range []string{"input_ids", "position_ids", "segment_ids", "token_type_ids"} {
		inputs = append(inputs, ir.Param{Name: name, Type: ir.T(ir.I32, dims...)})
	}
	return nn.Module(r.Role, whole, inputs, func(n *nn.Net) {
		n.Epsilon = c.epsilon
		x := c.encode(n)
		if r.Role != maskedLM {
			pooled := n.Unary("tanh", c.linear(n, n.Token(x, 0), "bert.pooler.dense", c.width))
			if r.Role == classifier {
				n.Return("logits", c.linear(n, n.Drop(pooled, c.dropout), "classifier", c.labels))
				n.Return("features", pooled)
				return
			}
			n.Return("next_sentence_logits", c.linear(n, pooled, "cls.seq_relationship", 2))
		}
		if r.Role == nextSentence {
			return
		}
		y := n.Unary(c.activation, c.linear(n, x, "cls.predictions.transform.dense", c.width))
		n.Return("hidden", n.LayerNorm(y, "cls.predictions.transform.LayerNorm"))
		n.Return("output_embedding", c.words(n))
		n.Return("output_bias", n.Weight("cls.predictions.bias", nn.Zeros(), c.vocab))
	})
}

func (c *settings) linear(n *nn.Net, x ir.Value, name string, out int) ir.Value {
	return n.Linear(x, name, nn.Normal(c.scale), out)
}

func (c *settings) words(n *nn.Net) ir.Value {
	return n.Weight("bert.embeddings.word_embeddings.weight", nn.Normal(c.scale), c.vocab, c.width)
}

// encode returns the last layer's output [B,S,E].
func (c *settings) encode(n *nn.Net) ir.Value {
	embed := func(input, name string, rows int) ir.Value {
		return n.Embedding(n.Input(input), "bert.embeddings."+name, nn.Normal(c.scale), rows, c.width)
	}
	x := n.Add(n.Gather(0, c.words(n), n.Input("input_ids")), embed("token_type_ids", "token_type_embeddings", c.types))
	x = n.Add(x, embed("position_ids", "position_embeddings", c.positions))
	x = n.Drop(n.LayerNorm(x, "bert.embeddings.LayerNorm"), c.dropout)
	segments := n.Input("segment_ids")
	for i := range c.layers {
		layer := "bert.encoder.layer." + strconv.Itoa(i) + "."
		head := func(name string) ir.Value {
			return n.Split(c.linear(n, x, layer+"attention.self."+name, c.width), c.heads)
		}
		y := n.Join(n.Attend(head("query"), head("key"), head("value"), nn.Attention{Segments: []ir.Value{segments, segments}, Dropout: c.attentionDropout}))
		y = n.Drop(c.linear(n, y, layer+"attention.output.dense", c.width), c.dropout)
		x = n.LayerNorm(n.Add(y, x), layer+"attention.output.LayerNorm")
		y = n.Unary(c.activation, c.linear(n, x, layer+"intermediate.dense", c.inner))
		y = n.Drop(c.linear(n, y, layer+"output.dense", c.width), c.dropout)
		x = n.LayerNorm(n.Add(y, x), layer+"output.LayerNorm")
	}
	return x
}
