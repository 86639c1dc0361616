package tokens

import (
	"context"
	"math"
)

// Baseline is what counting alone achieves on the validation split: what a model has to beat. Losses are the mean of -ln p over
// all tokens of the split but the first, under counts of the training split.
type Baseline struct {
	// UnigramLoss, in nats a token: p(b) = (count(b) + 1) / (tokens + vocabulary).
	UnigramLoss float64 `json:"unigram_loss"`

	// BigramLoss, in nats a token: p(b|a) = (count(a b) + m p(b)) / (count(a) + m) with the unigram's p(b) (MacKay and Peto 1995,
	// "A hierarchical Dirichlet language model"). BigramPrior is m, the power of two up to 65536 that is best on the validation
	// split itself, which favours the baseline.
	BigramLoss  float64 `json:"bigram_loss"`
	BigramPrior float64 `json:"bigram_prior"`

	// BytesPerToken is the text of the validation split, in bytes, divided by its tokens, ends of documents included. A loss in
	// nats a token is loss / ln 2 / BytesPerToken in bits a byte.
	BytesPerToken float64 `json:"bytes_per_token"`
}

// BitsPerByte converts a loss in nats a token.
func (b Baseline) BitsPerByte(loss float64) float64 { return loss / math.Ln2 / b.BytesPerToken }

const countTokens = 1 << 18 // what a goroutine counts at a time

// newBaseline counts. It keeps only the pairs that occur in the validation split, and thus needs memory by that split's size.
func newBaseline(ctx context.Context, train, validation *stream, workers int) (*Baseline, error) {
	if validation.split.Tokens < 2 {
		return &Baseline{}, nil // too short for any row
	}
	vocab := train.vocabSize
	valid, pairs := make([]int64, vocab), map[uint64]int32{}
	var validPairs []int64
	err := eachPair(validation, 0, validation.split.Tokens, make([]int32, countTokens+1), func(a, b int32) {
		valid[b]++
		pair := uint64(a)<<32 | uint64(b)
		i, ok := pairs[pair]
		if !ok {
			i = int32(len(validPairs))
			pairs[pair] = i
			validPairs = append(validPairs, 0)
		}
		validPairs[i]++
	})
	if err != nil {
		return nil, err
	}

	type tally struct {
		counts, pairs []int64
		buffer        []int32
	}
	tallies := make([]tally, workers)
	chunks := int((train.split.Tokens + countTokens - 1) / countTokens)
	err = parallel(ctx, workers, chunks, func(worker, chunk int) error {
		t := &tallies[worker]
		if t.buffer == nil {
			*t = tally{make([]int64, vocab), make([]int64, len(validPairs)), make([]int32, countTokens+1)}
		}
		from := int64(chunk) * countTokens
		return eachPair(train, from, min(from+countTokens+1, train.split.Tokens), t.buffer, func(a, b int32) {
			t.counts[b]++
			if i, ok := pairs[uint64(a)<<32|uint64(b)]; ok {
				t.pairs[i]++
			}
		})
	})
	if err != nil {
		return nil, err
	}
	counts, pairCounts := make([]int64, vocab), make([]int64, len(validPairs))
	for _, t := range tallies {
		add(counts, t.counts)
		add(pairCounts, t.pairs)
	}
	var first [1]int32
	if err := train.readAt(first[:], 0); err != nil {
		return nil, err
	}
	counts[first[0]]++

	unigram := func(b int32) float64 {
		return (float64(counts[b]) + 1) / (float64(train.split.Tokens) + float64(vocab))
	}
	targets := float64(validation.split.Tokens - 1)
	result := &Baseline{
		BigramLoss:    math.Inf(1),
		BytesPerToken: float64(validation.split.Bytes) / float64(validation.split.Tokens),
	}
	for b, n := range valid {
		if n > 0 {
			result.UnigramLoss -= float64(float64(n) / targets * math.Log(unigram(int32(b)))) //nolint:forbidigo // for people; no tensor depends on it
		}
	}
	ordered := make([]uint64, len(pairs)) // so that the sum does not depend on the order of a map
	for pair, i := range pairs {
		ordered[i] = pair
	}
	for m := 1.0; m <= 1<<16; m *= 2 {
		loss := 0.0
		for i, pair := range ordered {
			a, b := int32(pair>>32), int32(uint32(pair))
			p := (float64(pairCounts[i]) + float64(m*unigram(b))) / (float64(counts[a]) + m)
			loss -= float64(float64(validPairs[i]) / targets * math.Log(p)) //nolint:forbidigo // for people; no tensor depends on it
		}
		if loss < result.BigramLoss {
			result.BigramLoss, result.BigramPrior = loss, m
		}
	}
	return result, nil
}

// eachPair calls f for each two adjacent tokens in [from, to) of a stream. The buffer holds countTokens+1.
func eachPair(s *stream, from, to int64, buffer []int32, f func(a, b int32)) error {
	for ; to-from > 1; from += countTokens {
		tokens := buffer[:min(to-from, countTokens+1)]
		if err := s.readAt(tokens, from); err != nil {
			return err
		}
		for i := 1; i < len(tokens); i++ {
			f(tokens[i-1], tokens[i])
		}
	}
	return nil
}

func add(dst, src []int64) {
	for i, n := range src {
		dst[i] += n
	}
}
