package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokenizer"
)

// Corpus is text ready for training.
type Corpus struct {
	Tokenizer  *tokenizer.Tokenizer
	EndOfText  int32            // the token after each document
	Train      datasets.Dataset // rows "tokens": fixed_size_list<int32>[SequenceLength+1]
	Validation datasets.Dataset // nil if ValidationFraction is 0
	Stats      Stats
	Dir        string // the folder of the cache that holds it
	Cached     bool   // found in the cache, not made
}

// Stats counts what a corpus holds.
type Stats struct {
	Train      SplitStats
	Validation SplitStats
	Baseline   Baseline // zero without a validation split
	Skipped    int      // files left out because they are not text
}

// SplitStats counts one split. Tokens include one end-of-text token a document, bytes do not.
type SplitStats struct{ Documents, Bytes, Tokens int64 }

// Close closes both datasets.
func (c *Corpus) Close() error {
	err := c.Train.Close()
	if c.Validation != nil {
		err = errors.Join(err, c.Validation.Close())
	}
	return err
}

// Progress tells how far Prepare has come.
type Progress struct {
	Stage       string // "list", "scan", "train", "encode", "count", in this order; "check" follows "list" or "scan" if there is a corpus to check
	Done, Total int64  // bytes of text; Total is that of the files on disk, so compressed files end above it; 0 if not known
	Warning     string // something the user should know, such as a file left out
}

// Prepare makes the corpus that a configuration describes, or finds it in the cache. The cache is asked twice: first by the
// names, sizes and times of the files, and where those are new, by the content of the documents. A list of files is believed to
// be unchanged only if all of them were last written at least two seconds before they were read. progress, which can be nil, is
// called by one goroutine, and for each stage when it begins. When ctx ends, so does Prepare, and the cache is left as it was.
func Prepare(ctx context.Context, config Config, progress func(Progress)) (*Corpus, error) {
	p := preparation{progress: progress, stage: "list"}
	if p.progress == nil {
		p.progress = func(Progress) {}
	}
	corpus, err := p.run(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("prepare data: %w", err)
	}
	if size := corpus.Tokenizer.Size(); p.Config.Tokenizer == "" && size < p.VocabSize {
		p.report(0, fmt.Sprintf("vocab_size: %d tokens were asked for, and the text has enough for %d", p.VocabSize, size))
	}
	return corpus, nil
}

// settleTime is how old a file's time must be for a change of the file to change it: the coarsest file systems count two seconds.
const settleTime = 2 * time.Second

// checkAtOnce is the size up to which a corpus found in the cache is checked as a whole before it is used; larger ones are
// checked batch by batch as they are read.
const checkAtOnce = 1 << 30

type preparation struct {
	Config
	progress  func(Progress)
	stage     string
	cache     *cache
	files     []text.File
	bytes     int64  // of files
	given     []byte // tokenizer.json that is given, and what it says
	tokenizer *tokenizer.Tokenizer
	documents []document
	key       string
	refused   string // key of a corpus in the cache that is not usable
	skipped   int
}

func (p *preparation) run(ctx context.Context, config Config) (*Corpus, error) {
	var err error
	if p.Config, err = config.WithDefaults(); err != nil {
		return nil, err
	}
	if len(p.Paths) == 0 {
		paths, opts, err := text.GoSource(ctx)
		if err != nil {
			return nil, err
		}
		p.Paths, p.Include = paths, opts.Include
	}
	if p.Config.Tokenizer != "" {
		if err := p.readTokenizer(); err != nil {
			return nil, err
		}
	}
	p.report(0, "")
	if p.cache, err = openCache(p.CacheDir); err != nil {
		return nil, err
	}
	started := time.Now()
	if p.files, err = text.Files(ctx, p.Paths, p.Options); err != nil {
		return nil, err
	}
	settled := true
	for _, f := range p.files {
		p.bytes += f.Size
		settled = settled && f.ModTime.Before(started.Add(-settleTime))
	}
	index, err := p.indexKey(p.files)
	if err != nil {
		return nil, err
	}
	if p.key = p.cache.lookUp(index); p.key != "" {
		if corpus, err := p.find(ctx); corpus != nil || err != nil {
			return corpus, err
		}
	}
	if err := p.scan(ctx); err != nil {
		return nil, err
	}
	if settled {
		// What was read is what the index names only if the files are still as they were listed.
		if settled, err = p.unchanged(ctx, index); err != nil {
			return nil, err
		}
	}
	corpus, err := p.find(ctx)
	if corpus == nil && err == nil {
		corpus, err = p.make(ctx)
	}
	if err == nil && settled {
		if indexErr := p.cache.remember(index, p.key); indexErr != nil {
			p.report(0, "the next start will read all files again: "+indexErr.Error())
		}
	}
	return corpus, err
}

func (p *preparation) report(done int64, warning string) {
	p.progress(Progress{Stage: p.stage, Done: done, Total: p.bytes, Warning: warning})
}

// request is everything but the documents that determines a corpus.
func (p *preparation) request() ([]byte, error) {
	given := sha256.Sum256(p.given)
	return json.Marshal(struct {
		Format     string
		Text       text.Options
		Tokenizer  string
		Model      string `json:",omitempty"`
		VocabSize  int
		TrainBytes int64
		Validation float64
	}{formatVersion, p.Options, hex.EncodeToString(given[:]), p.Model, p.VocabSize, p.TrainBytes, *p.ValidationFraction})
}

// indexKey is the hash of the request and of what the file system says about the files.
func (p *preparation) indexKey(files []text.File) (string, error) {
	request, err := p.request()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(request)
	for _, f := range files {
		name, err := filepath.Abs(f.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "\n%q %d %d", name, f.Size, f.ModTime.UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unchanged reports whether the file system still says the same about the files.
func (p *preparation) unchanged(ctx context.Context, index string) (bool, error) {
	files, err := text.Files(ctx, p.Paths, p.Options)
	if err != nil {
		return false, err
	}
	now, err := p.indexKey(files)
	return now == index, err
}

// scan reads all documents once, to know their hashes and with them the key of the corpus.
func (p *preparation) scan(ctx context.Context) error {
	p.stage = "scan"
	p.report(0, "")
	request, err := p.request()
	if err != nil {
		return err
	}
	key := sha256.New()
	key.Write(request)
	var done, reported int64
	for d, err := range text.Documents(ctx, p.files, p.Options, func(f text.File, why error) {
		p.skipped++
		p.report(done, "left out: "+why.Error())
	}) {
		if err != nil {
			return err
		}
		hash := sha256.Sum256(d.Text)
		key.Write(hash[:])
		p.documents = append(p.documents, newDocument(hash, len(d.Text)))
		if done += int64(len(d.Text)); done-reported >= reportBytes {
			reported = done
			p.report(done, "")
		}
	}
	if len(p.documents) == 0 {
		return fmt.Errorf("no text in %q: of %d files %d are not text, and the rest are empty or hold white space only: name files with text",
			p.Paths, len(p.files), p.skipped)
	}
	p.key = hex.EncodeToString(key.Sum(nil))
	return nil
}

// reportBytes is how much text lies between two reports.
const reportBytes = 4 << 20

// find opens the corpus of p.key if it is in the cache. Neither a corpus nor an error means that it has to be made.
func (p *preparation) find(ctx context.Context) (*Corpus, error) {
	dir := p.cache.corpus(p.key)
	if p.key == p.refused {
		return nil, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, nil
	}
	p.stage = "check"
	p.report(0, "")
	corpus, err := p.open(ctx, dir)
	var short *tooShort
	switch {
	case err == nil:
		corpus.Cached = true
		return corpus, nil
	case errors.As(err, &short) || ctx.Err() != nil:
		return nil, err
	}
	p.refused = p.key
	p.report(0, fmt.Sprintf("the cached tokens are not usable and are made again: %v", err))
	return nil, nil
}

// open opens a corpus that is complete.
func (p *preparation) open(ctx context.Context, dir string) (_ *Corpus, err error) {
	m, err := readManifest(dir, p.key)
	if err != nil {
		return nil, err
	}
	data, err := readBounded(filepath.Join(dir, "tokenizer.json"), tokenizer.MaxFileSize)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.Tokenizer {
		return nil, fmt.Errorf("%s: damaged: its hash is another than the manifest's", filepath.Join(dir, "tokenizer.json"))
	}
	c := &Corpus{EndOfText: m.EndOfText, Dir: dir, Stats: Stats{Skipped: m.Skipped}}
	if c.Tokenizer, err = tokenizer.Parse(data); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "tokenizer.json"), err)
	}
	if c.Tokenizer.Size() != m.VocabSize {
		return nil, fmt.Errorf("%s: %d tokens, the manifest says %d", filepath.Join(dir, "tokenizer.json"), c.Tokenizer.Size(), m.VocabSize)
	}
	var streams []*stream
	defer func() {
		if err != nil {
			for _, s := range streams {
				s.close()
			}
		}
	}()
	for _, split := range []*splitManifest{m.Train, m.Validation} {
		if split == nil {
			continue
		}
		s, err := openStream(dir, split, m.VocabSize)
		if err != nil {
			return nil, err
		}
		streams = append(streams, s)
		if split.Tokens*tokenBytes <= checkAtOnce {
			if err := s.checkAll(ctx, p.Workers); err != nil {
				return nil, err
			}
		}
	}
	c.Stats.Train = SplitStats{m.Train.Documents, m.Train.Bytes, m.Train.Tokens}
	if c.Train, err = newWindows(streams[0], trainSplit, int64(p.SequenceLength)); err != nil {
		return nil, err
	}
	if m.Validation != nil {
		c.Stats.Validation = SplitStats{m.Validation.Documents, m.Validation.Bytes, m.Validation.Tokens}
		if c.Validation, err = newWindows(streams[1], validationSplit, int64(p.SequenceLength)); err != nil {
			return nil, err
		}
		if m.Baseline == nil {
			return nil, fmt.Errorf("%s: the manifest has no baseline", dir)
		}
		c.Stats.Baseline = *m.Baseline
	}
	return c, nil
}

// make makes the corpus of p.key and publishes it.
func (p *preparation) make(ctx context.Context) (*Corpus, error) {
	dir, err := p.cache.temporary()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := p.makeIn(ctx, dir); err != nil {
		return nil, err
	}
	good := func(dir string) (bool, error) {
		c, err := p.open(ctx, dir)
		var short *tooShort
		switch {
		case err == nil:
			return true, c.Close()
		case errors.As(err, &short):
			return true, nil
		}
		return false, ctx.Err() // whoever stopped looking must not throw away what others use
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.cache.publish(ctx, dir, p.key, good); err != nil {
		return nil, err
	}
	return p.open(ctx, p.cache.corpus(p.key))
}

func (p *preparation) makeIn(ctx context.Context, dir string) error {
	at, err := splitAt(p.documents, *p.ValidationFraction)
	if err != nil {
		return err
	}
	tok, err := p.makeTokenizer(ctx, at)
	if err != nil {
		return err
	}
	end, err := tok.EndOfText()
	if err != nil {
		return err
	}
	data, err := tok.MarshalJSON()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "tokenizer.json"), data); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	m := &manifest{
		Format: formatVersion, Key: p.key, VocabSize: tok.Size(), EndOfText: end, Tokenizer: hex.EncodeToString(sum[:]), Skipped: p.skipped,
	}
	if m.Train, m.Validation, err = p.encode(ctx, dir, tok, end, at); err != nil {
		return err
	}
	if m.Validation != nil {
		p.stage = "count"
		p.report(0, "")
		if m.Baseline, err = p.count(ctx, dir, m); err != nil {
			return err
		}
	}
	return writeManifest(dir, m)
}

// readTokenizer reads and checks the given tokenizer, before any time is spent on text.
func (p *preparation) readTokenizer() (err error) {
	p.tokenizer, p.given, err = readTokenizer(p.Config.Tokenizer, p.VocabSize)
	return err
}

// ReadTokenizer reads a tokenizer.json that has a token to end texts with. size is that of its vocabulary, or 0 for any.
func ReadTokenizer(path string, size int) (*tokenizer.Tokenizer, error) {
	t, _, err := readTokenizer(path, size)
	return t, err
}

func readTokenizer(path string, want int) (*tokenizer.Tokenizer, []byte, error) {
	text, err := readBounded(path, tokenizer.MaxFileSize)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := tokenizer.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := t.EndOfText(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if size := t.Size(); want != 0 && want != size {
		return nil, nil, fmt.Errorf("vocab_size: %d, but %s has %d tokens: leave vocab_size out", want, path, size)
	}
	return t, text, nil
}

// makeTokenizer returns the given tokenizer or trains one on the training split.
func (p *preparation) makeTokenizer(ctx context.Context, splitAt uint64) (*tokenizer.Tokenizer, error) {
	if p.tokenizer != nil {
		return p.tokenizer, nil
	}
	p.stage = "train"
	p.report(0, "")
	upTo := sampleUpTo(p.documents, splitAt, p.TrainBytes)
	var sample iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) {
		for d, err := range p.again(ctx) {
			if err == nil && (d.place < splitAt || d.sample > upTo) {
				continue
			}
			if !yield(d.text, err) {
				return
			}
		}
	}
	return tokenizer.Train(ctx, sample, tokenizer.TrainOptions{Model: p.Model, VocabSize: p.VocabSize, Workers: p.Workers})
}

// reading is a document with its text.
type reading struct {
	document
	text []byte
}

var errChanged = errors.New("a file changed while it was being read: start again when it is complete")

// again reads all documents once more and makes sure that they are the ones that were scanned.
func (p *preparation) again(ctx context.Context) iter.Seq2[reading, error] {
	return func(yield func(reading, error) bool) {
		var done, reported int64
		n := 0
		for d, err := range text.Documents(ctx, p.files, p.Options, nil) {
			if err == nil && (n == len(p.documents) || newDocument(sha256.Sum256(d.Text), len(d.Text)) != p.documents[n]) {
				err = fmt.Errorf("%s: %w", p.files[d.File].Name, errChanged)
			}
			if err != nil {
				yield(reading{}, err)
				return
			}
			if !yield(reading{p.documents[n], d.Text}, nil) {
				return
			}
			n++
			if done += int64(len(d.Text)); done-reported >= reportBytes {
				reported = done
				p.report(done, "")
			}
		}
		if n < len(p.documents) {
			yield(reading{}, errChanged)
		}
	}
}

// encode writes the tokens of both splits. Documents keep their order whatever goroutine encodes them.
func (p *preparation) encode(ctx context.Context, dir string, tok *tokenizer.Tokenizer, end int32, splitAt uint64) (train, validation *splitManifest, err error) {
	p.stage = "encode"
	p.report(0, "")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type batch struct {
		documents []reading
		tokens    [2][]int32 // training, validation
		ready     chan struct{}
	}
	work := make(chan *batch, p.Workers)
	order := make(chan *batch, 4*p.Workers)
	for range p.Workers {
		go func() {
			encoder := tok.NewEncoder()
			for b := range work {
				for _, d := range b.documents {
					tokens := &b.tokens[0]
					if d.place < splitAt {
						tokens = &b.tokens[1]
					}
					*tokens = append(encoder.Append(*tokens, d.text), end)
				}
				close(b.ready)
			}
		}()
	}
	written := make(chan error, 1)
	writers := [2]*streamWriter{newStreamWriter(dir, "train"), newStreamWriter(dir, "validation")}
	go func() {
		var err error
		for b := range order {
			<-b.ready
			for i, w := range writers {
				if err == nil {
					err = w.write(b.tokens[i])
				}
			}
			for _, d := range b.documents {
				split := &writers[0].split
				if d.place < splitAt {
					split = &writers[1].split
				}
				split.Documents++
				split.Bytes += int64(len(d.text))
			}
			if err != nil {
				cancel()
			}
		}
		written <- err
	}()
	send := func(documents []reading) {
		if len(documents) > 0 {
			b := &batch{documents: documents, ready: make(chan struct{})}
			order <- b
			work <- b
		}
	}
	var documents []reading
	size := 0
	for d, readErr := range p.again(ctx) {
		if readErr != nil {
			err = readErr
			break
		}
		documents = append(documents, d)
		if size += len(d.text); size >= encodeBytes {
			send(documents)
			documents, size = nil, 0
		}
	}
	if err == nil {
		send(documents)
	}
	close(work)
	close(order)
	if writeErr := <-written; writeErr != nil {
		err = writeErr // which is why reading stopped
	}
	if err != nil {
		writers[0].abandon()
		writers[1].abandon()
		return nil, nil, err
	}
	if train, err = writers[0].finish(); err != nil {
		writers[1].abandon()
		return nil, nil, err
	}
	if validation, err = writers[1].finish(); err != nil || splitAt == 0 {
		return train, nil, err
	}
	return train, validation, nil
}

// encodeBytes is how much text a goroutine encodes at a time.
const encodeBytes = 512 << 10

func (p *preparation) count(ctx context.Context, dir string, m *manifest) (*Baseline, error) {
	var streams [2]*stream
	for i, split := range []*splitManifest{m.Train, m.Validation} {
		var err error
		if streams[i], err = openStream(dir, split, m.VocabSize); err != nil {
			return nil, err
		}
		defer streams[i].close()
	}
	return newBaseline(ctx, streams[0], streams[1], p.Workers)
}
