package masked_lm

import (
	"cmp"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/plugin/batch"
)

// hiddenToken is a token that is to be predicted: where, and which it was.
type hiddenToken struct {
	position int
	label    int32
}

// hide replaces tokens of ids and returns them by position: mask_rate of those
// that may be hidden, at least one and at most as many as there are slots,
// fewer where whole units do not fit.
func (b *binding) hide(ids []int32, draws *batch.Draws) []hiddenToken {
	units := b.units(ids)
	maskable := 0
	for _, u := range units {
		maskable += u.to - u.from
	}
	budget := min(b.slots, max(1, int(math.Round(b.rate*float64(maskable)))))
	var hidden []hiddenToken
	take := func(from, to int) {
		what := draws.Uniform()
		for i := from; i < to; i++ {
			if b.unit != "span" && i > from {
				what = draws.Uniform() // a span's tokens share their fate
			}
			hidden = append(hidden, hiddenToken{i, ids[i]})
			switch {
			case float64(what) < b.keepRate:
			case float64(what) < b.keepRate+b.randomRate:
				ids[i] = int32(draws.Below(b.known))
			default:
				ids[i] = int32(b.mask)
			}
		}
	}
	if b.unit == "span" {
		b.spans(units, budget, draws, take)
	} else {
		for _, k := range draws.Choose(len(units), len(units)) {
			if u := units[k]; u.to-u.from <= budget-len(hidden) {
				take(u.from, u.to)
			}
			if len(hidden) == budget {
				break
			}
		}
	}
	slices.SortFunc(hidden, func(x, y hiddenToken) int { return cmp.Compare(x.position, y.position) })
	return hidden
}

// unit is a stretch of tokens that are hidden together.
type unit struct{ from, to int }

// units are single tokens, words, or for spans the stretches between special
// tokens, which a span does not cross.
func (b *binding) units(ids []int32) []unit {
	var units []unit
	joined := false // whether a token may join the unit before it
	for i, id := range ids {
		if slices.Contains(b.specials, id) {
			joined = false
			continue
		}
		if joined && (b.unit == "span" || b.unit == "word" && b.continues[id/8]>>(id%8)&1 == 1) {
			units[len(units)-1].to++
		} else {
			units = append(units, unit{i, i + 1})
		}
		joined = true
	}
	return units
}

// spans hides spans of geometric length that begin anywhere, until the budget
// is spent; a span that would overlap another is drawn again, for a while.
func (b *binding) spans(stretches []unit, budget int, draws *batch.Draws, take func(from, to int)) {
	var places []unit // each place where a span may begin, and where it must end
	for _, s := range stretches {
		for i := s.from; i < s.to; i++ {
			places = append(places, unit{i, s.to})
		}
	}
	taken := map[int]bool{}
	for try := 0; budget > 0 && len(places) > 0 && try < 20*b.slots; try++ {
		length := 1
		for length < b.spanMost && !draws.Chance(b.spanRate) {
			length++
		}
		p := places[draws.Below(len(places))]
		to := min(p.from+length, p.to, p.from+budget)
		free := true
		for i := p.from; i < to; i++ {
			free = free && !taken[i]
		}
		if !free {
			continue
		}
		for i := p.from; i < to; i++ {
			taken[i] = true
		}
		take(p.from, to)
		budget -= to - p.from
	}
}
