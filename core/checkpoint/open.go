package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seedbed/seedbed/core/safetensors"
)

// Checkpoint is a checkpoint on disk. It holds no file open.
type Checkpoint struct {
	Path     string
	Manifest Manifest
	raw      []byte // manifest.json
}

// Open reads the manifest of the checkpoint in the folder path, and checks that manifest and the files' presence and sizes; what the
// files hold is for Verify. Errors wrap ErrDamaged, ErrNewer, or the system's error where the folder cannot be read.
func Open(path string) (*Checkpoint, error) {
	c, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	return c, nil
}

func open(path string) (*Checkpoint, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, errors.New("not a folder; name the folder that holds manifest.json")
	}
	raw, err := readSmall(path, manifestFile, maxManifest)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(raw)
	if errors.Is(err, ErrNewer) {
		return nil, err // a newer format need not have our checksum
	}
	if sum, sumErr := readSmall(path, manifestSum, maxText); sumErr != nil {
		return nil, sumErr
	} else if !bytes.Equal(sum, sumLine(raw)) {
		return nil, fmt.Errorf("%w: %s does not match %s", ErrDamaged, manifestFile, manifestSum)
	}
	if err != nil {
		return nil, err
	}
	// A folder may be renamed, but not to another step.
	if step, ok := parseFolderName(filepath.Base(path)); ok && step != m.Step {
		return nil, fmt.Errorf("%w: the manifest is of step %d", ErrDamaged, m.Step)
	}
	for _, f := range m.Files {
		info, err := os.Lstat(filepath.Join(path, f.Name))
		if err != nil {
			return nil, damaged(f.Name, err)
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: %s is not a regular file", ErrDamaged, f.Name)
		}
		if info.Size() != f.Size {
			return nil, fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrDamaged, f.Name, info.Size(), f.Size)
		}
	}
	return &Checkpoint{Path: path, Manifest: *m, raw: raw}, nil
}

// damaged wraps an error of reading a file that should be there. A file that we may not read is not damaged.
func damaged(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(folder, name string, limit int64) ([]byte, error) {
	path := filepath.Join(folder, name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, damaged(name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%w: %s must be a regular file of at most %d bytes", ErrDamaged, name, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, damaged(name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, damaged(name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrDamaged, name, limit)
	}
	return b, nil
}

// Verify reads every file and checks its SHA-256, then the tensors' hash. The error wraps ErrDamaged and names every file that is not
// what the manifest says.
func (c *Checkpoint) Verify() error {
	var errs []error
	for _, f := range c.Manifest.Files {
		if err := c.verifyFile(f); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = append(errs, c.verifyTensors())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("verify checkpoint %s: %w", c.Path, err)
	}
	return nil
}

func (c *Checkpoint) verifyFile(info FileInfo) error {
	f, err := os.Open(filepath.Join(c.Path, info.Name))
	if err != nil {
		return damaged(info.Name, err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, info.Size+1))
	if err != nil {
		return damaged(info.Name, err)
	}
	if n != info.Size {
		return fmt.Errorf("%w: %s has not the %d bytes that the manifest says", ErrDamaged, info.Name, info.Size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != info.SHA256 {
		return fmt.Errorf("%w: %s has SHA-256 %s, the manifest says %s", ErrDamaged, info.Name, got, info.SHA256)
	}
	return nil
}

func (c *Checkpoint) verifyTensors() error {
	model, err := c.Parameters()
	if err != nil {
		return err
	}
	defer model.Close()
	got, err := WeightsSHA256(model)
	if err != nil {
		return damaged(ModelFile, err)
	}
	if got != c.Manifest.WeightsSHA256 {
		return fmt.Errorf("%w: the weights have SHA-256 %s, the manifest says %s", ErrDamaged, got, c.Manifest.WeightsSHA256)
	}
	optimizer, err := c.Optimizer()
	if err != nil {
		return err
	}
	return optimizer.Close()
}

// Parameters opens the file of the parameters. The caller closes it.
func (c *Checkpoint) Parameters() (*safetensors.File, error) { return c.tensors(ModelFile) }

// Optimizer opens the file of the optimizer's tensors. The caller closes it.
func (c *Checkpoint) Optimizer() (*safetensors.File, error) { return c.tensors(OptimizerFile) }

func (c *Checkpoint) tensors(name string) (*safetensors.File, error) {
	f, err := safetensors.Open(filepath.Join(c.Path, name))
	if err != nil {
		return nil, damaged(name, err)
	}
	return f, nil
}

// ReadFile returns the bytes of a file that the manifest lists, checked against its hash, if it has at most limit bytes.
func (c *Checkpoint) ReadFile(name string, limit int64) ([]byte, error) {
	info, ok := c.Manifest.file(name)
	if !ok {
		return nil, fmt.Errorf("checkpoint %s: no file %q in its manifest", c.Path, name)
	}
	if info.Size > limit {
		return nil, fmt.Errorf("checkpoint %s: %s has %d bytes, the limit here is %d", c.Path, name, info.Size, limit)
	}
	b, err := readSmall(c.Path, name, info.Size)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", c.Path, err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != info.SHA256 {
		return nil, fmt.Errorf("checkpoint %s: %w: %s is not what the manifest says", c.Path, ErrDamaged, name)
	}
	return b, nil
}

// Latest returns the newest checkpoint in dir that Verify finds whole, and an error for each newer one that it skipped as damaged.
// If none is left, err wraps ErrNone. A checkpoint of a newer format or one that may not be read is not damaged, and not skipped: err
// says so.
func Latest(dir string) (c *Checkpoint, skipped []error, err error) {
	steps, err := listSteps(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w: %w", dir, ErrNone, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	for _, step := range steps {
		c, err := Open(filepath.Join(dir, FolderName(step)))
		if err == nil {
			err = c.Verify()
		}
		if err == nil {
			return c, skipped, nil
		}
		if !errors.Is(err, ErrDamaged) {
			return nil, skipped, err
		}
		skipped = append(skipped, err)
	}
	return nil, skipped, fmt.Errorf("%s: %w; %d damaged", dir, ErrNone, len(skipped))
}
