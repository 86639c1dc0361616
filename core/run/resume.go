package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
)

// ErrExists is wrapped where a run would begin in a folder that has the
// checkpoints of another.
var ErrExists = errors.New("the folder holds the checkpoints of an earlier run")

// maxRecipe bounds a recipe that is read, in bytes.
const maxRecipe = 1 << 20

// dataFile is the file of a checkpoint that identifies the data: the hash of
// the rows of the training split.
const dataFile = "data.sha256"

// codesFile is the file of a checkpoint that identifies what made the codes that
// it was trained on: the hash of the autoencoder's weights.
const codesFile = "codes.sha256"

// tokenizerFile is the file of a checkpoint that holds the tokenizer.
const tokenizerFile = "tokenizer.json"

// RecipeText returns the recipe that the run in a folder was last started
// with.
func RecipeText(out string) ([]byte, error) {
	f, err := os.Open(recipePath(out))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s holds no run: %w", out, err)
		}
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRecipe))
}

// begin finds the checkpoint to go on from, if the run may begin at all, and
// writes down the recipe.
func (s *session) begin() error {
	c, damaged, err := checkpoint.Latest(s.Out)
	switch {
	case errors.Is(err, checkpoint.ErrNone):
		c = nil
		if len(damaged) > 0 {
			return fmt.Errorf("%s: no checkpoint in it is whole: move them away to begin from the start: %w", s.Out, errors.Join(damaged...))
		}
	case err != nil:
		return err
	}
	switch {
	case !s.Resume && c != nil:
		return fmt.Errorf("%s: %w, up to %s: go on with it by --resume, or name another folder by --out", s.Out, ErrExists, filepath.Base(c.Path))
	case c == nil:
		if s.Resume {
			s.warn("%s has no checkpoint yet: the run begins from the start", s.Out)
		}
	default:
		for _, err := range damaged {
			s.warn("not used: %v", err)
		}
		if err := s.sameRun(c); err != nil {
			return err
		}
		s.checkpoint, s.reported = c, c.Manifest.Step
	}
	return writeFile(recipePath(s.Out), s.Recipe.YAML())
}

// sameRun refuses to go on from the checkpoint of another recipe.
func (s *session) sameRun(c *checkpoint.Checkpoint) error {
	was, err := recipe.Parse(filepath.Join(c.Path, "recipe"), []byte(c.Manifest.Recipe), nil)
	if err != nil {
		return fmt.Errorf("the recipe of %s: %w", c.Path, err)
	}
	var wrong []error
	for _, d := range recipe.Differences(was, s.Recipe) {
		if d.Path != "train.steps" {
			wrong = append(wrong, s.Recipe.Errorf(d.Path, "is %s, and the run in %s has %s: results depend on it; change it back, or begin another run by --out", or(d.B, "not given"), s.Out, or(d.A, "nothing")))
			continue
		}
		if uint64(s.Recipe.Train.Steps) < c.Manifest.Step {
			wrong = append(wrong, s.Recipe.Errorf(d.Path, "is %s, and %d steps are already taken", d.B, c.Manifest.Step))
			continue
		}
		text := "train.steps was " + d.A + " and is now " + d.B
		if s.Recipe.Schedule.Name != "constant" {
			text += ": from here on the learning rate follows the schedule of the longer run, so the result is not that of a run that had " + d.B + " steps from its start"
		}
		s.warn("%s", text)
	}
	return errors.Join(wrong...)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// checkData refuses to go on with other data.
func (s *session) checkData() error {
	if s.checkpoint == nil {
		return nil
	}
	was, err := s.checkpoint.ReadFile(dataFile, 1024)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(was)) != s.data.Train.Fingerprint() {
		return s.Recipe.Errorf("data.paths", "the data is not what the run in %s began with: files were added, removed or changed; put them back, or begin another run by --out", s.Out)
	}
	return nil
}

// restore puts a trainer back to the last good state.
func (s *session) restore(ctx context.Context, t *train.Trainer) error {
	if s.checkpoint == nil {
		return nil
	}
	model, err := s.checkpoint.Parameters()
	if err != nil {
		return err
	}
	defer model.Close()
	slots, err := s.checkpoint.Optimizer()
	if err != nil {
		return err
	}
	defer slots.Close()
	all := model.Types()
	return t.Restore(ctx, s.checkpoint.Manifest.Step, func(name string, typ ir.Type) ([]byte, error) {
		from := slots
		if _, ok := all[name]; ok {
			from = model
		}
		has, err := from.Type(name)
		if err != nil {
			return nil, err
		}
		if !has.Equal(typ) {
			return nil, fmt.Errorf("%s has it as %v, the run needs %v", s.checkpoint.Path, has, typ)
		}
		return from.Read(name)
	})
}

// save writes a checkpoint of a trainer, which becomes the last good state.
func (s *session) save(ctx context.Context, t *train.Trainer) error {
	n := t.Step()
	if s.checkpoint != nil && s.checkpoint.Manifest.Step == n {
		return nil
	}
	files := map[string][]byte{dataFile: []byte(s.data.Train.Fingerprint() + "\n")}
	if s.data.tokenizer != nil {
		text, err := s.data.tokenizer.MarshalJSON()
		if err != nil {
			return err
		}
		files[tokenizerFile] = text
	}
	if s.data.codes != "" {
		files[codesFile] = []byte(s.data.codes + "\n")
	}
	state := checkpoint.State{
		Step: n, Samples: n * uint64(s.Recipe.Train.BatchSize),
		ABI:      fmt.Sprintf("%d.%d", ir.ABIMajor, ir.ABIMinor),
		Recipe:   string(s.Recipe.YAML()),
		Plugins:  s.pluginList(),
		Metadata: map[string]string{"format": "pt"},
		Files:    files,
	}
	tensor := func(name string, typ ir.Type) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Type: typ, Data: func(w io.Writer) error {
			data := make([]byte, typ.Bytes())
			if err := t.Parameter(name).Download(ctx, data); err != nil {
				return fmt.Errorf("downloading %q: %w", name, err)
			}
			_, err := w.Write(data)
			return err
		}}
	}
	for _, p := range s.weights.Tensors() {
		state.Parameters = append(state.Parameters, tensor(p.Name, p.Type))
	}
	for _, p := range s.weights.Trained() {
		for _, slot := range optimizer(s.Recipe).Slots() {
			state.Optimizer = append(state.Optimizer, tensor(step.SlotName(slot, p.Name), p.Type))
		}
	}
	saved, err := checkpoint.Save(s.Out, state, s.Recipe.Checkpoint.Keep)
	if err != nil {
		return err
	}
	for _, w := range saved.Warnings {
		s.warn("%v", w)
	}
	c, err := checkpoint.Open(saved.Path)
	if err != nil {
		return err
	}
	s.checkpoint = c
	clear(s.losses)
	s.tell(&Saved{Step: n, Path: saved.Path})
	return nil
}

// writeFile writes a file that appears whole.
func writeFile(path string, data []byte) error {
	return writeWhole(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeWhole is writeFile of what write writes.
func writeWhole(path string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
