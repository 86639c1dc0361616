package samples

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seedbed/seedbed/abi/vision"
)

// findings is what reading all rows once found.
type findings struct {
	Rows    int64    `json:"rows"`
	Bad     []int64  `json:"bad,omitempty"` // ascending
	Reasons []string `json:"reasons,omitempty"`
	Classes []string `json:"classes,omitempty"`
	SHA256  string   `json:"sha256"` // of the content of all rows but the bad ones, and their order
	Keys    []byte   `json:"keys"`   // 8 bytes for each of these rows: what Split goes by
}

const keyBytes = 8

func ascending(rows []int64, end int64) bool {
	last := int64(-1)
	for _, r := range rows {
		if r <= last || r >= end {
			return false
		}
		last = r
	}
	return true
}

// examine reads all rows in parallel. Only the end of ctx is an error; bad rows are findings.
func examine(ctx context.Context, c Config, t table) (*findings, error) {
	n, cols := t.len(), t.columns()
	hashes, keys, problems := make([][32]byte, n), make([][keyBytes]byte, n), make(map[int64]error)
	labels := map[string]bool{}
	byName := nameIndex(c.Classes)
	var mutex sync.Mutex
	var next atomic.Int64
	var group sync.WaitGroup
	const chunk = 64
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			var work vision.Work
			seen := map[string]bool{}
			for from := next.Add(chunk) - chunk; from < n && ctx.Err() == nil; from = next.Add(chunk) - chunk {
				for i := from; i < min(n, from+chunk); i++ {
					r, err := t.read(i)
					if err == nil {
						err = checkRow(c, cols, r, byName, &work)
					}
					if err != nil {
						mutex.Lock()
						problems[i] = err
						mutex.Unlock()
						continue
					}
					hashes[i] = hashRow(r)
					keys[i] = [keyBytes]byte(hashes[i][:])
					if cols.Image { // all captions of an image stay together
						sum := sha256.Sum256(r.image)
						keys[i] = [keyBytes]byte(sum[:])
					}
					if cols.Label && len(seen) <= maxClasses {
						seen[r.label] = true
					}
				}
			}
			mutex.Lock()
			for l := range seen {
				labels[l] = true
			}
			mutex.Unlock()
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := &findings{Rows: n, Classes: c.Classes}
	h := sha256.New()
	for i := range n {
		if err, bad := problems[i]; bad {
			f.Bad = append(f.Bad, i)
			if len(f.Reasons) < maxReasons {
				f.Reasons = append(f.Reasons, fmt.Sprintf("%s: %v", t.name(i), err))
			}
			continue
		}
		h.Write(hashes[i][:])
		f.Keys = append(f.Keys, keys[i][:]...)
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	if cols.Label && len(c.Classes) == 0 {
		var err error
		if f.Classes, err = classesOf(labels, c.FirstLabel); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func nameIndex(classes []string) map[string]int32 {
	m := make(map[string]int32, len(classes))
	for i, name := range classes {
		m[name] = int32(i)
	}
	return m
}

// checkRow says what is wrong with the content of a row.
func checkRow(c Config, cols columns, r row, classes map[string]int32, work *vision.Work) error {
	if cols.Image && cols.Shape == [3]int{} {
		width, height, err := vision.Size(r.image)
		switch {
		case err != nil:
			return err
		case width < 1 || height < 1 || int64(width)*int64(height) > int64(c.MaxPixels):
			return fmt.Errorf("image: %dx%d pixels are outside [1, %d]: set max_pixels if the image is not a decompression bomb", width, height, c.MaxPixels)
		case min(width, height) < c.MinSide:
			return fmt.Errorf("image: %dx%d pixels: a side is shorter than min_side, %d", width, height, c.MinSide)
		}
		if c.Check == "full" {
			if err := work.Decode(r.image, vision.DecodeOptions{MaxPixels: c.MaxPixels}); err != nil {
				return err
			}
		}
	}
	if cols.Label {
		if r.label == "" {
			return errors.New("no label")
		}
		if len(c.Classes) > 0 {
			if _, err := labelNumber(r.label, classes, c.FirstLabel, len(c.Classes)); err != nil {
				return err
			}
		}
	}
	for _, text := range []string{r.text, r.textB} {
		if !utf8.ValidString(text) {
			return errors.New("the text is not UTF-8")
		}
	}
	return nil
}

func hashRow(r row) [32]byte {
	h := sha256.New()
	var size [8]byte
	for _, part := range [][]byte{r.image, []byte(r.label), []byte(r.text), []byte(r.textB)} {
		binary.LittleEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// settleTime is how old a file's time must be for a change of the file to change it.
const settleTime = 2 * time.Second

// cacheKey is the hash of the configuration and of what the file system says about the files; "" if a file is too new to trust that.
func cacheKey(c Config) (string, error) {
	h := sha256.New()
	request, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	h.Write([]byte("samples 1\n"))
	h.Write(request)
	settled := true
	add := func(path string, info fs.FileInfo) {
		fmt.Fprintf(h, "\n%q %d %d", path, info.Size(), info.ModTime().UnixNano())
		settled = settled && info.ModTime().Before(time.Now().Add(-settleTime))
	}
	for _, p := range c.Paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		if c.Format == "folder" {
			err = filepath.WalkDir(abs, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := os.Stat(path) // of what a link leads to
				if err == nil {
					add(path, info)
				}
				return nil
			})
		} else {
			var info fs.FileInfo
			if info, err = os.Stat(abs); err == nil {
				add(abs, info)
			}
		}
		if err != nil {
			return "", err
		}
	}
	if c.Image != "" && c.Format != "parquet" && c.Format != "arrow" {
		settled = false // the table names files that are not looked at here
	}
	if !settled {
		return "", nil
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

const maxFindings = 1 << 30

func readFindings(dir, key string, rows int64) (*findings, bool) {
	if key == "" || dir == "none" {
		return nil, false
	}
	path := filepath.Join(dir, key+".json")
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxFindings {
		return nil, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var envelope struct {
		SHA256   string
		Findings json.RawMessage
	}
	f := &findings{}
	if json.Unmarshal(data, &envelope) != nil {
		return nil, false
	}
	if sum := sha256.Sum256(envelope.Findings); hex.EncodeToString(sum[:]) != envelope.SHA256 {
		return nil, false
	}
	if json.Unmarshal(envelope.Findings, f) != nil || f.Rows != rows || int64(len(f.Keys)) != keyBytes*(rows-int64(len(f.Bad))) || !ascending(f.Bad, rows) {
		return nil, false
	}
	return f, true
}

// writeFindings keeps findings, whole or not at all.
func writeFindings(dir, key string, f *findings) {
	if key == "" || dir == "none" || os.MkdirAll(dir, 0o755) != nil {
		return
	}
	data, err := json.Marshal(f)
	if err != nil {
		return
	}
	sum := sha256.Sum256(data)
	tmp, err := os.CreateTemp(dir, "tmp-*")
	if err != nil {
		return
	}
	_, err = fmt.Fprintf(tmp, `{"sha256":"%x","findings":%s}`, sum, data)
	if errors.Join(err, tmp.Sync(), tmp.Close()) != nil || os.Rename(tmp.Name(), filepath.Join(dir, key+".json")) != nil {
		os.Remove(tmp.Name())
	}
}
