package tokenizer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// TrainOptions says what vocabulary to train.
type TrainOptions struct {
	// VocabSize is the number of tokens wanted, special tokens and the 256 bytes included. Fewer come out only if the text has
	// no more pairs.
	VocabSize int

	// SpecialTokens get the first ids. They are never produced by a merge of anything but their own text.
	SpecialTokens []string

	// MinFrequency is how often a pair must occur to be merged; 0 as 1.
	MinFrequency int64

	// Workers is the number of goroutines; 0 is one for each processor. The result does not depend on it.
	Workers int
}

// MaxVocabSize bounds vocabularies, trained or loaded.
const MaxVocabSize = 1 << 22

func (o TrainOptions) check() error {
	if least := 256 + len(o.SpecialTokens); o.VocabSize < least || o.VocabSize > MaxVocabSize {
		return fmt.Errorf("vocab_size %d is outside [%d, %d]: 256 bytes and %d special tokens are always in the vocabulary",
			o.VocabSize, least, MaxVocabSize, len(o.SpecialTokens))
	}
	seen := map[string]bool{}
	for _, s := range o.SpecialTokens {
		if s == "" || seen[s] {
			return fmt.Errorf("special token %q is empty or listed twice", s)
		}
		if _, ok := unspell(s); ok && len([]rune(s)) == 1 {
			return fmt.Errorf("special token %q spells a byte", s)
		}
		seen[s] = true
	}
	if o.MinFrequency < 0 || o.Workers < 0 {
		return errors.New("min_frequency and workers must not be negative")
	}
	return nil
}

// Train finds a byte-level BPE vocabulary for documents, which are UTF-8 and stay unchanged until Train returns. The result
// depends on the documents and options alone, not on the order of documents. An error of the sequence ends training.
//
// The algorithm, with its ties (most frequent pair first, then the lower ids), is that of Hugging Face's BpeTrainer with the
// initial alphabet ByteLevel.alphabet().
func Train(ctx context.Context, documents iter.Seq2[[]byte, error], opts TrainOptions) (*Tokenizer, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	words, counts, err := countWords(ctx, documents, opts.Workers)
	if err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	tr := newTrainer(words, counts, opts)
	if err := tr.run(ctx); err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	return tr.tokenizer(opts)
}

// countWords counts the distinct words of documents. They come in byte order, so that nothing depends on how work was shared.
func countWords(ctx context.Context, documents iter.Seq2[[]byte, error], workers int) (words [][]byte, counts []int64, err error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	type tally struct {
		table  *wordTable
		counts []int64
	}
	tallies := make([]tally, workers)
	batches := make(chan [][]byte, 2*workers)
	var group sync.WaitGroup
	for w := range tallies {
		group.Go(func() {
			t := tally{table: newWordTable()}
			for batch := range batches {
				for _, text := range batch {
					for i := 0; i < len(text); {
						end := wordEnd(text, i)
						n, added := t.table.number(text[i:end])
						if added {
							t.counts = append(t.counts, 0)
						}
						t.counts[n]++
						i = end
					}
				}
			}
			tallies[w] = t
		})
	}
	err = batched(ctx, documents, func(batch [][]byte) { batches <- batch })
	close(batches)
	group.Wait()
	if err != nil {
		return nil, nil, err
	}

	all := tallies[0]
	for _, t := range tallies[1:] {
		for i := range t.table.len() {
			n, added := all.table.number(t.table.word(i))
			if added {
				all.counts = append(all.counts, 0)
			}
			all.counts[n] += t.counts[i]
		}
	}
	order := make([]int, all.table.len())
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return bytes.Compare(all.table.word(order[i]), all.table.word(order[j])) < 0 })
	words, counts = make([][]byte, len(order)), make([]int64, len(order))
	for i, n := range order {
		words[i], counts[i] = all.table.word(n), all.counts[n]
	}
	return words, counts, nil
}

// batchBytes is how much text goes from one goroutine to another at a time.
const batchBytes = 1 << 20

// batched groups documents into batches of about batchBytes.
func batched(ctx context.Context, documents iter.Seq2[[]byte, error], send func([][]byte)) error {
	var batch [][]byte
	size := 0
	for text, err := range documents {
		if err != nil {
			return err
		}
		batch = append(batch, text)
		if size += len(text); size >= batchBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			send(batch)
			batch, size = nil, 0
		}
	}
	if len(batch) > 0 {
		send(batch)
	}
	return ctx.Err()
}

// trainer holds the words as token ids, and for each pair of adjacent ids how often it occurs and in which words.
type trainer struct {
	size         int
	minFrequency int64

	tokens []string         // bytes by id
	ids    map[string]int32 // inverse of tokens
	merges [][2]int32

	words  [][]int32
	counts []int64 // of words

	pairs    pairTable // index in pairInfo
	pairInfo []pairInfo
	touched  []int32 // indices of pairs whose words is not empty
	queue    queue[candidate]
}

type pairInfo struct {
	pair  uint64
	count int64
	words []int32 // where the pair appeared since it was last queued, ascending
}

// candidate is a pair that may be merged next. Its count may be out of date: it was an upper bound when it was queued.
type candidate struct {
	count int64
	pair  uint64
	info  int32
	words []int32
}

func (c candidate) before(o candidate) bool {
	if c.count != o.count {
		return c.count > o.count
	}
	return c.pair < o.pair
}

func newTrainer(words [][]byte, counts []int64, opts TrainOptions) *trainer {
	t := &trainer{
		size:         opts.VocabSize,
		minFrequency: max(1, opts.MinFrequency),
		ids:          make(map[string]int32, opts.VocabSize),
		words:        make([][]int32, len(words)),
		counts:       counts,
		pairs:        newPairTable(1 << 16),
	}
	for _, s := range opts.SpecialTokens {
		if bytes, ok := unspell(s); ok {
			t.add(bytes)
		} else {
			t.tokens = append(t.tokens, "") // no merge can make it
		}
	}
	var byteIDs [256]int32
	for _, b := range alphabet() {
		byteIDs[b] = t.add(string([]byte{b}))
	}
	total := 0
	for _, w := range words {
		total += len(w)
	}
	flat := make([]int32, 0, total)
	for i, w := range words {
		start := len(flat)
		for _, b := range w {
			flat = append(flat, byteIDs[b])
		}
		t.words[i] = flat[start:len(flat):len(flat)]
		for j := start; j+1 < len(flat); j++ {
			t.change(pairOf(flat[j], flat[j+1]), counts[i], int32(i))
		}
	}
	t.enqueue()
	return t
}

func (t *trainer) add(token string) int32 {
	id, ok := t.ids[token]
	if !ok {
		id = int32(len(t.tokens))
		t.tokens = append(t.tokens, token)
		t.ids[token] = id
	}
	return id
}

// change adds to the count of a pair. A positive change happened in the given word; words come in ascending order.
func (t *trainer) change(pair uint64, by int64, word int32) {
	at, added := t.pairs.slot(pair)
	if added {
		*at = int64(len(t.pairInfo))
		t.pairInfo = append(t.pairInfo, pairInfo{pair: pair})
	}
	p := &t.pairInfo[*at]
	p.count += by
	if by > 0 && (len(p.words) == 0 || p.words[len(p.words)-1] != word) {
		if len(p.words) == 0 {
			t.touched = append(t.touched, int32(*at))
		}
		p.words = append(p.words, word)
	}
}

// enqueue makes candidates of the pairs that appeared.
func (t *trainer) enqueue() {
	for _, i := range t.touched {
		p := &t.pairInfo[i]
		if p.count > 0 {
			t.queue.push(candidate{p.count, p.pair, i, p.words})
		}
		p.words = nil
	}
	t.touched = t.touched[:0]
}

// run merges until the vocabulary is full.
func (t *trainer) run(ctx context.Context) error {
	for len(t.tokens) < t.size && len(t.queue) > 0 {
		top := t.queue.pop()
		if now := t.pairInfo[top.info].count; now != top.count {
			if top.count = now; now > 0 {
				t.queue.push(top)
			}
			continue
		}
		if top.count < t.minFrequency {
			break
		}
		if len(t.merges)&63 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		a, b := int32(top.pair>>32), int32(uint32(top.pair))
		merged := t.add(t.tokens[a] + t.tokens[b])
		t.merges = append(t.merges, [2]int32{a, b})
		for _, w := range top.words {
			t.merge(w, a, b, merged)
		}
		t.enqueue()
	}
	return nil
}

// merge replaces the pair (a, b) in a word, from the left. As in Hugging Face, the count of the pair itself is left alone: it
// matters only if merges of another pair bring a token back.
func (t *trainer) merge(w, a, b, merged int32) {
	word, n := t.words[w], t.counts[w]
	out := 0
	for i := 0; i < len(word); i++ {
		if word[i] != a || i+1 == len(word) || word[i+1] != b {
			word[out] = word[i]
			out++
			continue
		}
		if out > 0 {
			t.change(pairOf(word[out-1], a), -n, w)
			t.change(pairOf(word[out-1], merged), n, w)
		}
		if i+2 < len(word) {
			t.change(pairOf(b, word[i+2]), -n, w)
			t.change(pairOf(merged, word[i+2]), n, w)
		}
		word[out] = merged
		out++
		i++
	}
	t.words[w] = word[:out]
}

func (t *trainer) tokenizer(opts TrainOptions) (*Tokenizer, error) {
	vocab := make([]string, len(t.tokens))
	for id, bytes := range t.tokens {
		if id < len(opts.SpecialTokens) {
			vocab[id] = opts.SpecialTokens[id]
		} else {
			vocab[id] = spell(bytes)
		}
	}
	// A pair that was merged twice keeps its later rank.
	last := make(map[[2]int32]int, len(t.merges))
	for rank, m := range t.merges {
		last[m] = rank
	}
	var merges [][2]string
	for rank, m := range t.merges {
		if last[m] == rank {
			merges = append(merges, [2]string{vocab[m[0]], vocab[m[1]]})
		}
	}
	model, err := newBPE(vocab, merges)
	if err != nil {
		return nil, err
	}
	var added []AddedToken
	for id, s := range opts.SpecialTokens {
		added = append(added, AddedToken{ID: int32(id), Content: s, Special: true})
	}
	return newTokenizer(pipeline{
		added:   slices.Clip(added),
		model:   model,
		split:   byteLevel{TrimOffsets: true, UseRegex: true},
		decoder: byteLevel{AddPrefixSpace: true, TrimOffsets: true, UseRegex: true},
	})
}
