package tokens_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/seedbed/seedbed/datasets/tokens"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prose returns n bytes of made-up sentences, always the same for a seed.
func prose(seed uint32, n int) string {
	words := strings.Fields("the of a seed grows under rain while old roots hold soil and naïve birds sing über der Wiese; it's 42 or 1024 日本語 tests — they're fine")
	var b strings.Builder
	for b.Len() < n {
		seed = seed*1664525 + 1013904223
		b.WriteString(words[seed>>16%uint32(len(words))])
		if seed>>8&15 == 0 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// old is a time that files are given so that the cache believes it.
var old = time.Now().Add(-time.Hour).Truncate(time.Second)

func write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	require.NoError(t, os.Chtimes(path, old, old))
}

// folder writes n files of about 3 KB.
func folder(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("%c/%03d.txt", 'a'+i%3, i)), prose(uint32(i), 2000+i*40))
	}
	return dir
}

func config(t testing.TB, paths ...string) tokens.Config {
	return tokens.Config{Paths: paths, VocabSize: 320, SequenceLength: 32, CacheDir: filepath.Join(t.TempDir(), "cache"), Workers: 2}
}

func prepare(t testing.TB, c tokens.Config) *tokens.Corpus {
	t.Helper()
	corpus, err := tokens.Prepare(context.Background(), c, nil)
	require.NoError(t, err)
	t.Cleanup(func() { corpus.Close() })
	return corpus
}

// row returns one row of a dataset.
func row(t testing.TB, d datasets.Dataset, i int64) []int32 {
	t.Helper()
	record, err := d.Read(context.Background(), []int64{i})
	require.NoError(t, err)
	defer record.Release()
	return append([]int32(nil), record.Column(0).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values()...)
}

// stream returns the tokens that the rows of a dataset cover, after checking that each row begins where the one before it ends.
func stream(t testing.TB, d datasets.Dataset, length int) []int32 {
	t.Helper()
	var all []int32
	for i := range d.Len() {
		r := row(t, d, i)
		require.Len(t, r, length+1)
		if i == 0 {
			all = append(all, r[0])
		}
		require.Equal(t, all[len(all)-1], r[0], "row %d", i)
		all = append(all, r[1:]...)
	}
	return all
}

// shards returns all tokens of a split as any reader of Arrow files sees them.
func shards(t testing.TB, dir, split string) []int32 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, split+"-*.arrow"))
	require.NoError(t, err)
	var all []int32
	for _, name := range names {
		f, err := os.Open(name)
		require.NoError(t, err)
		r, err := ipc.NewFileReader(f)
		require.NoError(t, err)
		for i := range r.NumRecords() {
			record, err := r.Record(i)
			require.NoError(t, err)
			all = append(all, record.Column(0).(*array.Int32).Int32Values()...)
		}
		require.NoError(t, r.Close())
		require.NoError(t, f.Close())
	}
	return all
}

// documents splits a stream at the ends of documents and decodes them.
func documents(t testing.TB, c *tokens.Corpus, ids []int32) []string {
	t.Helper()
	require.NotEmpty(t, ids)
	require.Equal(t, c.EndOfText, ids[len(ids)-1])
	var docs []string
	start := 0
	for i, id := range ids {
		if id == c.EndOfText {
			s, err := c.Tokenizer.Decode(ids[start:i], false)
			require.NoError(t, err)
			docs, start = append(docs, s), i+1
		}
	}
	return docs
}

// read lists the documents that a configuration names.
func read(t testing.TB, c tokens.Config) []string {
	t.Helper()
	files, err := text.Files(context.Background(), c.Paths, c.Options)
	require.NoError(t, err)
	var docs []string
	for d, err := range text.Documents(context.Background(), files, c.Options, nil) {
		require.NoError(t, err)
		docs = append(docs, string(d.Text))
	}
	return docs
}

func TestRowsAreTheDocuments(t *testing.T) {
	lines := func(docs ...string) string {
		var b strings.Builder
		for i, d := range docs {
			fmt.Fprintf(&b, "{\"n\":%d,\"text\":%q}\n", i, d)
		}
		return b.String()
	}
	var jsonl []string
	for i := range 60 {
		jsonl = append(jsonl, strings.ToValidUTF8(prose(uint32(1000+i), 800), ""))
	}
	jsonl[7] = "a document that spells <|endoftext|> must not end early"
	tests := []struct {
		name  string
		files map[string]string // in place of the folder's own
		opts  text.Options
	}{
		{"folder", nil, text.Options{}},
		{"paragraphs of one file", map[string]string{"a.txt": strings.ReplaceAll(prose(5, 60000), ".\n", ".\n\n")}, text.Options{Document: "paragraph"}},
		{"long file", map[string]string{"a.txt": prose(6, 100000)}, text.Options{MaxDocumentBytes: 1000}},
		{"json lines", map[string]string{"a.jsonl": lines(jsonl...)}, text.Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.files == nil {
				dir = folder(t, 40)
			}
			for name, content := range tt.files {
				write(t, filepath.Join(dir, name), content)
			}
			c := config(t, dir)
			c.Options = tt.opts
			corpus := prepare(t, c)
			assert.False(t, corpus.Cached)
			assert.Equal(t, 320, corpus.Tokenizer.Size())

			train, validation := shards(t, corpus.Dir, "train"), shards(t, corpus.Dir, "validation")
			trainDocs, validationDocs := documents(t, corpus, train), documents(t, corpus, validation)
			held := map[string]bool{}
			for _, d := range validationDocs {
				held[d] = true
			}
			var wantTrain, wantValidation []string
			var trainIDs []int32
			for _, d := range read(t, c) {
				if held[d] {
					wantValidation = append(wantValidation, d)
					continue
				}
				wantTrain = append(wantTrain, d)
				if !strings.Contains(d, tokenizer.EndOfText) { // which only Encode takes for the token
					enc, err := corpus.Tokenizer.Encode(d)
					require.NoError(t, err)
					trainIDs = append(append(trainIDs, enc.IDs...), corpus.EndOfText)
				} else {
					trainIDs = append(corpus.Tokenizer.NewEncoder().Append(trainIDs, []byte(d)), corpus.EndOfText)
				}
			}
			assert.Equal(t, wantTrain, trainDocs)
			assert.Equal(t, wantValidation, validationDocs)
			assert.NotEmpty(t, wantValidation)
			assert.Equal(t, trainIDs, train)

			for _, split := range []struct {
				data  datasets.Dataset
				ids   []int32
				docs  []string
				stats tokens.SplitStats
			}{{corpus.Train, train, wantTrain, corpus.Stats.Train}, {corpus.Validation, validation, wantValidation, corpus.Stats.Validation}} {
				assert.Equal(t, int64(len(split.ids)-1)/32, split.data.Len())
				covered := stream(t, split.data, 32)
				assert.Equal(t, split.ids[:len(covered)], covered)
				assert.Less(t, len(split.ids)-len(covered), 32)
				assert.Equal(t, tokens.SplitStats{
					Documents: int64(len(split.docs)), Bytes: int64(len(strings.Join(split.docs, ""))), Tokens: int64(len(split.ids)),
				}, split.stats)
			}
		})
	}
}

func TestRead(t *testing.T) {
	c := config(t, folder(t, 40))
	corpus := prepare(t, c)
	d := corpus.Train
	ctx := context.Background()
	record, err := d.Read(ctx, []int64{5, 0, 5, d.Len() - 1})
	require.NoError(t, err)
	defer record.Release()
	assert.True(t, record.Schema().Equal(d.Schema()))
	assert.Equal(t, "fixed_size_list<item: int32>[33]", d.Schema().Field(0).Type.String())
	list := record.Column(0).(*array.FixedSizeList)
	assert.EqualValues(t, 4, record.NumRows())
	for i, want := range []int64{5, 0, 5, d.Len() - 1} {
		from, to := list.ValueOffsets(i)
		assert.Equal(t, row(t, d, want), list.ListValues().(*array.Int32).Int32Values()[from:to])
	}
	empty, err := d.Read(ctx, nil)
	require.NoError(t, err)
	assert.Zero(t, empty.NumRows())
	empty.Release()
	for _, bad := range []int64{-1, d.Len(), math.MaxInt64, math.MinInt64} {
		_, err := d.Read(ctx, []int64{0, bad})
		assert.ErrorContains(t, err, fmt.Sprintf("row %d is outside [0, %d)", bad, d.Len()))
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	_, err = d.Read(stopped, []int64{0})
	assert.ErrorIs(t, err, context.Canceled)

	var group sync.WaitGroup
	want := row(t, d, 3)
	for range 4 {
		group.Go(func() {
			for i := range d.Len() {
				record, err := d.Read(ctx, []int64{i, 3})
				if assert.NoError(t, err) {
					assert.Equal(t, want, record.Column(0).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values()[33:])
					record.Release()
				}
			}
		})
	}
	group.Wait()
}

// same asserts that two corpora have the same bytes in every row, tokenizer and count.
func same(t testing.TB, a, b *tokens.Corpus) {
	t.Helper()
	assert.Equal(t, a.Train.Fingerprint(), b.Train.Fingerprint())
	assert.Equal(t, a.Validation.Fingerprint(), b.Validation.Fingerprint())
	assert.Equal(t, a.Stats, b.Stats)
	for _, name := range []string{"train-00000.arrow", "validation-00000.arrow", "tokenizer.json", "manifest.json"} {
		x, err := os.ReadFile(filepath.Join(a.Dir, name))
		require.NoError(t, err)
		y, err := os.ReadFile(filepath.Join(b.Dir, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(x, y), name)
	}
}

func TestResultDoesNotDependOnWorkers(t *testing.T) {
	dir := t.TempDir()
	for i := range 30 { // more than one batch of work
		write(t, filepath.Join(dir, fmt.Sprint(i)), prose(uint32(i), 50000))
	}
	c := config(t, dir)
	c.TrainBytes = 300000
	c.Workers = 1
	first := prepare(t, c)
	for _, workers := range []int{0, 2, 3, 17} {
		c.Workers, c.CacheDir = workers, t.TempDir()
		other := prepare(t, c)
		assert.False(t, other.Cached)
		same(t, first, other)
	}
}

func TestSplitDependsOnADocumentAlone(t *testing.T) {
	// Enough text that a tenth of the hashes holds the least that a validation split has, whatever is added.
	dir := t.TempDir()
	for i := range 300 {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d", i)), prose(uint32(i), 8000))
	}
	c := config(t, dir)
	tenth := 0.1
	c.ValidationFraction = &tenth
	split := func(c tokens.Config) (train, validation map[string]bool) {
		corpus := prepare(t, c)
		train, validation = map[string]bool{}, map[string]bool{}
		for _, d := range documents(t, corpus, shards(t, corpus.Dir, "train")) {
			train[d] = true
		}
		for _, d := range documents(t, corpus, shards(t, corpus.Dir, "validation")) {
			validation[d] = true
			assert.False(t, train[d], "in both splits")
		}
		return train, validation
	}
	train, validation := split(c)
	assert.Equal(t, 300, len(train)+len(validation))
	assert.InDelta(t, 30, len(validation), 16) // three standard deviations

	// Other names, other order, repeats, new documents.
	other := t.TempDir()
	for i := range 400 {
		write(t, filepath.Join(other, fmt.Sprintf("%03d", 999-i)), prose(uint32(i), 8000))
		write(t, filepath.Join(other, fmt.Sprintf("again%03d", i)), prose(uint32(i), 8000))
	}
	c.Paths = []string{other}
	trainNow, validationNow := split(c)
	assert.Equal(t, 400, len(trainNow)+len(validationNow))
	for d := range train {
		assert.True(t, trainNow[d])
	}
	for d := range validation {
		assert.True(t, validationNow[d])
	}
}

func TestNoValidation(t *testing.T) {
	c := config(t, folder(t, 5))
	none := 0.0
	c.ValidationFraction = &none
	for _, cached := range []bool{false, true} {
		corpus := prepare(t, c)
		assert.Equal(t, cached, corpus.Cached)
		assert.Nil(t, corpus.Validation)
		assert.Zero(t, corpus.Stats.Validation)
		assert.Zero(t, corpus.Stats.Baseline)
		assert.EqualValues(t, 5, corpus.Stats.Train.Documents)
	}
}

func TestGivenTokenizer(t *testing.T) {
	c := config(t, folder(t, 20))
	trained := prepare(t, c)
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, trained.Tokenizer.Save(path))
	c.Tokenizer, c.VocabSize = path, 0
	given := prepare(t, c)
	assert.False(t, given.Cached)
	assert.Equal(t, trained.Train.Fingerprint(), given.Train.Fingerprint())

	c.VocabSize = 500
	_, err := tokens.Prepare(context.Background(), c, nil)
	assert.ErrorContains(t, err, "vocab_size: 500, but "+path+" has 320 tokens")
	c.VocabSize = 0

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, bad := range []struct{ content, want string }{
		{strings.Replace(string(data), `"special":true`, `"special":false`, 1), "no special token <|endoftext|>"},
		{"{", "unexpected EOF"},
		{strings.Replace(string(data), `"BPE"`, `"WordLevel"`, 1), "model.type"},
	} {
		write(t, path, bad.content)
		_, err := tokens.Prepare(context.Background(), c, nil)
		assert.ErrorContains(t, err, bad.want)
		assert.ErrorContains(t, err, path)
	}
	c.Tokenizer += ".missing"
	_, err = tokens.Prepare(context.Background(), c, nil)
	assert.ErrorContains(t, err, "tokenizer: open")
}

// stages returns the stages that Prepare reports, and its warnings.
func stages(t testing.TB, c tokens.Config) (corpus *tokens.Corpus, stages []string, warnings string) {
	t.Helper()
	corpus, err := tokens.Prepare(context.Background(), c, func(p tokens.Progress) {
		if len(stages) == 0 || stages[len(stages)-1] != p.Stage {
			stages = append(stages, p.Stage)
		}
		warnings += p.Warning
	})
	require.NoError(t, err)
	t.Cleanup(func() { corpus.Close() })
	return corpus, stages, warnings
}

func TestCache(t *testing.T) {
	dir := folder(t, 30)
	c := config(t, dir)
	first, did, warnings := stages(t, c)
	assert.Equal(t, []string{"list", "scan", "train", "encode", "count"}, did)
	assert.Empty(t, warnings)
	hit := func(t *testing.T, want ...string) {
		t.Helper()
		corpus, did, warnings := stages(t, c)
		assert.Equal(t, want, did)
		assert.True(t, corpus.Cached)
		assert.Equal(t, first.Dir, corpus.Dir)
		assert.Empty(t, warnings)
		same(t, first, corpus)
	}
	t.Run("by names and times", func(t *testing.T) { hit(t, "list", "check") })
	file := filepath.Join(dir, "a", "000.txt")
	t.Run("by content", func(t *testing.T) {
		require.NoError(t, os.Chtimes(file, old, old.Add(-time.Minute)))
		hit(t, "list", "scan", "check")
		hit(t, "list", "check")
	})
	t.Run("of a moved folder", func(t *testing.T) {
		moved := filepath.Join(t.TempDir(), "moved")
		require.NoError(t, os.CopyFS(moved, os.DirFS(dir)))
		was := c.Paths
		c.Paths = []string{moved}
		hit(t, "list", "scan", "check")
		c.Paths = was
	})
	t.Run("fresh files are not believed", func(t *testing.T) {
		now := time.Now()
		require.NoError(t, os.Chtimes(file, now, now))
		hit(t, "list", "scan", "check")
		hit(t, "list", "scan", "check")
		require.NoError(t, os.Chtimes(file, old, old))
	})
	t.Run("another sequence length", func(t *testing.T) {
		long := c
		long.SequenceLength = 64
		corpus, did, _ := stages(t, long)
		assert.True(t, corpus.Cached)
		assert.Equal(t, []string{"list", "check"}, did)
		assert.NotEqual(t, first.Train.Fingerprint(), corpus.Train.Fingerprint())
		assert.Equal(t, row(t, first.Train, 0), row(t, corpus.Train, 0)[:33])
	})
	t.Run("what is asked for changes", func(t *testing.T) {
		half := 0.5
		for name, change := range map[string]func(*tokens.Config){
			"vocabulary": func(c *tokens.Config) { c.VocabSize = 300 },
			"training":   func(c *tokens.Config) { c.TrainBytes = 10000 },
			"validation": func(c *tokens.Config) { c.ValidationFraction = &half },
			"documents":  func(c *tokens.Config) { c.Document = "line" },
		} {
			other := c
			change(&other)
			corpus, _, _ := stages(t, other)
			assert.False(t, corpus.Cached, name)
			assert.NotEqual(t, first.Dir, corpus.Dir, name)
		}
	})
	t.Run("content changes", func(t *testing.T) {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		write(t, file, string(content)+"More.")
		corpus, _, _ := stages(t, c)
		assert.False(t, corpus.Cached)
		assert.NotEqual(t, first.Train.Fingerprint()+first.Validation.Fingerprint(), corpus.Train.Fingerprint()+corpus.Validation.Fingerprint())
		write(t, file, string(content))
		hit(t, "list", "check")
	})
	t.Run("index damaged", func(t *testing.T) {
		names, err := filepath.Glob(filepath.Join(c.CacheDir, "index", "*"))
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for i, name := range names {
			require.NoError(t, os.WriteFile(name, []byte([]string{"", "../../../x", strings.Repeat("0", 64), strings.Repeat("z", 64), strings.Repeat("0", 99)}[i%5]), 0o644))
		}
		hit(t, "list", "scan", "check")
		hit(t, "list", "check")
	})
	assertNoTemporary(t, c.CacheDir)
}

func assertNoTemporary(t testing.TB, cache string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cache, "tmp-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestStaleTemporaryFoldersAreRemoved(t *testing.T) {
	c := config(t, folder(t, 10))
	stale, fresh := filepath.Join(c.CacheDir, "tmp-1"), filepath.Join(c.CacheDir, "tmp-2")
	write(t, filepath.Join(stale, "x"), "x")
	write(t, filepath.Join(fresh, "x"), "x")
	yesterday := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(stale, yesterday, yesterday))
	prepare(t, c)
	assert.NoDirExists(t, stale)
	assert.DirExists(t, fresh)
}

func TestDamageIsFound(t *testing.T) {
	dir := folder(t, 30)
	c := config(t, dir)
	intact := prepare(t, c)
	pristine := t.TempDir()
	require.NoError(t, os.CopyFS(pristine, os.DirFS(intact.Dir)))
	flip := func(at func(size int) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(len(b))] ^= 4; return b }
	}
	middle := func(size int) int { return size / 2 }
	tests := []struct {
		name, file string
		change     func([]byte) []byte // nil removes the file
	}{
		{"byte of a token", "train-00000.arrow", flip(middle)},
		{"byte of a validation token", "validation-00000.arrow", flip(middle)},
		{"shard cut short", "train-00000.arrow", func(b []byte) []byte { return b[:len(b)-1] }},
		{"shard empty", "train-00000.arrow", func([]byte) []byte { return nil }},
		{"shard longer", "train-00000.arrow", func(b []byte) []byte { return append(b, 0) }},
		{"shard missing", "validation-00000.arrow", nil},
		{"byte of the tokenizer", "tokenizer.json", flip(middle)},
		{"tokenizer missing", "tokenizer.json", nil},
		{"byte of the manifest", "manifest.json", flip(middle)},
		{"byte of the manifest's hash", "manifest.json", flip(func(int) int { return 20 })},
		{"manifest cut short", "manifest.json", func(b []byte) []byte { return b[:len(b)/2] }},
		{"manifest missing", "manifest.json", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(intact.Dir, tt.file)
			if tt.change == nil {
				require.NoError(t, os.Remove(path))
			} else {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, tt.change(data), 0o644))
			}
			again, did, warnings := stages(t, c)
			assert.False(t, again.Cached)
			assert.Equal(t, []string{"list", "check", "scan", "train", "encode", "count"}, did)
			assert.Equal(t, 1, strings.Count(warnings, "not usable"), warnings)
			assert.Contains(t, warnings, tt.file)
			for _, name := range []string{"train-00000.arrow", "validation-00000.arrow", "tokenizer.json", "manifest.json"} {
				want, err := os.ReadFile(filepath.Join(pristine, name))
				require.NoError(t, err)
				got, err := os.ReadFile(filepath.Join(again.Dir, name))
				require.NoError(t, err)
				assert.True(t, bytes.Equal(want, got), name)
			}
			assert.True(t, prepare(t, c).Cached)
			assertNoTemporary(t, c.CacheDir)
		})
	}
}

func TestEveryFlippedByteOfAManifestIsFoundOrHarmless(t *testing.T) {
	c := config(t, folder(t, 10))
	corpus := prepare(t, c)
	path := filepath.Join(corpus.Dir, "manifest.json")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	// Every 37th, so that the test stays short.
	for at := 0; at < len(data)-1; at += 37 {
		damaged := bytes.Clone(data)
		damaged[at] ^= 1
		require.NoError(t, os.WriteFile(path, damaged, 0o644))
		again := prepare(t, c)
		same(t, corpus, again)
		assert.False(t, again.Cached, "byte %d", at)
	}
}

func TestConcurrentPrepare(t *testing.T) {
	c := config(t, folder(t, 40))
	many := func(t *testing.T) []*tokens.Corpus {
		corpora := make([]*tokens.Corpus, 6)
		var group sync.WaitGroup
		for i := range corpora {
			group.Go(func() {
				var err error
				corpora[i], err = tokens.Prepare(context.Background(), c, nil)
				assert.NoError(t, err)
			})
		}
		group.Wait()
		for _, corpus := range corpora {
			require.NotNil(t, corpus)
			defer corpus.Close()
			same(t, corpora[0], corpus)
			assert.Equal(t, row(t, corpora[0].Train, 7), row(t, corpus.Train, 7))
		}
		assertNoTemporary(t, c.CacheDir)
		return corpora
	}
	t.Run("empty cache", func(t *testing.T) { many(t) })
	t.Run("damaged cache", func(t *testing.T) {
		for range 5 {
			dir := prepare(t, c).Dir
			path := filepath.Join(dir, "train-00000.arrow")
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			data[len(data)/2] ^= 1
			require.NoError(t, os.WriteFile(path, data, 0o644))
			many(t)
		}
	})
}

// TestPrepareInAnotherProcess is what TestConcurrentProcesses starts; alone it does nothing.
func TestPrepareInAnotherProcess(t *testing.T) {
	data, cache := os.Getenv("TOKENS_TEST_DATA"), os.Getenv("TOKENS_TEST_CACHE")
	if data == "" {
		t.Skip("started by TestConcurrentProcesses")
	}
	c := config(t, data)
	c.CacheDir = cache
	corpus := prepare(t, c)
	fmt.Println("fingerprint", corpus.Train.Fingerprint(), corpus.Validation.Fingerprint())
}

func TestConcurrentProcesses(t *testing.T) {
	dir := folder(t, 40)
	c := config(t, dir)
	var group sync.WaitGroup
	outputs := make([]string, 4)
	for i := range outputs {
		group.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestPrepareInAnotherProcess$", "-test.v")
			cmd.Env = append(os.Environ(), "TOKENS_TEST_DATA="+dir, "TOKENS_TEST_CACHE="+c.CacheDir)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
			outputs[i] = string(out)
		})
	}
	group.Wait()
	corpus := prepare(t, c)
	assert.True(t, corpus.Cached)
	for _, out := range outputs {
		assert.Contains(t, out, "fingerprint "+corpus.Train.Fingerprint()+" "+corpus.Validation.Fingerprint())
	}
	assertNoTemporary(t, c.CacheDir)
}

// snapshot returns the files of a cache and their bytes.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	}))
	return files
}

func TestCancelLeavesTheCacheAsItWas(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 { // long enough for a report within each stage
		write(t, filepath.Join(dir, fmt.Sprint(i)), prose(uint32(i), 1<<20))
	}
	c := config(t, dir)
	before := prepare(t, c)
	c.VocabSize = 500 // another corpus
	was := snapshot(t, c.CacheDir)
	for _, stage := range []string{"list", "scan", "train", "encode", "count"} {
		t.Run(stage, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			_, err := tokens.Prepare(ctx, c, func(p tokens.Progress) {
				if p.Stage == stage {
					cancel()
				}
			})
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, was, snapshot(t, c.CacheDir))
			assertNoTemporary(t, c.CacheDir)
		})
	}
	t.Run("check", func(t *testing.T) {
		c.VocabSize = 320
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, err := tokens.Prepare(ctx, c, func(p tokens.Progress) {
			if p.Stage == "check" {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, was, snapshot(t, c.CacheDir))
		assert.Equal(t, before.Train.Fingerprint(), prepare(t, c).Train.Fingerprint())
	})
}

func TestBadDataIsRefused(t *testing.T) {
	many := prose(1, 40000)
	none := 0.0
	tests := []struct {
		name   string
		files  map[string]string
		change func(*tokens.Config)
		want   []string
	}{
		{"no files", nil, nil, []string{"no files in it"}},
		{"empty files", map[string]string{"a": "", "b": " \n\t\n"}, nil, []string{"no text in", "of 2 files 0 are not text", "name files with text"}},
		{"only binary, skipped", map[string]string{"a.png": "\x89PNG\r\n"}, func(c *tokens.Config) { c.SkipBinary = true }, []string{"no text in", "of 1 files 1 are not text"}},
		{"binary", map[string]string{"a.txt": many, "b.png": "\x89PNG\r\n"}, nil, []string{"b.png: byte 0 (0x89)", "not text", "skip_binary", "include"}},
		{"one document", map[string]string{"a": "only this"}, nil, []string{"one document is too little", "validation_fraction: 0"}},
		{"equal documents", map[string]string{"a": many[:2000], "b": many[:2000]}, nil, []string{"one document is too little"}},
		{"shorter than a sequence", map[string]string{"a": "few words"}, func(c *tokens.Config) { c.ValidationFraction = &none }, []string{"the training split has", "sequence_length + 1 = 33", "smaller sequence_length"}},
		{"validation shorter than a sequence", map[string]string{"a": many}, func(c *tokens.Config) { c.MaxDocumentBytes, c.SequenceLength = 1000, 2500 }, []string{"the validation split has", "sequence_length + 1 = 2501", "validation_fraction"}},
		{"json without the field", map[string]string{"a.jsonl": `{"body":"x"}`}, nil, []string{"a.jsonl:1", `no field "text"`, "text_field", `["body"]`}},
		{"sequence_length missing", map[string]string{"a": many}, func(c *tokens.Config) { c.SequenceLength = 0 }, []string{"sequence_length: 0 is outside [1,"}},
		{"vocab_size", map[string]string{"a": many}, func(c *tokens.Config) { c.VocabSize = 256 }, []string{"vocab_size: 256 is outside [257,"}},
		{"train_bytes", map[string]string{"a": many}, func(c *tokens.Config) { c.TrainBytes = -1 }, []string{"train_bytes: -1"}},
		{"validation_fraction", map[string]string{"a": many}, func(c *tokens.Config) { one := 1.0; c.ValidationFraction = &one }, []string{"validation_fraction: 1 is outside [0, 1)"}},
		{"validation_fraction NaN", map[string]string{"a": many}, func(c *tokens.Config) { nan := math.NaN(); c.ValidationFraction = &nan }, []string{"validation_fraction: NaN"}},
		{"workers", map[string]string{"a": many}, func(c *tokens.Config) { c.Workers = -1 }, []string{"workers: -1"}},
		{"cache is a file", map[string]string{"a": many}, func(c *tokens.Config) { c.CacheDir = filepath.Join(c.Paths[0], "a") }, []string{"cache_dir:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.files {
				write(t, filepath.Join(dir, name), content)
			}
			c := config(t, dir)
			if tt.change != nil {
				tt.change(&c)
			}
			for range 2 { // the second time, there may be something in the cache
				corpus, err := tokens.Prepare(context.Background(), c, nil)
				assert.Nil(t, corpus)
				require.Error(t, err)
				assert.ErrorContains(t, err, "prepare data: ")
				for _, part := range tt.want {
					assert.ErrorContains(t, err, part)
				}
			}
			assertNoTemporary(t, c.CacheDir)
		})
	}
}

func TestAVocabularyThatTextCannotFillIsReported(t *testing.T) {
	c := config(t, folder(t, 10))
	c.VocabSize = 5000
	for _, cached := range []bool{false, true} {
		corpus, _, warnings := stages(t, c)
		assert.Equal(t, cached, corpus.Cached)
		assert.Less(t, corpus.Tokenizer.Size(), 5000)
		assert.Contains(t, warnings, fmt.Sprintf("vocab_size: 5000 tokens were asked for, and the text has enough for %d", corpus.Tokenizer.Size()))
	}
}

func TestSkippedFilesAreCounted(t *testing.T) {
	dir := folder(t, 10)
	write(t, filepath.Join(dir, "x.png"), "\x89PNG\r\n")
	c := config(t, dir)
	c.SkipBinary = true
	corpus, _, warnings := stages(t, c)
	assert.Equal(t, 1, corpus.Stats.Skipped)
	assert.Contains(t, warnings, "left out: "+filepath.Join(dir, "x.png"))
	again, _, _ := stages(t, c)
	assert.True(t, again.Cached)
	assert.Equal(t, 1, again.Stats.Skipped)
}

func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	dir := folder(t, 10)
	file := filepath.Join(dir, "a", "000.txt")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	content := string(data)
	other := strings.ToUpper(content[:1]) + content[1:]
	if other == content {
		other = strings.ToLower(content[:1]) + content[1:]
	}
	require.NotEqual(t, content, other)
	at := func(stage string, do func()) func(tokens.Progress) {
		return func(p tokens.Progress) {
			if p.Stage == stage && do != nil {
				do()
				do = nil
			}
		}
	}
	for _, stage := range []string{"train", "encode"} {
		for name, change := range map[string]func(){
			"other text": func() { write(t, file, other) },
			"more text":  func() { write(t, file, content+strings.Repeat("x", 40000)) },
			"no text":    func() { write(t, file, "") },
		} {
			t.Run(name+" before "+stage, func(t *testing.T) {
				write(t, file, content)
				c := config(t, dir)
				_, err := tokens.Prepare(context.Background(), c, at(stage, change))
				assert.ErrorContains(t, err, "changed while it was being read")
				assertNoTemporary(t, c.CacheDir)
				assert.Empty(t, snapshot(t, c.CacheDir))
			})
		}
	}
	t.Run("between list and scan, and back", func(t *testing.T) {
		// The list names the first content and the scan reads the second: nothing may remember the two as one.
		write(t, file, content)
		c := config(t, dir)
		second, err := tokens.Prepare(context.Background(), c, at("scan", func() {
			write(t, file, other)
			now := time.Now()
			require.NoError(t, os.Chtimes(file, now, now))
		}))
		require.NoError(t, err)
		defer second.Close()
		write(t, file, content)
		first := prepare(t, c)
		assert.False(t, first.Cached)
		assert.NotEqual(t, second.Dir, first.Dir)
	})
}

func TestWikiText(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "data", "wikitext2", "valid.txt")
	if _, err := os.Stat(path); os.IsNotExist(err) {
		t.Skipf("%s is not here: shared test data is not part of the repository", path)
	}
	c := config(t, path)
	c.Document, c.VocabSize, c.SequenceLength = "line", 2000, 128
	corpus := prepare(t, c)
	ids := shards(t, corpus.Dir, "train")
	covered := stream(t, corpus.Train, 128)
	assert.Equal(t, ids[:len(covered)], covered)
	assert.Len(t, read(t, c), len(documents(t, corpus, ids))+len(documents(t, corpus, shards(t, corpus.Dir, "validation"))))

	s, b := corpus.Stats, corpus.Stats.Baseline
	t.Logf("%+v", s)
	assert.Greater(t, s.Train.Bytes+s.Validation.Bytes, int64(1<<20))
	assert.InDelta(t, 3.4, b.BytesPerToken, 0.5)
	// Knowing only frequencies, English in 2000 tokens costs 2.5 bits a byte; one token of context is worth a few tenths.
	assert.Less(t, b.UnigramLoss, math.Log(2000))
	assert.Less(t, b.BigramLoss, b.UnigramLoss-0.5)
	assert.Greater(t, b.BitsPerByte(b.BigramLoss), 1.5)
	assert.Less(t, b.BitsPerByte(b.UnigramLoss), 3.5)
	assert.True(t, prepare(t, c).Cached)
}
