package gpt

import (
	"encoding/json"

	"github.com/seedbed/seedbed/abi/plugin/config"
)

const maxHeadDim = 4096

// settings are a whole configuration.
type settings struct {
	VocabSize, NPositions                          int
	NEmbd, NLayer, NHead, NKVHead, HeadDim, NInner int
	Norm, Position, MLP, Activation                string
	Bias, TieEmbeddings                            bool
	LayerNormEpsilon, InitializerRange             float64
	EmbdPdrop, AttnPdrop, ResidPdrop               float64
	RopeTheta                                      float64 // 0 where positions are learned
}

// family is what GPT-2 and Llama differ in by default.
type family struct {
	activations         []string // the first is the default
	epsilon, theta      float64
	bias, tieEmbeddings bool
}

var (
	gpt2Family  = family{activations: []string{"gelu_tanh", "gelu", "silu", "relu"}, epsilon: 1e-5, bias: true, tieEmbeddings: true}
	llamaFamily = family{activations: []string{"silu", "gelu_tanh", "gelu", "relu"}, epsilon: 1e-6, theta: 10000}
)

// fields are the configuration's, in the order in which it is written. What is
// 0 unless given follows from others.
func (c *settings) fields(of family) []config.Field {
	return []config.Field{
		config.Int("vocab_size", &c.VocabSize, 50257, 1, 1<<24),
		config.Int("n_positions", &c.NPositions, 1024, 1, 1<<20).Also("max_position_embeddings", "n_ctx"),
		config.Int("n_embd", &c.NEmbd, 0, 1, 1<<16).Also("hidden_size"),
		config.Int("n_layer", &c.NLayer, 0, 1, 1<<10).Also("num_hidden_layers"),
		config.Int("n_head", &c.NHead, 0, 1, 1<<10).Also("num_attention_heads"),
		config.Int("n_kv_head", &c.NKVHead, 0, 0, 1<<10).Also("num_key_value_heads"),
		config.Int("head_dim", &c.HeadDim, 0, 0, maxHeadDim),
		config.Int("n_inner", &c.NInner, 0, 0, 1<<19).Also("intermediate_size"),
		config.Word("norm", &c.Norm, "layer_norm", "rms_norm"),
		config.Word("position", &c.Position, "learned", "rotary"),
		config.Word("mlp", &c.MLP, "plain", "gated"),
		config.Word("activation", &c.Activation, of.activations...).Also("activation_function", "hidden_act"),
		config.Bool("bias", &c.Bias, of.bias).Also("attention_bias", "mlp_bias"),
		config.Bool("tie_embeddings", &c.TieEmbeddings, of.tieEmbeddings).Also("tie_word_embeddings"),
		config.Float("layer_norm_epsilon", &c.LayerNormEpsilon, of.epsilon, 1e-12, 1).Also("rms_norm_eps"),
		config.Float("initializer_range", &c.InitializerRange, 0.02, 0, 1),
		config.Rate("embd_pdrop", &c.EmbdPdrop),
		config.Rate("attn_pdrop", &c.AttnPdrop).Also("attention_dropout"),
		config.Rate("resid_pdrop", &c.ResidPdrop).Also("dropout"),
		config.Float("rope_theta", &c.RopeTheta, of.theta, 0, 1e12),
	}
}

// presets are the sizes of Radford et al. 2019, table 2, in Hugging Face's
// names for them.
func (c *settings) presets() []config.Preset {
	size := func(name string, embd, layers, heads int) config.Preset {
		return config.Preset{Name: name, Set: func() { c.NEmbd, c.NLayer, c.NHead = embd, layers, heads }}
	}
	return []config.Preset{size("gpt2", 768, 12, 12), size("gpt2-medium", 1024, 24, 16), size("gpt2-large", 1280, 36, 20), size("gpt2-xl", 1600, 48, 25)}
}

// parseSettings reads a configuration, fills in what it leaves out and checks
// the whole.
func parseSettings(raw json.RawMessage) (settings, error) {
	var c settings
	err := config.Read(raw, c.presets(), c.fields(gpt2Family)...)
	if err == nil {
		err = c.checkFamily()
	}
	if err == nil && c.llama() {
		err = config.Read(raw, c.presets(), c.fields(llamaFamily)...)
	}
	if err == nil {
		err = c.derive()
	}
	if err == nil {
		err = c.check()
	}
	return c, err
}

// JSON writes the configuration so that parseSettings reads it again.
func (c *settings) JSON() (json.RawMessage, error) {
	fields := c.fields(gpt2Family)
	if !c.llama() {
		fields = fields[:len(fields)-1] // without rope_theta
	}
	return config.JSON(fields...)
}

// llama reports whether the model is of the Llama family, not GPT-2's.
func (c *settings) llama() bool { return c.Norm == "rms_norm" }

// checkFamily refuses mixtures of the families. Of three options, a mixture has
// one that differs from the other two: the error is about that one.
func (c *settings) checkFamily() error {
	options := []struct {
		name, value string
		llama       bool
	}{
		{"norm", c.Norm, c.Norm == "rms_norm"},
		{"position", c.Position, c.Position == "rotary"},
		{"mlp", c.MLP, c.MLP == "gated"},
	}
	for i, o := range options {
		p, q := options[(i+1)%3], options[(i+2)%3]
		if p.llama == q.llama && o.llama != p.llama {
			return config.Wrong(o.name, "%s with %s %s and %s %s has no published parameter names; norm layer_norm, position learned and mlp plain go together (GPT-2), as do rms_norm, rotary and gated (Llama)",
				o.value, p.name, p.value, q.name, q.value)
		}
	}
	return nil
}

// derive fills in the sizes that follow from others.
func (c *settings) derive() error {
	if c.NInner == 0 {
		c.NInner = 4 * c.NEmbd
		if c.llama() {
			// Two thirds, since there are three matrices in the place of two
			// (Shazeer, arXiv 2002.05202), rounded as in Llama's released code.
			c.NInner = (2*c.NInner/3 + 255) / 256 * 256
		}
	}
	if c.NKVHead == 0 {
		c.NKVHead = c.NHead
	}
	if c.HeadDim != 0 && c.llama() {
		return nil
	}
	if c.NEmbd%c.NHead != 0 {
		return config.Wrong("n_head", "%d heads do not divide n_embd %d", c.NHead, c.NEmbd)
	}
	d := c.NEmbd / c.NHead
	if c.HeadDim != 0 && c.HeadDim != d {
		return config.Wrong("head_dim", "%d is not n_embd / n_head = %d, the only one that GPT-2's parameter names allow", c.HeadDim, d)
	}
	c.HeadDim = d
	return nil
}

// check checks what fields need of one another.
func (c *settings) check() error {
	switch wrong := config.Wrong; {
	case c.NKVHead > c.NHead:
		return wrong("n_kv_head", "must be 1 to %d, is %d", c.NHead, c.NKVHead)
	case c.NHead%c.NKVHead != 0:
		return wrong("n_kv_head", "%d key heads do not divide n_head %d", c.NKVHead, c.NHead)
	case !c.llama() && c.NKVHead != c.NHead:
		return wrong("n_kv_head", "%d is not n_head %d, the only one that GPT-2's parameter names allow", c.NKVHead, c.NHead)
	case c.HeadDim > maxHeadDim: // derived
		return wrong("head_dim", "must be 1 to %d, is %d", maxHeadDim, c.HeadDim)
	case !c.llama() && c.RopeTheta != 0:
		return wrong("rope_theta", "applies to position rotary only; positions are learned")
	case c.llama() && c.HeadDim%2 != 0:
		return wrong("head_dim", "must be even for position rotary, is %d", c.HeadDim)
	case c.llama() && c.RopeTheta < 1:
		return wrong("rope_theta", "must be 1 to 1e+12, is %v", c.RopeTheta)
	}
	return nil
}
