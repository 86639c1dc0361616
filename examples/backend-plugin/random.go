package main

import (
	"context"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

func init() {
	add(map[string]func(s site) kernel{
		"rng_bit_generator": func(s site) kernel {
			return draws(s, func(r numerics.Stream, i uint64) word { return word(r.At(i)) })
		},
		"random_normal": func(s site) kernel {
			e := floats(s.out[0].DType)
			return draws(s, func(r numerics.Stream, i uint64) word { return e.store(r.NormalAt(i)) })
		},
	})
}

// draws fills a result from the stream of the op and the state: the seed's
// halves, the step, and which part of the stream this is.
func draws(s site, draw func(r numerics.Stream, i uint64) word) kernel {
	return func(_ context.Context, in, out [][]word) error {
		state, n := in[0], uint64(len(out[0]))
		r := numerics.Stream{Seed: state[1]<<32 | state[0], Stream: uint32(s.Attrs.Int("stream")), Step: uint32(state[2])}
		if n > 0 && state[3] > math.MaxUint64/n-1 {
			return fmt.Errorf("part %d of %d elements is beyond the stream's end", state[3], n)
		}
		for i := range out[0] {
			out[0][i] = draw(r, state[3]*n+uint64(i))
		}
		return nil
	}
}
