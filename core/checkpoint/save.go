package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/seedbed/seedbed/core/safetensors"
)

// Folders that an interrupted Save may leave behind: one being written, and one being removed.
const (
	tempPrefix = ".tmp-step-"
	oldPrefix  = ".old-step-"
)

// State is what a checkpoint keeps of a run.
type State struct {
	Step    uint64 // optimizer steps taken
	Samples uint64 // samples consumed
	ABI     string // version of the kernel ABI, such as "1.0"
	Recipe  string // text of the recipe
	Scalars []Scalar
	Plugins []Plugin

	Parameters []safetensors.Tensor
	Optimizer  []safetensors.Tensor // may be empty
	// Metadata goes into the header of model.safetensors; {"format": "pt"} is what Hugging Face's loaders look for.
	Metadata map[string]string
	// Files are further files by name, such as tokenizer.json. A name has no path: see checkFileName.
	Files map[string][]byte
}

// Saved says what Save did.
type Saved struct {
	Path     string   // the folder of the checkpoint
	Manifest Manifest // what it holds
	Existed  bool     // the very same checkpoint was there already, and stays
	Removed  []string // folders of older checkpoints and leftovers that were removed
	Warnings []error  // older checkpoints that could not be removed; the new one is good
}

// Save writes a checkpoint of s into dir, which it makes if need be, and then removes older ones so that the newest keep are left;
// keep 0 leaves all. The caller holds the Lock of dir.
//
// The checkpoint appears under its name at once and whole: all files are written to a temporary folder in dir and synced, the folder is
// renamed, and dir is synced. Only after that, and after the manifest was read back, does anything older go. An error leaves every
// earlier checkpoint as it was, and no leftovers; those of a killed Save are removed by the next. A checkpoint later than s.Step is
// never removed, and counts for nothing here.
//
// NaNs are written in the canonical form that WeightsSHA256 gives. If dir has a valid checkpoint of the same step already, it
// is kept if it is the same to the byte, as after a resume, and otherwise the save is refused; a damaged one is replaced.
func Save(dir string, s State, keep int) (Saved, error) {
	if keep < 0 {
		return Saved{}, fmt.Errorf("save checkpoint: keep is %d; use 0 for all, or the number to keep", keep)
	}
	saved := Saved{Path: filepath.Join(dir, FolderName(s.Step))}
	fail := func(err error) (Saved, error) {
		return Saved{}, fmt.Errorf("save checkpoint %s: %w", saved.Path, explain(err))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fail(err)
	}
	leftovers, err := removeLeftovers(dir)
	if err != nil {
		return fail(err)
	}
	saved.Removed = leftovers

	temp := filepath.Join(dir, tempPrefix+strings.TrimPrefix(FolderName(s.Step), "step-"))
	if err := os.Mkdir(temp, 0o777); err != nil {
		return fail(err)
	}
	placed := false
	defer func() {
		if !placed {
			os.RemoveAll(temp) // what stays, the next Save removes
		}
	}()
	manifest, err := writeFolder(temp, s)
	if err != nil {
		return fail(err)
	}
	if saved.Existed, err = place(temp, saved.Path, manifest); err != nil {
		return fail(err)
	}
	placed = !saved.Existed
	if err := syncDir(dir); err != nil {
		return fail(err)
	}
	c, err := Open(saved.Path)
	if err != nil {
		return fail(err)
	}
	saved.Manifest = c.Manifest
	if keep > 0 {
		removed, warnings := prune(dir, s.Step, keep)
		saved.Removed, saved.Warnings = append(saved.Removed, removed...), warnings
	}
	return saved, nil
}

// explain adds what to do to the errors of a disk that is full and a folder that cannot be written.
func explain(err error) error {
	switch {
	case diskFull(err):
		return fmt.Errorf("no room on the disk; free some, or keep fewer checkpoints (earlier checkpoints are untouched): %w", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("a file stands where the folder should be; move it or use another folder: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the folder cannot be written; change its permissions or use another (earlier checkpoints are untouched): %w", err)
	}
	return err
}

// removeLeftovers removes what a killed Save left in dir.
func removeLeftovers(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), tempPrefix) || strings.HasPrefix(e.Name(), oldPrefix)) {
			path := filepath.Join(dir, e.Name())
			if err := os.RemoveAll(path); err != nil {
				return nil, fmt.Errorf("remove what an interrupted save left: %w", err)
			}
			removed = append(removed, path)
		}
	}
	return removed, nil
}

// writeFolder writes all files of a checkpoint into folder, syncs them, and returns the bytes of the manifest.
func writeFolder(folder string, s State) ([]byte, error) {
	m := Manifest{
		FormatVersion: FormatVersion, Step: s.Step, Samples: s.Samples, ABI: s.ABI, Recipe: s.Recipe,
		Scalars: canonicalScalars(s.Scalars), Plugins: slices.Clone(s.Plugins), WeightsSHA256: strings.Repeat("0", 64),
	}
	slices.SortFunc(m.Plugins, func(a, b Plugin) int { return cmp.Compare(a.Name, b.Name) })
	contents := map[string]func(io.Writer) error{}
	for name, b := range s.Files {
		contents[name] = safetensors.Bytes(b)
	}
	for name, tensors := range map[string][]safetensors.Tensor{ModelFile: s.Parameters, OptimizerFile: s.Optimizer} {
		if _, ok := contents[name]; ok {
			return nil, fmt.Errorf("file %q is made from the tensors; drop it from the other files", name)
		}
		contents[name] = func(w io.Writer) error {
			var metadata map[string]string
			if name == ModelFile {
				metadata = s.Metadata
			}
			return safetensors.Write(w, canonicalTensors(tensors), metadata)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		m.Files = append(m.Files, FileInfo{Name: name, SHA256: strings.Repeat("0", 64)})
	}
	if err := m.check(); err != nil { // before anything large is written
		return nil, err
	}
	for i, f := range m.Files {
		info, err := writeFile(folder, f.Name, contents[f.Name])
		if err != nil {
			return nil, err
		}
		m.Files[i] = info
	}
	// Read from the file, because the hash goes by name and the file by dtype first; it is a check of what was written besides.
	model, err := safetensors.Open(filepath.Join(folder, ModelFile))
	if err != nil {
		return nil, err
	}
	m.WeightsSHA256, err = WeightsSHA256(model)
	if err := errors.Join(err, model.Close()); err != nil {
		return nil, err
	}
	manifest, err := m.encode()
	if err != nil {
		return nil, err
	}
	if _, err := writeFile(folder, manifestFile, safetensors.Bytes(manifest)); err != nil {
		return nil, err
	}
	if _, err := writeFile(folder, manifestSum, safetensors.Bytes(sumLine(manifest))); err != nil {
		return nil, err
	}
	return manifest, syncDir(folder)
}

func sumLine(manifest []byte) []byte {
	return fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(manifest), manifestFile)
}

func canonicalScalars(scalars []Scalar) []Scalar {
	scalars = slices.Clone(scalars)
	for i, s := range scalars {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], s.Bits)
		canonicalNaN(s.DType, b[:s.DType.Size()])
		scalars[i].Bits = binary.LittleEndian.Uint64(b[:])
	}
	slices.SortFunc(scalars, func(a, b Scalar) int { return cmp.Compare(a.Name, b.Name) })
	return scalars
}

func canonicalTensors(tensors []safetensors.Tensor) []safetensors.Tensor {
	tensors = slices.Clone(tensors)
	for i, t := range tensors {
		if t.Data != nil {
			tensors[i].Data = func(w io.Writer) error {
				c := &canonical{w: w, dtype: t.Type.DType}
				if err := t.Data(c); err != nil {
					return err
				}
				if len(c.buf) > 0 {
					return fmt.Errorf("the data ends with %d bytes of an element of %d", len(c.buf), t.Type.DType.Size())
				}
				return nil
			}
		}
	}
	return tensors
}

// writeFile writes and syncs a file, and returns its size and hash as they were meant to be written.
func writeFile(folder, name string, content func(io.Writer) error) (info FileInfo, err error) {
	f, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return info, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	h := sha256.New()
	w := bufio.NewWriterSize(f, 1<<20)
	n := &counter{}
	if err := content(io.MultiWriter(w, h, n)); err != nil {
		return info, err
	}
	if err := w.Flush(); err != nil {
		return info, err
	}
	if err := f.Sync(); err != nil {
		return info, err
	}
	return FileInfo{Name: name, Size: n.n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// place renames temp to path. If the same checkpoint is there already it reports so and leaves both.
func place(temp, path string, manifest []byte) (existed bool, err error) {
	if _, err := os.Lstat(path); err == nil {
		c, err := Open(path)
		if err == nil {
			err = c.Verify()
		}
		switch {
		case err == nil && bytes.Equal(c.raw, manifest):
			return true, nil
		case err == nil:
			return false, errors.New("a valid checkpoint of this step is there already and differs; move it away or use another output folder")
		case !errors.Is(err, ErrDamaged):
			return false, err
		}
		if err := os.Rename(path, oldName(path)); err != nil {
			return false, err
		}
		if err := os.Rename(temp, path); err != nil {
			return false, errors.Join(err, os.Rename(oldName(path), path))
		}
		os.RemoveAll(oldName(path)) // what stays, the next Save removes
		return false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, os.Rename(temp, path)
}

func oldName(path string) string {
	dir, name := filepath.Split(path)
	return filepath.Join(dir, oldPrefix+strings.TrimPrefix(name, "step-"))
}

// prune removes checkpoints before step until, with that of step, keep readable ones are left. Damaged ones among the kept stay, for
// a person to look at; older ones go. A folder is renamed before it is removed, so that no half of one keeps the name.
func prune(dir string, step uint64, keep int) (removed []string, warnings []error) {
	steps, err := listSteps(dir)
	if err != nil {
		return nil, []error{err}
	}
	good := 0
	for _, n := range steps { // newest first
		if n > step {
			continue
		}
		path := filepath.Join(dir, FolderName(n))
		if good < keep {
			if _, err := Open(path); err == nil {
				good++
			}
			continue
		}
		err := os.Rename(path, oldName(path))
		if err == nil {
			err = os.RemoveAll(oldName(path))
		}
		if err != nil {
			warnings = append(warnings, fmt.Errorf("remove old checkpoint: %w", err))
			continue
		}
		removed = append(removed, path)
	}
	return removed, warnings
}

// listSteps returns the steps of the checkpoint folders in dir, newest first.
func listSteps(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var steps []uint64
	for _, e := range entries {
		if step, ok := parseFolderName(e.Name()); ok && e.IsDir() {
			steps = append(steps, step)
		}
	}
	slices.SortFunc(steps, func(a, b uint64) int { return cmp.Compare(b, a) })
	return steps, nil
}
