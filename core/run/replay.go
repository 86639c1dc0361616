package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/seedbed/seedbed/core/train"
)

// Files of the folder that keepBatch makes.
const (
	batchFile    = "batch.safetensors"
	positionFile = "position.json"
)

// position is what positionFile holds: where the batches of a step come from.
type position struct {
	Step   uint64          `json:"step"` // steps taken before it
	Grains []grainPosition `json:"grains"`
}

type grainPosition struct {
	Objective string  `json:"objective,omitempty"`
	Grain     int     `json:"grain"`
	Seed      uint64  `json:"seed"`
	Rows      []int64 `json:"rows"` // of the training split
}

// keepBatch keeps what step n was made of, for people to look at, in a folder
// beside the checkpoints: the fields of every grain, where they come from, and
// the recipe. It says where it is and how to take the step again.
func (s *session) keepBatch(ctx context.Context, t *train.Trainer, n uint64) string {
	folder := filepath.Join(s.Out, fmt.Sprintf("diverged-%08d", n+1))
	if err := s.writeBatch(ctx, t, n, folder); err != nil {
		return fmt.Sprintf("what the step was made of could not be kept: %v", err)
	}
	return fmt.Sprintf("what the step was made of is in %s, and host pretrain --resume --out %s takes it again, to the same bits", folder, s.Out)
}

func (s *session) writeBatch(ctx context.Context, t *train.Trainer, n uint64, folder string) (err error) {
	temp, err := os.MkdirTemp(s.Out, ".tmp-diverged-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	at := position{Step: n}
	var tensors []safetensors.Tensor
	err = t.Batches(ctx, n, func(b train.Batch) error {
		at.Grains = append(at.Grains, grainPosition{b.Objective, b.Grain, b.At.Seed, b.Rows})
		for i, f := range b.Fields {
			name := fmt.Sprintf("grain%d.%s", b.Grain+1, f.Name)
			if b.Objective != "" {
				name = b.Objective + "." + name
			}
			data := slices.Clone(b.Data[i])
			tensors = append(tensors, safetensors.Tensor{Name: name, Type: f.Type, Data: safetensors.Bytes(data)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(at, "", "  ")
	if err != nil {
		return err
	}
	var batch bytes.Buffer
	if err := safetensors.Write(&batch, tensors, nil); err != nil {
		return err
	}
	for name, data := range map[string][]byte{batchFile: batch.Bytes(), positionFile: append(text, '\n'), filepath.Base(recipePath("")): s.Recipe.YAML()} {
		if err := writeFile(filepath.Join(temp, name), data); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(folder); err != nil { // of the same step, taken before
		return err
	}
	return os.Rename(temp, folder)
}
