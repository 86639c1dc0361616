package tokenizer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// Models that Train makes.
const (
	BPE       = "bpe"       // byte-level, as GPT-2's
	WordPiece = "wordpiece" // as BERT's
	Unigram   = "unigram"   // as T5's
)

// TrainOptions says what vocabulary to train.
type TrainOptions struct {
	// Model is BPE, WordPiece or Unigram; "" is BPE.
	Model string

	// VocabSize is the number of tokens wanted, special tokens and the alphabet (of BPE, the 256 bytes) included. Fewer come out
	// only if the text has no more pairs.
	VocabSize int

	// SpecialTokens get the first ids. They are never produced by a merge of anything but their own text. Nil is what the
	// model is used with: <|endoftext|> for BPE; [PAD], [UNK], [CLS], [SEP], [MASK] for WordPiece; <pad>, </s>, <unk> for Unigram.
	// WordPiece needs [UNK] among them and Unigram <unk>. With [CLS] and [SEP], WordPiece puts these around texts.
	SpecialTokens []string

	// MinFrequency is how often a pair must occur to be merged; 0 as 1. Unigram has no such bound.
	MinFrequency int64

	// Cased keeps capitals and accents, which WordPiece takes away otherwise; the other models keep them always.
	Cased bool

	// Workers is the number of goroutines; 0 is one for each processor. The result does not depend on it.
	Workers int
}

// MaxVocabSize bounds vocabularies, trained or loaded.
const MaxVocabSize = 1 << 22

// unknownTokens are those that models of characters need.
var unknownTokens = map[string]string{WordPiece: "[UNK]", Unigram: "<unk>"}

func (o TrainOptions) withDefaults() (TrainOptions, error) {
	defaults, ok := map[string][]string{
		BPE: {EndOfText}, WordPiece: {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, Unigram: {"<pad>", "</s>", "<unk>"},
	}[cmp.Or(o.Model, BPE)]
	if !ok {
		return o, fmt.Errorf("model %q is not %s, %s or %s", o.Model, BPE, WordPiece, Unigram)
	}
	if o.Model = cmp.Or(o.Model, BPE); o.SpecialTokens == nil {
		o.SpecialTokens = defaults
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return o, o.check()
}

func (o TrainOptions) check() error {
	least := len(o.SpecialTokens) + 1
	if o.Model == BPE {
		least = 256 + len(o.SpecialTokens)
	}
	if o.VocabSize < least || o.VocabSize > MaxVocabSize {
		return fmt.Errorf("vocab_size %d is outside [%d, %d]: the alphabet and %d special tokens are always in the vocabulary",
			o.VocabSize, least, MaxVocabSize, len(o.SpecialTokens))
	}
	if unknown, needed := unknownTokens[o.Model]; needed && !slices.Contains(o.SpecialTokens, unknown) {
		return fmt.Errorf("special tokens: %s needs %s among them", o.Model, unknown)
	}
	seen := map[string]bool{}
	for _, s := range o.SpecialTokens {
		if s == "" || seen[s] {
			return fmt.Errorf("special token %q is empty or listed twice", s)
		}
		if o.Model != BPE && !utf8.ValidString(s) {
			return fmt.Errorf("special token %q is not UTF-8", s)
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

// Train finds a vocabulary for documents, which are UTF-8 and stay unchanged until Train returns. The result depends on the
// documents and options alone, not on the order of documents or the machine. An error of the sequence ends training.
//
// BPE is, with its ties (most frequent pair first, then the lower ids), Hugging Face's BpeTrainer with the initial alphabet
// ByteLevel.alphabet(). WordPiece is its WordPieceTrainer, where the ids of characters within words, which that leaves to chance,
// follow their first occurrence in the words from the most frequent to the rarest. Unigram is its UnigramTrainer: the same pieces,
// scores equal within the rounding of sums (unigramTrainer says what that leaves open).
func Train(ctx context.Context, documents iter.Seq2[[]byte, error], opts TrainOptions) (*Tokenizer, error) {
	t, err := train(ctx, documents, opts)
	if err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	return t, nil
}

func train(ctx context.Context, documents iter.Seq2[[]byte, error], opts TrainOptions) (*Tokenizer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if opts.Model != BPE {
		return trainWords(ctx, documents, opts)
	}
	words, counts, err := countWords(ctx, documents, opts.Workers, wordEnd)
	if err != nil {
		return nil, err
	}
	tr := newByteTrainer(words, counts, opts)
	if err := tr.run(ctx); err != nil {
		return nil, err
	}
	return tr.tokenizer(opts)
}

// tally counts distinct words.
type tally struct {
	table  *wordTable
	counts []int64
}

func (t *tally) add(word []byte, n int64) {
	i, added := t.table.number(word)
	if added {
		t.counts = append(t.counts, 0)
	}
	t.counts[i] += n
}

// sorted returns the words in byte order, so that nothing depends on how work was shared.
func (t *tally) sorted() (words [][]byte, counts []int64) {
	order := make([]int, t.table.len())
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return bytes.Compare(t.table.word(order[i]), t.table.word(order[j])) < 0 })
	words, counts = make([][]byte, len(order)), make([]int64, len(order))
	for i, n := range order {
		words[i], counts[i] = t.table.word(n), t.counts[n]
	}
	return words, counts
}

// countWords counts the distinct words of documents, in byte order. end says where the word that begins at a byte ends.
func countWords(ctx context.Context, documents iter.Seq2[[]byte, error], workers int, end func([]byte, int) int) (words [][]byte, counts []int64, err error) {
	tallies := make([]tally, workers)
	batches := make(chan [][]byte, 2*workers)
	var group sync.WaitGroup
	for w := range tallies {
		group.Go(func() {
			t := tally{table: newWordTable()}
			for batch := range batches {
				for _, text := range batch {
					for i := 0; i < len(text); {
						e := end(text, i)
						t.add(text[i:e], 1)
						i = e
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
			all.add(t.table.word(i), t.counts[i])
		}
	}
	words, counts = all.sorted()
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

	tokens []string         // by id: bytes, or the spelling of a piece
	ids    map[string]int32 // inverse of tokens
	prefix string           // of tokens that do not begin a word; merging takes it away from the second of a pair
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

func newTrainer(counts []int64, opts TrainOptions) *trainer {
	return &trainer{
		size:         opts.VocabSize,
		minFrequency: max(1, opts.MinFrequency),
		ids:          make(map[string]int32, opts.VocabSize),
		words:        make([][]int32, len(counts)),
		counts:       counts,
		pairs:        newPairTable(1 << 16),
	}
}

// newByteTrainer starts with words as the tokens of their bytes.
func newByteTrainer(words [][]byte, counts []int64, opts TrainOptions) *trainer {
	t := newTrainer(counts, opts)
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
	}
	t.countPairs()
	return t
}

// countPairs counts the pairs of all words, which are tokens by now.
func (t *trainer) countPairs() {
	for i, w := range t.words {
		for j := 0; j+1 < len(w); j++ {
			t.change(pairOf(w[j], w[j+1]), t.counts[i], int32(i))
		}
	}
	t.enqueue()
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
		merged := t.add(t.tokens[a] + strings.TrimPrefix(t.tokens[b], t.prefix))
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
