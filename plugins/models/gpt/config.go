package gpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	pluginconfig "github.com/seedbed/seedbed/abi/plugin/config"
)

// maxConfigBytes bounds the JSON text of a configuration.
const maxConfigBytes = 1 << 16

// config is a whole configuration, in the order in which it is written.
type config struct {
	VocabSize        int     `json:"vocab_size"`
	NPositions       int     `json:"n_positions"`
	NEmbd            int     `json:"n_embd"`
	NLayer           int     `json:"n_layer"`
	NHead            int     `json:"n_head"`
	NKVHead          int     `json:"n_kv_head"`
	HeadDim          int     `json:"head_dim"`
	NInner           int     `json:"n_inner"`
	Norm             string  `json:"norm"`
	Position         string  `json:"position"`
	MLP              string  `json:"mlp"`
	Activation       string  `json:"activation"`
	Bias             bool    `json:"bias"`
	TieEmbeddings    bool    `json:"tie_embeddings"`
	LayerNormEpsilon float64 `json:"layer_norm_epsilon"`
	InitializerRange float64 `json:"initializer_range"`
	EmbdPdrop        float64 `json:"embd_pdrop"`
	AttnPdrop        float64 `json:"attn_pdrop"`
	ResidPdrop       float64 `json:"resid_pdrop"`
	// RopeTheta is 0, and left out, where positions are learned.
	RopeTheta float64 `json:"rope_theta,omitempty"`
}

// field is a field of the configuration and where its value goes: *int,
// *float64, *bool or *string.
type field struct {
	name string
	to   any
}

func (c *config) fields() []field {
	return []field{
		{"vocab_size", &c.VocabSize}, {"n_positions", &c.NPositions}, {"n_embd", &c.NEmbd}, {"n_layer", &c.NLayer},
		{"n_head", &c.NHead}, {"n_kv_head", &c.NKVHead}, {"head_dim", &c.HeadDim}, {"n_inner", &c.NInner},
		{"norm", &c.Norm}, {"position", &c.Position}, {"mlp", &c.MLP}, {"activation", &c.Activation},
		{"bias", &c.Bias}, {"tie_embeddings", &c.TieEmbeddings},
		{"layer_norm_epsilon", &c.LayerNormEpsilon}, {"initializer_range", &c.InitializerRange},
		{"embd_pdrop", &c.EmbdPdrop}, {"attn_pdrop", &c.AttnPdrop}, {"resid_pdrop", &c.ResidPdrop},
		{"rope_theta", &c.RopeTheta},
	}
}

// presets are the sizes of Radford et al. 2019, table 2, in Hugging Face's
// names for them.
var presets = []struct {
	name                 string
	nEmbd, nLayer, nHead int
}{
	{"gpt2", 768, 12, 12},
	{"gpt2-medium", 1024, 24, 16},
	{"gpt2-large", 1280, 36, 20},
	{"gpt2-xl", 1600, 48, 25},
}

// aliases are names that other configurations have for fields of this one;
// they only make the error for an unknown field better.
var aliases = map[string]string{
	"activation_function":     "activation",
	"attention_bias":          "bias",
	"attention_dropout":       "attn_pdrop",
	"dropout":                 "resid_pdrop",
	"hidden_act":              "activation",
	"hidden_size":             "n_embd",
	"intermediate_size":       "n_inner",
	"max_position_embeddings": "n_positions",
	"mlp_bias":                "bias",
	"n_ctx":                   "n_positions",
	"num_attention_heads":     "n_head",
	"num_hidden_layers":       "n_layer",
	"num_key_value_heads":     "n_kv_head",
	"rms_norm_eps":            "layer_norm_epsilon",
	"tie_word_embeddings":     "tie_embeddings",
}

func wrong(field, format string, args ...any) error {
	return &plugin.ConfigError{Field: field, Msg: fmt.Sprintf(format, args...)}
}

// parseConfig reads a configuration, fills in what it leaves out and checks
// the whole.
func parseConfig(raw json.RawMessage) (config, error) {
	given, order, err := parseObject(raw)
	if err != nil {
		return config{}, fmt.Errorf("gpt: the configuration: %w", err)
	}
	var c config
	known := []string{"preset"}
	for _, f := range c.fields() {
		known = append(known, f.name)
	}
	for _, name := range order {
		if !slices.Contains(known, name) {
			if near, ok := aliases[name]; ok {
				return config{}, wrong(name, "there is no such field; the nearest is %q", near)
			}
			return config{}, pluginconfig.Unknown(name, known)
		}
		if bytes.Equal(given[name], []byte("null")) {
			delete(given, name)
		}
	}
	preset := presets[0].name
	if err := given.read("preset", &preset); err != nil {
		return config{}, err
	}
	// The family comes first: the other defaults depend on it.
	c = config{Norm: "layer_norm", Position: "learned", MLP: "plain"}
	for _, f := range c.fields() {
		if f.name == "norm" || f.name == "position" || f.name == "mlp" {
			if err := given.read(f.name, f.to); err != nil {
				return config{}, err
			}
		}
	}
	if err := c.checkFamily(); err != nil {
		return config{}, err
	}
	if err := c.setDefaults(preset); err != nil {
		return config{}, err
	}
	for _, f := range c.fields() {
		if err := given.read(f.name, f.to); err != nil {
			return config{}, err
		}
	}
	if err := c.checkSizes(); err != nil {
		return config{}, err
	}
	if err := c.derive(given); err != nil {
		return config{}, err
	}
	return c, c.checkRest(given)
}

// llama reports whether the model is of the Llama family, not GPT-2's.
func (c *config) llama() bool { return c.Norm == "rms_norm" }

// checkFamily refuses unknown words and mixtures of the families. Of three
// options, a mixture has one that differs from the other two: the error is
// about that one.
func (c *config) checkFamily() error {
	options := []struct{ name, value, gpt2, llama string }{
		{"norm", c.Norm, "layer_norm", "rms_norm"},
		{"position", c.Position, "learned", "rotary"},
		{"mlp", c.MLP, "plain", "gated"},
	}
	llama := 0
	for _, o := range options {
		if err := oneOf(o.name, o.value, o.gpt2, o.llama); err != nil {
			return err
		}
		if o.value == o.llama {
			llama++
		}
	}
	if llama == 0 || llama == len(options) {
		return nil
	}
	for i, o := range options {
		if (o.value == o.llama) == (llama == 1) {
			p, q := options[(i+1)%3], options[(i+2)%3]
			return wrong(o.name, "%s with %s %s and %s %s has no published parameter names; norm layer_norm, position learned and mlp plain go together (GPT-2), as do rms_norm, rotary and gated (Llama)",
				o.value, p.name, p.value, q.name, q.value)
		}
	}
	return nil
}

// setDefaults fills in what does not depend on other numbers.
func (c *config) setDefaults(preset string) error {
	c.VocabSize, c.NPositions, c.InitializerRange = 50257, 1024, 0.02
	if c.llama() {
		c.Activation, c.LayerNormEpsilon, c.RopeTheta = "silu", 1e-6, 10000
	} else {
		c.Activation, c.LayerNormEpsilon, c.Bias, c.TieEmbeddings = "gelu_tanh", 1e-5, true, true
	}
	var names []string
	for _, p := range presets {
		if p.name == preset {
			c.NEmbd, c.NLayer, c.NHead = p.nEmbd, p.nLayer, p.nHead
			return nil
		}
		names = append(names, p.name)
	}
	return oneOf("preset", preset, names...)
}

// checkSizes bounds the numbers from which others are derived.
func (c *config) checkSizes() error {
	return firstError(
		between("vocab_size", c.VocabSize, 1, 1<<24),
		between("n_positions", c.NPositions, 1, 1<<20),
		between("n_embd", c.NEmbd, 1, 1<<16),
		between("n_layer", c.NLayer, 1, 1<<10),
		between("n_head", c.NHead, 1, 1<<10),
	)
}

// derive fills in the sizes that follow from others.
func (c *config) derive(given object) error {
	if given["n_inner"] == nil {
		c.NInner = 4 * c.NEmbd
		if c.llama() {
			// Two thirds, since there are three matrices in the place of two
			// (Shazeer, arXiv 2002.05202), rounded as in Llama's released code.
			c.NInner = (2*c.NInner/3 + 255) / 256 * 256
		}
	}
	if given["n_kv_head"] == nil {
		c.NKVHead = c.NHead
	}
	if given["head_dim"] == nil || !c.llama() {
		if c.NEmbd%c.NHead != 0 {
			return wrong("n_head", "%d heads do not divide n_embd %d", c.NHead, c.NEmbd)
		}
		if d := c.NEmbd / c.NHead; given["head_dim"] == nil {
			c.HeadDim = d
		} else if c.HeadDim != d {
			return wrong("head_dim", "%d is not n_embd / n_head = %d, the only one that GPT-2's parameter names allow", c.HeadDim, d)
		}
	}
	return nil
}

// checkRest checks everything that checkFamily, checkSizes and derive do not.
func (c *config) checkRest(given object) error {
	if err := firstError(
		between("n_kv_head", c.NKVHead, 1, c.NHead),
		between("head_dim", c.HeadDim, 1, 4096),
		between("n_inner", c.NInner, 1, 1<<19),
		oneOf("activation", c.Activation, "gelu_tanh", "gelu", "silu", "relu"),
		betweenFloats("layer_norm_epsilon", c.LayerNormEpsilon, 1e-12, 1),
		betweenFloats("initializer_range", c.InitializerRange, 0, 1),
		probability("embd_pdrop", c.EmbdPdrop),
		probability("attn_pdrop", c.AttnPdrop),
		probability("resid_pdrop", c.ResidPdrop),
	); err != nil {
		return err
	}
	switch {
	case c.AttnPdrop != 0:
		return wrong("attn_pdrop", "dropout of attention probabilities is not supported: must be 0, is %v", c.AttnPdrop)
	case c.NHead%c.NKVHead != 0:
		return wrong("n_kv_head", "%d key heads do not divide n_head %d", c.NKVHead, c.NHead)
	case !c.llama() && c.NKVHead != c.NHead:
		return wrong("n_kv_head", "%d is not n_head %d, the only one that GPT-2's parameter names allow", c.NKVHead, c.NHead)
	case !c.llama() && given["rope_theta"] != nil:
		return wrong("rope_theta", "applies to position rotary only; positions are learned")
	case c.llama() && c.HeadDim%2 != 0:
		return wrong("head_dim", "must be even for position rotary, is %d", c.HeadDim)
	case c.llama():
		return betweenFloats("rope_theta", c.RopeTheta, 1, 1e12)
	}
	return nil
}

func between(name string, v, lo, hi int) error {
	if v < lo || v > hi {
		return wrong(name, "must be %d to %d, is %d", lo, hi, v)
	}
	return nil
}

func betweenFloats(name string, v, lo, hi float64) error {
	if !(v >= lo && v <= hi) {
		return wrong(name, "must be %v to %v, is %v", lo, hi, v)
	}
	return nil
}

func probability(name string, v float64) error {
	if !(v >= 0 && v < 1) {
		return wrong(name, "must be at least 0 and below 1, is %v", v)
	}
	return nil
}

func oneOf(name, v string, words ...string) error {
	if !slices.Contains(words, v) {
		return wrong(name, "must be one of %s, is %q", strings.Join(words, ", "), pluginconfig.Clip(v))
	}
	return nil
}

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// object holds the fields of a JSON object that are not null.
type object map[string]json.RawMessage

// read decodes a field, where it is given, into a *int, *float64, *bool or
// *string.
func (o object) read(name string, to any) error {
	raw, ok := o[name]
	if !ok || json.Unmarshal(raw, to) == nil {
		return nil
	}
	var want string
	switch to.(type) {
	case *int:
		want = "a whole number of at most 64 bits"
	case *float64:
		want = "a number within the range of float64"
	case *bool:
		want = "true or false"
	case *string:
		want = "a string"
	}
	return wrong(name, "must be %s, is %s", want, pluginconfig.Clip(string(raw)))
}

// parseObject splits a JSON object into its fields and gives their names in
// order. Unlike encoding/json's own decoding into structs it refuses a field
// that is given twice and knows upper from lower case. Empty text is an empty
// object.
func parseObject(raw json.RawMessage) (object, []string, error) {
	o := object{}
	if len(raw) > maxConfigBytes {
		return nil, nil, fmt.Errorf("%d bytes are more than %d", len(raw), maxConfigBytes)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.Join(errors.New("must be a JSON object"), err)
	}
	var order []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		name, _ := t.(string) // the decoder lets nothing else be a name
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, nil, fmt.Errorf("field %q: %w", pluginconfig.Clip(name), err)
		}
		if _, twice := o[name]; twice {
			return nil, nil, wrong(pluginconfig.Clip(name), "is given twice")
		}
		o[name] = v
		order = append(order, name)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("something follows the JSON object")
	}
	return o, order, nil
}
