package generate

import (
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Sampling says how a token is chosen of the probabilities of all. The zero
// value takes the most likely.
type Sampling struct {
	// Temperature divides the logits: below 1 likely tokens become likelier, 0
	// leaves the likeliest alone, and of equals the one with the lowest id.
	Temperature float64
	// TopK leaves the k likeliest tokens; 0 for all. Of equals those with lower
	// ids stay.
	TopK int
	// TopP leaves the likeliest tokens that together have at least this part of
	// the probability of those that TopK leaves (nucleus sampling: Holtzman et
	// al., arXiv 1904.09751); 0 and 1 for all.
	TopP float64
}

// Check returns an error that names the value that is out of range.
func (s Sampling) Check() error {
	switch {
	case !(s.Temperature >= 0 && s.Temperature <= 1e6):
		return fmt.Errorf("temperature %v is not between 0 and 1e6", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("top-k %d is negative", s.TopK)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top-p %v is not between 0 and 1", s.TopP)
	}
	return nil
}

// weighted is a token and its share: exp((logit - largest) / temperature).
type weighted struct {
	id     int32
	logit  float32
	weight float64
}

// choose returns the token that a uniform number in [0, 1) picks: the first,
// likeliest first, whose share and those before it exceed that part of the sum.
// Shares are correctly rounded to float32 and added in float64 in that order.
func (s Sampling) choose(logits []float32, uniform float32) (int32, error) {
	if len(logits) == 0 {
		return 0, fmt.Errorf("there are no logits")
	}
	best := 0
	for i, v := range logits {
		if v != v || v > math.MaxFloat32 {
			return 0, fmt.Errorf("the logit of token %d is %v", i, v)
		}
		if v > logits[best] {
			best = i
		}
	}
	if logits[best] < -math.MaxFloat32 {
		return 0, fmt.Errorf("all logits are -Inf")
	}
	if s.Temperature == 0 {
		return int32(best), nil
	}
	tokens := s.shares(logits, logits[best])
	sum := 0.0
	for _, x := range tokens {
		sum += x.weight
	}
	target, below := float64(float64(uniform)*sum), 0.0
	for _, x := range tokens {
		if below += x.weight; below > target {
			return x.id, nil
		}
	}
	return tokens[0].id, nil // not reached: the likeliest has a share of 1 and uniform is below 1
}

// shares returns the tokens that TopK and TopP leave, likeliest first.
func (s Sampling) shares(logits []float32, largest float32) []weighted {
	ids := likeliestFirst(logits)
	if s.TopK > 0 && s.TopK < len(ids) {
		ids = ids[:s.TopK]
	}
	tokens := make([]weighted, len(ids))
	for i, id := range ids {
		v := logits[id]
		x := (float64(v) - float64(largest)) / s.Temperature
		tokens[i] = weighted{id, v, float64(numerics.Exp(numerics.F32FromF64(x)))}
	}
	if s.TopP == 0 || s.TopP == 1 {
		return tokens
	}
	sum, part := 0.0, 0.0
	for _, x := range tokens {
		sum += x.weight
	}
	bound := float64(s.TopP * sum)
	for i, x := range tokens {
		if part += x.weight; part >= bound {
			return tokens[:i+1]
		}
	}
	return tokens
}

// likeliestFirst returns the ids by logit, the lowest first among equals: a radix sort, since there are tens of thousands for each token
// that is generated.
func likeliestFirst(logits []float32) []int32 {
	const bits, digits = 11, 3
	keys := make([]uint32, len(logits))
	var counts [digits][1 << bits]int32
	for i, v := range logits {
		k := math.Float32bits(v + 0) // -0 is as likely as +0
		if k>>31 == 0 {
			k = ^k & (1<<31 - 1)
		}
		keys[i] = k
		for d := range digits {
			counts[d][k>>(bits*d)&(1<<bits-1)]++
		}
	}
	from, to := make([]int32, len(logits)), make([]int32, len(logits))
	for i := range from {
		from[i] = int32(i)
	}
	for d := range digits {
		at := int32(0)
		for i, n := range counts[d] {
			counts[d][i], at = at, at+n
		}
		for _, id := range from {
			c := &counts[d][keys[id]>>(bits*d)&(1<<bits-1)]
			to[*c] = id
			*c++
		}
		from, to = to, from
	}
	return from
}
