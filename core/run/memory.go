package run

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/train"
)

// ErrMemory is wrapped where a run needs more memory than the machine has.
var ErrMemory = errors.New("not enough memory")

// processBytes is what the processes of a run take besides tensors, all
// together: the Go runtime, code, queues and files' buffers.
const processBytes = 128 << 20

// fits refuses to begin what the machine's memory cannot hold. Where that is
// not known it allows all.
func fits(bytes int64, hint string) error {
	if have := available(); have > 0 && bytes > have {
		return tooLarge("about "+Bytes(bytes), have, hint)
	}
	return nil
}

func tooLarge(need string, have int64, hint string) error {
	return fmt.Errorf("%w: the run needs %s, %s are free: %s", ErrMemory, need, Bytes(have), hint)
}

// need is what a run takes of memory.
type need struct {
	plan  train.MemoryPlan
	least bool  // it takes more, how much is not known yet
	free  int64 // of the machine; 0 if not known
}

// bytes is what the tensors take, a sixteenth of it for what backends keep
// beside them (packed operands, tables of pages), and the processes.
func (n need) bytes() int64 {
	total := n.plan.Total()
	if n.least {
		return total
	}
	return total + total/16 + processBytes
}

func (n need) fits() bool { return n.free == 0 || n.bytes() <= n.free }

func (n need) String() string {
	if n.least {
		return "at least " + Bytes(n.bytes())
	}
	return "about " + Bytes(n.bytes())
}

// hint says what makes a run smaller.
func (n need) hint(r *recipe.Recipe) string {
	model := "make the model smaller"
	if r.Data.Tokens() {
		model = "make train.sequence_length smaller, or the model"
	}
	switch batches := 2 * n.plan.Batches; {
	case batches > n.bytes()/2 && r.Train.BatchSize > r.Train.Grain:
		return "make train.batch_size smaller: the rows of " + strconv.Itoa(r.Train.InFlight) + " steps are held at a time"
	case r.Train.Grain > 1:
		return "make train.grain smaller, which divides a step into smaller parts, or " + strings.TrimPrefix(model, "make ")
	}
	return model
}

// check refuses a run that does not fit.
func (n need) check(r *recipe.Recipe) error {
	if n.fits() {
		return nil
	}
	return r.Errorf("train.batch_size", "%w", tooLarge(n.String(), n.free, n.hint(r)))
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case n >= 10*gib:
		return fmt.Sprintf("%.0f GiB", float64(n)/gib)
	case n >= gib:
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	case n >= mib:
		return fmt.Sprintf("%.0f MiB", float64(n)/mib)
	case n >= kib:
		return fmt.Sprintf("%.0f KiB", float64(n)/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}
