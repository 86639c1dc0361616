package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/safetensors"
)

// Bounds of a model in several files.
const (
	indexFile = "model.safetensors.index.json" // Hugging Face's: which tensor is in which file
	maxIndex  = 64 << 20                       // bytes of it
	maxShards = 4096
)

// Tensors are the tensors of a model on disk, in one file or several.
type Tensors struct {
	Path  string // that was opened: a file, or a folder
	files []*safetensors.File
	where map[string]*safetensors.File
}

// OpenTensors opens the tensors of a model: those of a checkpoint by its folder, or that of its run, of which it is the latest, whose
// hashes are verified; of a folder with Hugging Face's model.safetensors, or with the files that model.safetensors.index.json names;
// or of a safetensors file. The caller closes them.
func OpenTensors(path string) (*Tensors, error) {
	t, err := openTensors(path)
	if err != nil {
		return nil, fmt.Errorf("open the tensors of %s: %w", path, err)
	}
	return t, nil
}

func openTensors(path string) (*Tensors, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if strings.HasSuffix(path, ".json") {
			return openShards(filepath.Dir(path), filepath.Base(path))
		}
		return openFile(path)
	}
	has := func(name string) bool { _, err := os.Stat(filepath.Join(path, name)); return err == nil }
	if !has(manifestFile) {
		switch c, _, err := Latest(path); {
		case err == nil: // Latest has verified it
			return openFile(filepath.Join(c.Path, ModelFile))
		case !errors.Is(err, ErrNone):
			return nil, err
		case has(ModelFile):
			return openFile(filepath.Join(path, ModelFile))
		case has(indexFile):
			return openShards(path, indexFile)
		case has("pytorch_model.bin"):
			return nil, fmt.Errorf("pytorch_model.bin is a program in Python's pickle, which is not read: make a %s of it", ModelFile)
		}
		return nil, fmt.Errorf("there is no checkpoint, no %s and no %s in it: %w", ModelFile, indexFile, fs.ErrNotExist)
	}
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	if err := c.Verify(); err != nil {
		return nil, err
	}
	return openFile(filepath.Join(path, ModelFile))
}

func openFile(path string) (*Tensors, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Tensors{Path: path, files: []*safetensors.File{f}, where: map[string]*safetensors.File{}}
	for _, name := range f.Names() {
		t.where[name] = f
	}
	return t, nil
}

// openShards opens the files that an index names.
func openShards(folder, index string) (_ *Tensors, err error) {
	raw, err := readFile(filepath.Join(folder, index), maxIndex)
	if err != nil {
		return nil, err
	}
	var x struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	if len(x.WeightMap) == 0 {
		return nil, fmt.Errorf("%s: has no weight_map, which says in which file a tensor is", index)
	}
	t := &Tensors{Path: filepath.Join(folder, index), where: map[string]*safetensors.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	open := map[string]*safetensors.File{}
	for _, name := range slices.Sorted(maps.Keys(x.WeightMap)) {
		file := x.WeightMap[name]
		f, ok := open[file]
		if !ok {
			if !filepath.IsLocal(file) || strings.ContainsAny(file, `/\`) {
				return nil, fmt.Errorf("%s: %q is not the name of a file beside it", index, file)
			}
			if len(open) == maxShards {
				return nil, fmt.Errorf("%s: names more than %d files", index, maxShards)
			}
			if f, err = safetensors.Open(filepath.Join(folder, file)); err != nil {
				return nil, err
			}
			open[file] = f
			t.files = append(t.files, f)
		}
		if _, err := f.Type(name); err != nil {
			return nil, fmt.Errorf("%s: %w", index, err)
		}
		t.where[name] = f
	}
	return t, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s: must be a regular file of at most %d bytes", path, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Names returns the names of the tensors, sorted by bytes.
func (t *Tensors) Names() []string { return slices.Sorted(maps.Keys(t.where)) }

// Type returns dtype and shape of a tensor.
func (t *Tensors) Type(name string) (ir.Type, error) {
	f, ok := t.where[name]
	if !ok {
		return ir.Type{}, fmt.Errorf("%s: no tensor %q", t.Path, name)
	}
	return f.Type(name)
}

// Read returns all bytes of a tensor: little-endian, row-major.
func (t *Tensors) Read(name string) ([]byte, error) {
	f, ok := t.where[name]
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q", t.Path, name)
	}
	return f.Read(name)
}

// Close closes the files.
func (t *Tensors) Close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
