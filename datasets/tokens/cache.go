package tokens

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// A cache folder holds
//
//	corpora/KEY/    one corpus: manifest.json, tokenizer.json and shards; KEY is a hash of all documents and of what was asked
//	index/KEY       which corpus a list of files was; KEY is a hash of their names, sizes and times and of what was asked
//	lock            held by the run that is publishing a corpus
//	tmp-*           corpora being made
//
// A corpus is made under a temporary name, synced, and renamed, so that what has a good name is whole. Runs that make the same
// corpus at once do the work twice, and the first to finish publishes it.
type cache struct{ dir string }

// formatVersion is part of every key: it changes when a corpus would be made otherwise.
const formatVersion = "seedbed tokens 1"

// staleAfter is the age at which a temporary folder is one that a killed process left behind.
const staleAfter = 24 * time.Hour

func openCache(dir string) (*cache, error) {
	c := &cache{dir}
	for _, sub := range []string{"corpora", "index"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("cache_dir: %w", err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cache_dir: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), "tmp-") && time.Since(info.ModTime()) > staleAfter {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return c, nil
}

func (c *cache) corpus(key string) string { return filepath.Join(c.dir, "corpora", key) }

// temporary makes a folder to make a corpus in.
func (c *cache) temporary() (string, error) {
	dir, err := os.MkdirTemp(c.dir, "tmp-*")
	if err != nil {
		return "", fmt.Errorf("cache_dir: %w", err)
	}
	return dir, nil
}

// publish gives a finished folder its name. A good corpus of that name is left as it is; any other is replaced. One run at a time
// looks and replaces: two that found the same damage would otherwise throw away each other's corpus.
func (c *cache) publish(ctx context.Context, temporary, key string, good func(dir string) (bool, error)) error {
	if err := syncDir(temporary); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	final := c.corpus(key)
	if _, err := os.Lstat(final); err == nil {
		if ok, err := good(final); err != nil {
			return err
		} else if ok {
			return os.RemoveAll(temporary)
		}
		if err := c.discard(final); err != nil {
			return err
		}
	}
	if err := os.Rename(temporary, final); err != nil {
		return fmt.Errorf("publish tokens: %w", err)
	}
	return syncDir(filepath.Dir(final))
}

// lock makes this run the only one that publishes, until unlock is called or the process ends.
func (c *cache) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cache_dir: %w", err)
	}
	for {
		if ok, err := tryLock(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("cache_dir: cannot lock %s: %w", f.Name(), err)
		} else if ok {
			return func() { f.Close() }, nil
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}

// discard takes a corpus that is not good out of the way at once: removing it file by file would show others half of it.
func (c *cache) discard(dir string) error {
	trash, err := c.temporary()
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(trash, "corpus"))
	os.RemoveAll(trash)
	return err
}

var keyPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// lookUp returns the key of the corpus that a list of files was, or "".
func (c *cache) lookUp(index string) string {
	key, err := readBounded(filepath.Join(c.dir, "index", index), sha256.Size*2)
	if err != nil || !keyPattern.Match(key) {
		return ""
	}
	return string(key)
}

// remember records the key of the corpus that a list of files is.
func (c *cache) remember(index, key string) error {
	f, err := os.CreateTemp(c.dir, "tmp-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.dir, "index", index))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// manifest describes a corpus, all its bytes included.
type manifest struct {
	Format     string         `json:"format"`
	Key        string         `json:"key"`
	VocabSize  int            `json:"vocab_size"`
	EndOfText  int32          `json:"end_of_text"`
	Tokenizer  string         `json:"tokenizer_sha256"`
	Train      *splitManifest `json:"train"`
	Validation *splitManifest `json:"validation,omitempty"`
	Baseline   *Baseline      `json:"baseline,omitempty"`
	Skipped    int            `json:"skipped_files,omitempty"`
}

// splitManifest describes one stream of tokens. Batches hold batchTokens tokens and shards shardBatches batches each, the last
// ones excepted.
type splitManifest struct {
	Documents int64           `json:"documents"`
	Bytes     int64           `json:"bytes"`
	Tokens    int64           `json:"tokens"`
	SHA256    string          `json:"sha256"` // of all tokens, little-endian
	Shards    []shardManifest `json:"shards"`
}

type shardManifest struct {
	File    string          `json:"file"`
	Size    int64           `json:"size"`
	Batches []batchManifest `json:"batches"`
}

type batchManifest struct {
	Offset int64  `json:"offset"` // of the first token in the file
	SHA256 string `json:"sha256"` // of the tokens in the file
}

const maxManifestBytes = 256 << 20

// writeManifest writes a manifest with its own hash in front.
func writeManifest(dir string, m *manifest) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	return writeFile(filepath.Join(dir, "manifest.json"), []byte(`{"sha256":"`+hex.EncodeToString(sum[:])+`","manifest":`+string(data)+"}\n"))
}

func readManifest(dir, key string) (*manifest, error) {
	path := filepath.Join(dir, "manifest.json")
	data, err := readBounded(path, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	var envelope struct {
		SHA256   string
		Manifest json.RawMessage
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if sum := sha256.Sum256(envelope.Manifest); hex.EncodeToString(sum[:]) != envelope.SHA256 {
		return nil, fmt.Errorf("%s: damaged: its content does not have the hash it names", path)
	}
	m := &manifest{}
	dec := json.NewDecoder(bytes.NewReader(envelope.Manifest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Format != formatVersion || m.Key != key {
		return nil, fmt.Errorf("%s: is of %q, key %s; %q, key %s is wanted", path, m.Format, m.Key, formatVersion, key)
	}
	if m.VocabSize < 1 || m.EndOfText < 0 || int(m.EndOfText) >= m.VocabSize || m.Train == nil {
		return nil, fmt.Errorf("%s: vocab_size %d, end_of_text %d or no train split", path, m.VocabSize, m.EndOfText)
	}
	return m, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return data, err
}

// writeFile writes and syncs a new file.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
