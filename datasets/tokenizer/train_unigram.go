package tokenizer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Constants of SentencePiece's trainer, which Hugging Face's follows.
const (
	maxPieceChars  = 16
	maxSeedPieces  = 1_000_000
	shrinkTo       = 0.75 // of the pieces stay when some are taken away
	subIterations  = 2    // of expectation and maximization between that
	leastExpected  = 0.5  // occurrences that keep a piece
	scoreSpread    = 1e-4 // between characters that had to be added
	unigramWorkers = 8    // parts that words are divided into, whatever the number of goroutines
)

// unigramTrainer finds the vocabulary that makes the words most probable: it starts with all frequent substrings, estimates their
// probabilities by expectation maximization, and takes away those that the likelihood suffers least from, until few enough are
// left (Kudo 2018, section 3.2).
//
// It gives the pieces that Hugging Face's UnigramTrainer gives. Scores may differ in the last bits, because sums are taken in
// another order (here always the same one), and pieces whose losses are that close could change places at the cut. Characters
// that fell out and are put back get scores scoreSpread apart, in an order that Hugging Face leaves to chance; here it is theirs.
type unigramTrainer struct {
	words   [][]byte
	counts  []int64
	workers int

	pieces []string  // without the unknown piece
	scores []float64 // log probabilities
	trie   trie
	least  float64 // of scores
}

func trainUnigram(ctx context.Context, words [][]byte, counts []int64, opts TrainOptions) (wordModel, error) {
	t := &unigramTrainer{words: words, counts: counts, workers: opts.Workers}
	size := opts.VocabSize - len(opts.SpecialTokens)
	chars := t.seed()
	if len(chars) > size {
		return nil, fmt.Errorf("vocab_size %d is less than the %d special tokens and %d characters of the text", opts.VocabSize, len(opts.SpecialTokens), len(chars))
	}
	for desired := opts.VocabSize * 11 / 10; len(t.pieces) > 0; {
		for range subIterations {
			expected, err := t.expect(ctx)
			if err != nil {
				return nil, err
			}
			t.maximize(expected)
		}
		if len(t.pieces)+1 <= desired { // the unknown piece counts
			break
		}
		t.prune(max(desired, int(float64(len(t.pieces)+1)*shrinkTo)) - 1)
	}
	return t.finish(chars, size, opts)
}

// seed makes the first pieces: every character, and every substring of words that occurs at least twice, with different
// continuations, scored by frequency times length. It returns the characters in their order.
func (t *unigramTrainer) seed() []rune {
	frequency := map[rune]int64{}
	type suffix struct{ word, at int32 }
	var suffixes []suffix
	runes := make([][]rune, len(t.words))
	for w, text := range t.words {
		runes[w] = []rune(string(text))
		for i, r := range runes[w] {
			frequency[r] += t.counts[w]
			suffixes = append(suffixes, suffix{int32(w), int32(i)})
		}
	}
	chars := make([]rune, 0, len(frequency))
	for r := range frequency {
		chars = append(chars, r)
	}
	slices.Sort(chars)

	// Suffixes compare by their first maxPieceChars+1 symbols; the end of a word is a symbol below all others.
	rest := func(s suffix) []rune { return runes[s.word][s.at:] }
	slices.SortFunc(suffixes, func(a, b suffix) int {
		x, y := rest(a), rest(b)
		return slices.Compare(x[:min(len(x), maxPieceChars+1)], y[:min(len(y), maxPieceChars+1)])
	})
	// common is how many symbols two neighbours share, the end of a word included.
	common := func(a, b suffix) int {
		x, y := rest(a), rest(b)
		n := 0
		for n < len(x) && n < len(y) && n <= maxPieceChars && x[n] == y[n] {
			n++
		}
		if n == len(x) && n == len(y) {
			n++
		}
		return n
	}
	type candidate struct {
		score int64
		text  []rune
	}
	var candidates []candidate
	type open struct{ length, from int } // a substring and the first suffix that begins with it
	var stack []open
	for i := 1; i <= len(suffixes); i++ {
		n := 0
		if i < len(suffixes) {
			n = common(suffixes[i-1], suffixes[i])
		}
		from := i - 1
		for len(stack) > 0 && stack[len(stack)-1].length > n {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			text := rest(suffixes[top.from])
			if top.length >= 2 && top.length <= maxPieceChars && top.length <= len(text) {
				candidates = append(candidates, candidate{int64(i-top.from) * int64(top.length), text[:top.length]})
			}
			from = top.from
		}
		if n > 0 && (len(stack) == 0 || stack[len(stack)-1].length < n) {
			stack = append(stack, open{n, from})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		if a.score != b.score {
			return cmp.Compare(b.score, a.score)
		}
		return slices.Compare(b.text, a.text)
	})
	byFrequency := slices.Clone(chars)
	slices.SortFunc(byFrequency, func(a, b rune) int {
		if frequency[a] != frequency[b] {
			return cmp.Compare(frequency[b], frequency[a])
		}
		return int(b - a)
	})
	weights := []float64{}
	sum := 0.0
	add := func(piece string, weight int64) {
		t.pieces, weights = append(t.pieces, piece), append(weights, float64(weight))
		sum += float64(weight)
	}
	for _, r := range byFrequency {
		add(string(r), frequency[r])
	}
	for _, c := range candidates {
		if len(t.pieces) >= maxSeedPieces {
			break
		}
		add(string(c.text), c.score)
	}
	logSum := numerics.Log64(sum)
	t.scores = weights
	parallelFor(t.workers, len(weights), func(i int) { t.scores[i] = numerics.Log64(weights[i]) - logSum })
	t.index()
	return chars
}

func (t *unigramTrainer) index() {
	t.trie = trieOf(t.pieces, nil)
	t.least = slices.Min(append([]float64{0}, t.scores...))
}

// arcs calls f for each piece that lies in a word, by ascending start and then end. The id of an unknown character is -1.
func (t *unigramTrainer) arcs(word []byte, f func(start, end int, id int32)) {
	for start := 0; start < len(word); {
		_, size := utf8.DecodeRune(word[start:])
		single := false
		for node, i := int32(0), start; i < len(word); {
			if node = t.trie.step(node, word[i]); node < 0 {
				break
			}
			i++
			if id := t.trie.id[node]; id >= 0 {
				f(start, i, id)
				single = single || i == start+size
			}
		}
		if !single {
			f(start, start+size, -1)
		}
		start += size
	}
}

// scaled is m * 2^e with m in [1/2, 1) or 0: probabilities of long words leave the range of float64.
type scaled struct {
	m float64
	e int
}

func scale(m float64, e int) scaled {
	f, d := math.Frexp(m)
	return scaled{f, e + d}
}

func (a scaled) times(p float64) scaled { return scale(a.m*p, a.e) }

func (a scaled) plus(b scaled) scaled {
	if a.m == 0 {
		return b
	} else if b.m == 0 {
		return a
	}
	if a.e < b.e {
		a, b = b, a
	}
	return scale(a.m+math.Ldexp(b.m, b.e-a.e), a.e)
}

// expect returns how often each piece is expected to occur: the sum over words of their counts times the share of segmentations,
// weighted by probability, that have the piece at a place (the forward-backward algorithm).
func (t *unigramTrainer) expect(ctx context.Context) ([]float64, error) {
	probability := make([]float64, len(t.scores))
	parallelFor(t.workers, len(probability), func(i int) { probability[i] = numerics.Exp64(t.scores[i]) })
	unknown := numerics.Exp64(t.least - unknownPenalty)
	var parts [unigramWorkers][]float64
	parallelFor(t.workers, unigramWorkers, func(part int) {
		expected := make([]float64, len(probability))
		parts[part] = expected
		type arc struct {
			start, end int
			id         int32
			p          float64
		}
		var arcs []arc
		var forward, backward []scaled
		for w := len(t.words) * part / unigramWorkers; w < len(t.words)*(part+1)/unigramWorkers && ctx.Err() == nil; w++ {
			word := t.words[w]
			n := len(word)
			forward, backward = append(forward[:0], make([]scaled, n+1)...), append(backward[:0], make([]scaled, n+1)...)
			arcs = arcs[:0]
			forward[0], backward[n] = scaled{0.5, 1}, scaled{0.5, 1}
			t.arcs(word, func(start, end int, id int32) {
				p := unknown
				if id >= 0 {
					p = probability[id]
				}
				arcs = append(arcs, arc{start, end, id, p})
				forward[end] = forward[end].plus(forward[start].times(p))
			})
			for _, a := range slices.Backward(arcs) {
				backward[a.start] = backward[a.start].plus(backward[a.end].times(a.p))
			}
			z, count := forward[n], float64(t.counts[w])
			for _, a := range arcs {
				if a.id >= 0 {
					share := math.Ldexp(forward[a.start].m*a.p*backward[a.end].m/z.m, forward[a.start].e+backward[a.end].e-z.e)
					expected[a.id] += float64(count * share)
				}
			}
		}
	})
	for _, part := range parts[1:] {
		for i, x := range part {
			parts[0][i] += x
		}
	}
	return parts[0], ctx.Err()
}

// maximize sets scores by expected counts, with the digamma function in the place of the logarithm (Liang et al. 2007, "The
// infinite PCFG using hierarchical Dirichlet processes"), and drops pieces that hardly occur.
func (t *unigramTrainer) maximize(expected []float64) {
	n, sum := 0, 0.0
	for i, x := range expected {
		if x >= leastExpected {
			t.pieces[n], expected[n] = t.pieces[i], x
			sum += x
			n++
		}
	}
	t.pieces, t.scores = t.pieces[:n], t.scores[:n]
	logSum := digamma(sum)
	parallelFor(t.workers, n, func(i int) { t.scores[i] = digamma(expected[i]) - logSum })
	t.index()
}

// digamma is the asymptotic series (Abramowitz and Stegun 6.3.18, shifted by 1/2) above 7, and the recurrence below.
func digamma(x float64) float64 {
	result := 0.0
	for ; x < 7; x++ {
		result -= 1 / x
	}
	x -= 0.5
	y := 1 / x
	y2 := y * y
	y4 := y2 * y2
	result += numerics.Log64(x)
	result += float64(1.0 / 24 * y2)
	result -= float64(7.0 / 960 * y4)
	result += float64(float64(31.0/8064*y4) * y2)
	result -= float64(float64(127.0/30720*y4) * y4)
	return result
}

// prune keeps about n pieces: all that cannot be spelled by others, and those whose loss would cost most likelihood.
func (t *unigramTrainer) prune(n int) {
	count := len(t.pieces)
	keep, alternatives := make([]bool, count), make([][]int32, count)
	parallelFor(t.workers, count, func(id int) { keep[id], alternatives[id] = t.secondBest(t.pieces[id]) })

	frequency := make([]float64, count+1) // the last is of unknown characters
	var paths [unigramWorkers][]float64
	model := unigram{vocab: t.pieces, scores: t.scores, unknown: int32(count), trie: t.trie, unknownScore: t.least - unknownPenalty}
	parallelFor(t.workers, unigramWorkers, func(part int) {
		paths[part] = make([]float64, count+1)
		var cells []cell
		for w := len(t.words) * part / unigramWorkers; w < len(t.words)*(part+1)/unigramWorkers; w++ {
			cells = model.path(cells, t.words[w])
			for end := len(t.words[w]); end > 0; end = int(cells[end].start) {
				paths[part][cells[end].id] += float64(t.counts[w])
			}
		}
	})
	sum, all := 0.0, 0.0
	for id := range frequency {
		for _, path := range paths {
			frequency[id] += path[id] // whole numbers: exact
		}
		sum += frequency[id]
	}
	for _, c := range t.counts {
		all += float64(c)
	}
	logSum := numerics.Log64(sum)
	loss := make([]float64, count)
	candidate := make([]bool, count)
	parallelFor(t.workers, count, func(id int) {
		f := frequency[id]
		if len(alternatives[id]) == 0 {
			keep[id] = keep[id] || f > 0
			return
		}
		keep[id] = false
		if f == 0 {
			return
		}
		// Without the piece, its occurrences are spelled by the alternatives. (That the sum grows by the number of all pieces
		// and not of these alternatives is how Hugging Face counts it.)
		logSumAfter := numerics.Log64(sum + float64(f*float64(count)))
		after := 0.0
		for _, a := range alternatives[id] {
			if a < 0 {
				a = int32(count)
			}
			after += numerics.Log64(frequency[a]+f) - logSumAfter
		}
		loss[id] = f / all * (numerics.Log64(f) - logSum - after)
		candidate[id] = true
	})
	var order []int
	kept := 0
	for id := range count {
		if candidate[id] {
			order = append(order, id)
		} else if keep[id] {
			kept++
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return loss[order[i]] > loss[order[j]] })
	pieces, scores := make([]string, 0, n), make([]float64, 0, n)
	for id := range count {
		if keep[id] {
			pieces, scores = append(pieces, t.pieces[id]), append(scores, t.scores[id])
		}
	}
	for _, id := range order {
		if len(pieces) >= n {
			break
		}
		pieces, scores = append(pieces, t.pieces[id]), append(scores, t.scores[id])
	}
	t.pieces, t.scores = pieces, scores
	t.index()
}

// secondBest returns how a piece is spelled if it were not there. Without alternatives, keep says that nothing else spells it, or
// that it is not even itself the best way to spell its text.
func (t *unigramTrainer) secondBest(piece string) (keep bool, alternative []int32) {
	type way struct {
		score float64
		start int32
		rank  int8 // of the way to start
		id    int32
	}
	best := make([][2]way, len(piece)+1)
	for i := range best {
		best[i] = [2]way{{start: -1}, {start: -1}}
	}
	best[0][0] = way{start: 0}
	t.arcs([]byte(piece), func(start, end int, id int32) {
		score := t.least - unknownPenalty
		if id >= 0 {
			score = t.scores[id]
		}
		for rank, from := range best[start] {
			if from.start < 0 {
				continue
			}
			w := way{from.score + score, int32(start), int8(rank), id}
			switch b := &best[end]; {
			case b[0].start < 0 || w.score > b[0].score:
				b[1], b[0] = b[0], w
			case b[1].start < 0 || w.score > b[1].score:
				b[1] = w
			}
		}
	})
	end := best[len(piece)]
	switch {
	case end[1].start < 0:
		return true, nil
	case end[0].start > 0:
		return false, nil
	}
	for at, rank := int32(len(piece)), int8(1); at > 0; {
		w := best[at][rank]
		alternative = append(alternative, w.id)
		at, rank = w.start, w.rank
	}
	return true, alternative
}

// finish chooses the pieces of the model: all characters, then the pieces by their place.
func (t *unigramTrainer) finish(chars []rune, size int, opts TrainOptions) (wordModel, error) {
	at := make(map[string]int, len(t.pieces))
	for i, p := range t.pieces {
		at[p] = i
	}
	type piece struct {
		text  string
		score float64
	}
	var chosen []piece
	taken := map[string]bool{}
	penalty := 0.0
	for _, r := range chars {
		p := piece{text: string(r)}
		if i, ok := at[p.text]; ok {
			p.score = t.scores[i]
		} else {
			p.score = t.least + penalty
			penalty += scoreSpread
		}
		taken[p.text] = true
		chosen = append(chosen, p)
	}
	for i, p := range t.pieces {
		if len(chosen) == size {
			break
		}
		if !taken[p] && !slices.Contains(opts.SpecialTokens, p) {
			chosen = append(chosen, piece{p, t.scores[i]})
		}
	}
	sort.SliceStable(chosen, func(i, j int) bool { return chosen[i].score > chosen[j].score })
	vocab, scores := slices.Clone(opts.SpecialTokens), make([]float64, len(opts.SpecialTokens))
	for _, p := range chosen {
		vocab, scores = append(vocab, strings.Clone(p.text)), append(scores, p.score)
	}
	return newUnigram(vocab, scores, int32(slices.Index(opts.SpecialTokens, unknownTokens[Unigram])))
}

// parallelFor calls f for 0 to n-1 in any order.
func parallelFor(workers, n int, f func(i int)) {
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := n * w / workers; i < n*(w+1)/workers; i++ {
				f(i)
			}
		})
	}
	group.Wait()
}
