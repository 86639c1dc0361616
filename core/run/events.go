package run

import (
	"time"

	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// Event is something that a run tells while it goes on: an *Initialized,
// *Preparing, *Ready, *Step, *Validation, *Saved, *Restarted or *Warning.
type Event interface{ event() }

// Preparing tells how far the data is.
type Preparing struct{ tokens.Progress }

// Ready tells what is about to be trained, before the first step.
type Ready struct {
	Out         string
	First       uint64 // steps taken before; not 0 in a resumed run
	Steps       uint64
	Parameters  int64 // numbers that are trained
	Data        DataStats
	BatchRows   int64  // sequences or samples of a step
	BatchTokens int64  // 0 where rows are not pieces of text
	MemoryBytes int64  // predicted, of all processes together
	Device      string // such as "cpu avx2", empty if not known
	Workers     int
	PeakFLOPS   float64 // of the device; 0 if not known
	Plane       plugins.DataPlane
}

// Step tells of a step.
type Step struct {
	Step            uint64 // steps taken, so 1 after the first
	Steps           uint64 // of the whole run
	Loss            float64
	LR              float64
	GradNorm        float64 // of the mean gradient, before clipping
	Metrics         []Metric
	RowsPerSecond   float64 // over the latest steps
	TokensPerSecond float64 // 0 where rows are not pieces of text
	// PeakShare is the part of the device's peak of fused multiply-adds that
	// the model's matrix products come to, 0 to 1; 0 if not known.
	PeakShare float64
	// WaitShare is the part of the time in which the device waited for the
	// host, 0 to 1.
	WaitShare float64
	Remaining time.Duration // until the last step, at this speed
}

// Validation tells the loss on the validation split.
type Validation struct {
	Step        uint64
	Loss        float64 // of causal_lm, nats a token
	BitsPerByte float64 // of causal_lm; 0 for others
	Metrics     []Metric
	Rows        int64 // sequences or samples
	LeftOut     int64 // rows that are not among them, because they fill no grain
}

// Metric is a quantity of the objective beside the loss.
type Metric struct {
	Name  string
	Doc   string // may be empty
	Value float64
}

// Saved tells of a checkpoint.
type Saved struct {
	Step uint64
	Path string
}

// Restarted tells that a plugin's process ended or hung and was started again.
type Restarted struct {
	Plugin string
	Step   uint64 // that was under way: steps taken + 1
	From   uint64 // the run goes on from after this many steps
	Err    error  // what was wrong with the process
}

// Warning is for people.
type Warning struct{ Text string }

func (*Preparing) event()  {}
func (*Ready) event()      {}
func (*Step) event()       {}
func (*Validation) event() {}
func (*Saved) event()      {}
func (*Restarted) event()  {}
func (*Warning) event()    {}
