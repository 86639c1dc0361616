package span_corruption

import (
	"context"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// settings are the objective's configuration.
type settings struct {
	density, mean float64
	sentinel      int
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		// The part of the tokens that is replaced, and the mean length of a span.
		config.Float("noise_density", &c.density, 0.15, 0.001, 0.9),
		config.Float("mean_noise_span_length", &c.mean, 3, 1, 1000),
		// The first sentinel; the others count down from it. -1 is the model's last
		// token.
		config.Int("sentinel_token_id", &c.sentinel, -1, -1, math.MaxInt32),
	}
}

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "span_corruption", Version: "1.0.0", Doc: "predicts spans that are missing from a text", Roles: []string{"seq2seq_lm"}}
}

// binding is the objective fitted to a model and a dataset.
type binding struct {
	batch.Seq2Seq
	settings
	column, length int
	text           int // tokens of a row that are used
	noise, spans   int // of these, how many are replaced, in how many spans
}

// Bind needs a model of role seq2seq_lm (see batch.Seq2Seq). Rows have a
// column tokens, fixed_size_list<int32>. Of each row it takes as many tokens as
// source and target have room for.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	if err := config.Read(r.Config, nil, append(b.settings.fields(), b.Fields()...)...); err != nil {
		return nil, err
	}
	if err := b.Seq2Seq.Bind(r); err != nil {
		return nil, err
	}
	var err error
	if b.column, b.length, err = batch.NeedLists(r.Rows, "tokens", arrow.PrimitiveTypes.Int32, 2); err != nil {
		return nil, err
	}
	for b.text = b.length; b.text >= 2; b.text-- {
		b.noise, b.spans = b.split(b.text)
		if b.text-b.noise+b.spans+1 <= b.Source && b.noise+b.spans+1 <= b.Target {
			break
		}
	}
	if b.text < 2 {
		return nil, fmt.Errorf("a source of %d and a target of %d tokens have no room for a text with one span missing; they need 3 each", b.Source, b.Target)
	}
	if err := b.NeedEnd(); err != nil {
		return nil, err
	}
	if b.sentinel < 0 {
		if b.sentinel = b.Vocab - 1; b.Vocab-b.spans < b.Known {
			return nil, config.Wrong("sentinel_token_id", "must be given: the last %d of the model's %d tokens are not free, the dataset has %d; or raise the model's vocab_size to %d",
				b.spans, b.Vocab, b.Known, b.Known+b.spans)
		}
	}
	if b.sentinel >= b.Vocab || b.sentinel < b.spans-1 {
		return nil, config.Wrong("sentinel_token_id", "%d and the %d below it must be in the model's vocabulary 0 to %d", b.sentinel, b.spans-1, b.Vocab-1)
	}
	return b, nil
}

// split returns how many of n tokens are replaced, in how many spans: both
// rounded, at least one, and with a token between spans.
func (c *settings) split(n int) (noise, spans int) {
	noise = min(max(1, int(math.Round(c.density*float64(n)))), n-1)
	spans = min(max(1, int(math.Round(float64(noise)/c.mean))), noise, n-noise)
	return noise, spans
}
