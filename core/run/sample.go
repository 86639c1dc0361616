package run

import (
	"context"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/datasets/tokenizer"
)

// causalLM is the role of models that can generate text.
const causalLM = "causal_lm"

// sampled is how the sample at the end of a run is drawn.
var sampled = generate.Options{Sampling: generate.Sampling{Temperature: 0.8, TopK: 40}, MaxTokens: 96}

// goPrompt begins the sample of a model of the Go toolchain's sources; that of
// other text begins as a document does.
const goPrompt = "func New("

// sequenceDims are the dimensions of causalLM for one sequence.
func sequenceDims(sequence int) map[string]int {
	return map[string]int{"batch": 1, "sequence": sequence}
}

// sample lets the trained model write.
func (s *session) sample(ctx context.Context, t *train.Trainer, result *Result) error {
	if s.learned[0].role != causalLM || s.data.tokenizer == nil {
		return nil
	}
	if len(s.Recipe.Data.Paths) == 0 {
		result.Prompt = goPrompt
	}
	g, err := generate.New(ctx, generate.Config{
		Device: s.device, Parameter: t.Parameter, Context: s.Recipe.Train.SequenceLength,
		Build: func(ctx context.Context, sequence int) (*plugin.Module, error) {
			return s.build(ctx, causalLM, sequenceDims(sequence))
		},
	})
	if err != nil {
		return err
	}
	defer g.Close()
	o := sampled
	o.Seed = s.Recipe.Seed
	var text strings.Builder
	_, err = write(ctx, g, s.data.tokenizer, result.Prompt, o, func(piece string) error {
		text.WriteString(piece)
		return nil
	})
	result.Sample = text.String()
	return err
}

// write generates what follows a prompt, as text, and returns the number of
// tokens.
func write(ctx context.Context, g *generate.Generator, tok *tokenizer.Tokenizer, prompt string, o generate.Options, text func(string) error) (int, error) {
	// A document begins after the end of another.
	end, err := tok.EndOfText()
	if err != nil {
		return 0, err
	}
	o.Stop = end
	encoded, err := tok.Encode(prompt)
	if err != nil {
		return 0, err
	}
	stream, n := tok.NewTextStream(true), 0
	for id, err := range g.Tokens(ctx, append([]int32{end}, encoded.IDs...), o) {
		if err != nil {
			return n, err
		}
		n++
		piece, err := stream.Next(id)
		if err != nil {
			return n, err
		}
		if err := text(piece); err != nil {
			return n, err
		}
	}
	return n, text(stream.Flush())
}
