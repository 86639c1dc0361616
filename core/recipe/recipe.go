package recipe

import (
	"encoding/json"
	"slices"
)

// Recipe is all that decides the bits of a training run, and a little that
// does not (threads, prefetch, logging). Package-level table fields says what
// each field means, its range and its default; Reference prints it.
//
// The zero value is not valid: begin with Default or Parse.
type Recipe struct {
	Seed       uint64
	Model      Model
	Objective  Objective
	Backend    Backend
	Data       Data
	Train      Train
	Optimizer  Optimizer
	Schedule   Schedule
	Checkpoint Checkpoint

	where map[string]Position // of what the text or a --set gave, by path
	name  string
}

// Model names the model, holds its configuration and says what it begins with.
type Model struct {
	Plugin string
	// Config is a JSON object in canonical form: keys sorted, no white space,
	// the shortest decimal numbers. Only the plugin knows what it means.
	Config json.RawMessage
	Init   string   // a file or folder of tensors, or empty
	Rename []string // of tensors of Init: "old=new", in order
	Fresh  []string // patterns of tensors that do not begin as those of Init
}

// Objective is the objective of a run, or the first of several.
type Objective struct {
	Plugin string
	Config json.RawMessage
	Weight float64
	Also   []Weighted
}

// Weighted is one of several objectives.
type Weighted struct {
	Plugin string
	Config json.RawMessage // as Model.Config
	Weight float64
}

// All lists the objectives, the first first.
func (o *Objective) All() []Weighted {
	return append([]Weighted{{o.Plugin, o.Config, o.Weight}}, o.Also...)
}

// ObjectiveSection is the path of an objective in recipes, by its place in All.
func ObjectiveSection(i int) string {
	if i == 0 {
		return "objective"
	}
	return index("objective.also", i-1)
}

// Backend says what computes.
type Backend struct {
	Plugin  string
	Threads int // 0: one for each processor
}

// Data says what to learn from. Kind decides which of the other fields count.
type Data struct {
	Kind  string   // "text", "samples" or "shapes"
	Paths []string // none, of text: the sources of the Go toolchain

	// Of text and samples.
	Format string

	// Of text.
	TextField  string
	Document   string
	Include    []string
	SkipBinary bool

	// Of samples.
	Image       string
	Label       string // of shapes too
	Text        []string
	TextB       []string
	Header      bool
	Classes     []string
	FirstLabel  int
	OnBadSample string
	CheckImages string
	MaxPixels   int
	MinSide     int

	// Of shapes.
	ImageSize int
	Rows      int64
	Alike     bool
	Seed      uint64

	Codes          string // of samples and shapes: a checkpoint, or empty
	Captions       bool   // of samples and shapes: turn their text into tokens
	Tokenizer      string // empty: train one
	TokenizerModel string // of the tokenizer to train
	VocabSize      int    // 0 only without tokens or with Tokenizer: that tokenizer's size
	TrainBytes     int64

	ValidationFraction float64
	CacheDir           string // empty: the user's cache folder
}

// The kinds of data.
const (
	Text    = "text"
	Samples = "samples"
	Shapes  = "shapes"
)

// Tokens tells whether rows have tokens.
func (d *Data) Tokens() bool { return d.Kind == Text || d.Captions }

// Train says how long to train, on how much at a time.
type Train struct {
	Steps          int
	BatchSize      int // rows a step: sequences or samples
	SequenceLength int // tokens
	TargetLength   int // tokens, of models that turn one sequence into another
	Grain          int // rows; divides BatchSize
	Shards         int // divides BatchSize / Grain
	Prefetch       int // batches
	InFlight       int // steps
	LogEvery       int // steps
	EvalEvery      int // steps; 0: never
	EvalSequences  int
	Freeze         []string
	EMADecay       float64 // 0: no averages
}

// Optimizer is how gradients become updates.
type Optimizer struct {
	Name             string // "adamw", "sgd" or "lars"
	LR               float64
	Betas            [2]float64
	Eps              float64
	WeightDecay      float64
	Momentum         float64
	MaxGradNorm      float64 // 0: no clipping
	TrustCoefficient float64
}

// Schedule is the learning rate over the steps, relative to Optimizer.LR.
type Schedule struct {
	Name        string // "cosine", "linear" or "constant"
	WarmupSteps int    // may exceed Train.Steps: the whole run then warms up
	MinLRRatio  float64
}

// Checkpoint says when to save.
type Checkpoint struct {
	Every int // steps; 0: only after the last step
	Keep  int
}

// Default returns the recipe of an empty text: a GPT of about a million
// parameters that trains for about three minutes on two cores.
func Default() Recipe {
	r := zero()
	r.resolve()
	return r
}

// zero returns the table's defaults before resolve.
func zero() Recipe {
	var r Recipe
	for i := range fields {
		f := &fields[i]
		switch p := f.ptr(&r).(type) {
		case *uint64:
			*p = f.def.(uint64)
		case *int:
			*p = f.def.(int)
		case *int64:
			*p = f.def.(int64)
		case *float64:
			*p = f.def.(float64)
		case *bool:
			*p = f.def.(bool)
		case *string:
			*p = f.def.(string)
		case *[]string:
			*p = slices.Clone(f.def.([]string))
		case *[2]float64:
			*p = f.def.([2]float64)
		case *[]Weighted:
			*p = slices.Clone(f.def.([]Weighted))
		case *json.RawMessage:
			*p = slices.Clone(f.def.(json.RawMessage))
		}
	}
	return r
}

// maxGrainTokens and maxGrainSamples are the size of a grain that is chosen by
// itself: rule 9 of the numerics asks for at most this many tokens where
// possible.
const (
	maxGrainTokens  = 8192
	maxGrainSamples = 256
)

// resolve replaces the zeros that stand for a choice that reaches tensors, so
// that the canonical text says what was chosen.
func (r *Recipe) resolve() {
	if r.Data.Tokens() && r.Data.Tokenizer == "" && r.Data.VocabSize == 0 {
		r.Data.VocabSize = defaultVocabSize
	}
	t := &r.Train
	most := maxGrainTokens / max(t.SequenceLength, 1)
	if r.Data.Kind != Text {
		most = maxGrainSamples
	}
	if t.Grain == 0 && t.Shards > 0 && t.BatchSize%t.Shards == 0 {
		t.Grain = 1
		for g := t.BatchSize / t.Shards; g > 1; g-- {
			if t.BatchSize/t.Shards%g == 0 && g <= most {
				t.Grain = g
				break
			}
		}
	}
}
