package recipe

import (
	"encoding/json"
	"path"
	"strconv"
	"strings"
)

type kind uint8

const (
	integer kind = iota
	number
	boolean
	text
	words // text that is one of choices
	texts // a list of text
	pair  // two numbers
	config
)

// field is one line of the table.
type field struct {
	path string // such as "train.steps"
	kind kind
	// min and max bound integer, number and the parts of pair, as decimal
	// text so that errors and the schema show just what is checked.
	min, max         string
	openMin, openMax bool   // the bound itself is outside
	zero             string // what 0 means, if 0 is valid besides the range
	choices          []string
	nonEmpty         bool                    // of text and of the parts of texts
	check            func(string) string     // of text and the parts of texts: what is wrong, or ""
	def              any                     // the default, of the type of the Recipe's field
	ptr              func(*Recipe) any       // to the Recipe's field
	usedIf           func(*Recipe) (ok bool) // nil: always
	unused           string                  // why it is not, such as "sgd has no betas"
	free             bool                    // results do not depend on it
	doc              string
}

// Bounds of every list and text.
const (
	maxListLength = 4096
	maxTextBytes  = 4096
)

const (
	defaultVocabSize = 1024
	maxCount         = "1000000000"
)

var defaultModelConfig = json.RawMessage(`{"n_embd":128,"n_head":4,"n_layer":4,"n_positions":256,"vocab_size":1024}`)

// sections documents the mappings that hold the fields.
var sections = []struct{ path, doc string }{
	{"model", "What is trained."},
	{"objective", "What it is trained to do."},
	{"backend", "What computes. Results do not depend on it."},
	{"data", "What it learns from: text, divided into documents, tokens and rows."},
	{"train", "How long, on how much at a time."},
	{"optimizer", "How gradients become updates."},
	{"schedule", "The learning rate over the steps: a linear warm-up, then this."},
	{"checkpoint", "When the state is saved, to go on from."},
}

// fields is the table that everything about a recipe comes from, in the order
// of the canonical text.
var fields = []field{
	{path: "seed", kind: integer, min: "0", max: "18446744073709551615", def: uint64(0),
		ptr: func(r *Recipe) any { return &r.Seed },
		doc: "Seed of everything random: initial values, sample order, dropout."},

	{path: "model.plugin", kind: text, nonEmpty: true, def: "gpt",
		ptr: func(r *Recipe) any { return &r.Model.Plugin },
		doc: "Model plugin: a name, or the path of an executable."},
	{path: "model.config", kind: config, def: defaultModelConfig,
		ptr: func(r *Recipe) any { return &r.Model.Config },
		doc: "Configuration of the model, which the plugin defines. The default is that of the default plugin; where model.plugin is given and model.config is not, it is {}, the plugin's own defaults."},

	{path: "objective.plugin", kind: text, nonEmpty: true, def: "causal_lm",
		ptr: func(r *Recipe) any { return &r.Objective.Plugin },
		doc: "Objective plugin: a name, or the path of an executable."},
	{path: "objective.config", kind: config, def: json.RawMessage(`{}`),
		ptr: func(r *Recipe) any { return &r.Objective.Config },
		doc: "Configuration of the objective, which the plugin defines."},

	{path: "backend.plugin", free: true, kind: text, nonEmpty: true, def: "cpu",
		ptr: func(r *Recipe) any { return &r.Backend.Plugin },
		doc: "Backend plugin: a name, or the path of an executable."},
	{path: "backend.threads", free: true, kind: integer, min: "1", max: "4096", zero: "one for each processor", def: 0,
		ptr: func(r *Recipe) any { return &r.Backend.Threads },
		doc: "Threads of the backend."},

	{path: "data.paths", free: true, kind: texts, nonEmpty: true, def: []string{},
		ptr: func(r *Recipe) any { return &r.Data.Paths },
		doc: "Files, folders and patterns. None means the sources of the Go toolchain, about 90 MB."},
	{path: "data.format", kind: words, choices: []string{"auto", "text", "jsonl"}, def: "auto",
		ptr: func(r *Recipe) any { return &r.Data.Format },
		doc: "Format of the files; auto goes by their names."},
	{path: "data.text_field", kind: text, nonEmpty: true, def: "text",
		ptr: func(r *Recipe) any { return &r.Data.TextField },
		doc: "Field of a JSON Lines object that holds the text."},
	{path: "data.document", kind: words, choices: []string{"file", "line", "paragraph"}, def: "file",
		ptr: func(r *Recipe) any { return &r.Data.Document },
		doc: "What one document of a text file is."},
	{path: "data.include", kind: texts, nonEmpty: true, def: []string{},
		check: func(pattern string) string {
			if _, err := path.Match(pattern, ""); err != nil {
				return "is not a pattern: it has a bad [...] or ends in \\"
			}
			return ""
		},
		ptr: func(r *Recipe) any { return &r.Data.Include },
		doc: "Patterns, such as \"*.go\", one of which the name of a file in a folder must match. None means all files."},
	{path: "data.skip_binary", kind: boolean, def: false,
		ptr: func(r *Recipe) any { return &r.Data.SkipBinary },
		doc: "Leave out files that are not text, instead of refusing them."},
	{path: "data.tokenizer", kind: text, def: "",
		ptr: func(r *Recipe) any { return &r.Data.Tokenizer },
		doc: "Path of a tokenizer.json with the special token <|endoftext|>. Empty means to train one."},
	{path: "data.vocab_size", kind: integer, min: "257", max: "4194304", zero: "1024, or the size of data.tokenizer", def: 0,
		ptr: func(r *Recipe) any { return &r.Data.VocabSize },
		doc: "Tokens of the tokenizer to train. With data.tokenizer it must be 0 or that tokenizer's size."},
	{path: "data.train_bytes", kind: integer, min: "1024", max: "1099511627776", def: int64(16 << 20),
		ptr: func(r *Recipe) any { return &r.Data.TrainBytes },
		doc: "Bytes of text that the tokenizer is trained on."},
	{path: "data.validation_fraction", kind: number, min: "0", max: "1", openMax: true, def: 0.01,
		ptr: func(r *Recipe) any { return &r.Data.ValidationFraction },
		doc: "Part of the documents kept for validation."},
	{path: "data.cache_dir", free: true, kind: text, def: "",
		ptr: func(r *Recipe) any { return &r.Data.CacheDir },
		doc: "Folder where tokens are kept. Empty means seedbed/tokens in the user's cache folder."},

	{path: "train.steps", kind: integer, min: "1", max: maxCount, def: 1000,
		ptr: func(r *Recipe) any { return &r.Train.Steps },
		doc: "Optimizer steps."},
	{path: "train.batch_size", kind: integer, min: "1", max: "1048576", def: 8,
		ptr: func(r *Recipe) any { return &r.Train.BatchSize },
		doc: "Sequences a step."},
	{path: "train.sequence_length", kind: integer, min: "1", max: "16777216", def: 256,
		ptr: func(r *Recipe) any { return &r.Train.SequenceLength },
		doc: "Tokens a sequence."},
	{path: "train.grain", kind: integer, min: "1", max: "1048576", zero: "the largest that fits train.batch_size and train.shards with at most 8192 tokens", def: 0,
		ptr: func(r *Recipe) any { return &r.Train.Grain },
		doc: "Sequences whose gradient is summed at once; must divide train.batch_size. It decides the order of sums, and so the bits."},
	{path: "train.shards", kind: integer, min: "1", max: "1048576", def: 1,
		ptr: func(r *Recipe) any { return &r.Train.Shards },
		doc: "Parts of a step that can be computed apart; must divide the number of grains. It decides the order of sums, and so the bits."},
	{path: "train.prefetch", free: true, kind: integer, min: "1", max: "1024", def: 2,
		ptr: func(r *Recipe) any { return &r.Train.Prefetch },
		doc: "Batches made ahead. Results do not depend on it."},
	{path: "train.in_flight", free: true, kind: integer, min: "1", max: "64", def: 2,
		ptr: func(r *Recipe) any { return &r.Train.InFlight },
		doc: "Steps queued on the backend at a time, so that it need not wait for the host. Results do not depend on it."},
	{path: "train.log_every", free: true, kind: integer, min: "1", max: maxCount, def: 20,
		ptr: func(r *Recipe) any { return &r.Train.LogEvery },
		doc: "Steps from one printed line to the next. JSON lines have every step."},
	{path: "train.eval_every", free: true, kind: integer, min: "1", max: maxCount, zero: "never", def: 200,
		ptr: func(r *Recipe) any { return &r.Train.EvalEvery },
		doc: "Steps from one validation to the next."},
	{path: "train.eval_sequences", free: true, kind: integer, min: "1", max: maxCount, def: 64,
		ptr: func(r *Recipe) any { return &r.Train.EvalSequences },
		doc: "Sequences of a validation, evenly spread over the split, fewer if there are fewer. After the last step it is all of them."},

	{path: "optimizer.name", kind: words, choices: []string{"adamw", "sgd"}, def: "adamw",
		ptr: func(r *Recipe) any { return &r.Optimizer.Name },
		doc: "AdamW (Loshchilov and Hutter, 2019) or stochastic gradient descent, with PyTorch's parameters."},
	{path: "optimizer.lr", kind: number, min: "0", max: "1000", def: 2e-3,
		ptr: func(r *Recipe) any { return &r.Optimizer.LR },
		doc: "Learning rate after the warm-up."},
	{path: "optimizer.betas", kind: pair, min: "0", max: "1", openMax: true, def: [2]float64{0.9, 0.95},
		ptr:    func(r *Recipe) any { return &r.Optimizer.Betas },
		usedIf: isAdamW, unused: "only adamw has betas",
		doc: "Decay of the running means of the gradient and of its square, of adamw."},
	{path: "optimizer.eps", kind: number, min: "0", openMin: true, max: "1", def: 1e-8,
		ptr:    func(r *Recipe) any { return &r.Optimizer.Eps },
		usedIf: isAdamW, unused: "only adamw has eps",
		doc: "What adamw adds to the root of the mean square."},
	{path: "optimizer.weight_decay", kind: number, min: "0", max: "1000", def: 0.1,
		ptr: func(r *Recipe) any { return &r.Optimizer.WeightDecay },
		doc: "Weight decay of the parameters that the model does not exempt from it."},
	{path: "optimizer.momentum", kind: number, min: "0", max: "1", openMax: true, def: 0.0,
		ptr:    func(r *Recipe) any { return &r.Optimizer.Momentum },
		usedIf: func(r *Recipe) bool { return r.Optimizer.Name == "sgd" }, unused: "only sgd has momentum; adamw has betas",
		doc: "Momentum of sgd."},
	{path: "optimizer.max_grad_norm", kind: number, min: "0", max: "1000000000", def: 1.0, zero: "no clipping",
		ptr: func(r *Recipe) any { return &r.Optimizer.MaxGradNorm },
		doc: "Norm of all gradients together above which they are scaled down to it."},

	{path: "schedule.name", kind: words, choices: []string{"cosine", "linear", "constant"}, def: "cosine",
		ptr: func(r *Recipe) any { return &r.Schedule.Name },
		doc: "How the learning rate goes from optimizer.lr, after the warm-up, to its end at the last step."},
	{path: "schedule.warmup_steps", kind: integer, min: "0", max: maxCount, def: 50,
		ptr: func(r *Recipe) any { return &r.Schedule.WarmupSteps },
		doc: "Steps in which the learning rate rises in a straight line. If there are more than train.steps, the whole run is warm-up."},
	{path: "schedule.min_lr_ratio", kind: number, min: "0", max: "1", def: 0.1,
		ptr:    func(r *Recipe) any { return &r.Schedule.MinLRRatio },
		usedIf: func(r *Recipe) bool { return r.Schedule.Name != "constant" }, unused: "the constant schedule has no end to decay to",
		doc: "The learning rate at the last step, as a part of optimizer.lr."},

	{path: "checkpoint.every", free: true, kind: integer, min: "1", max: maxCount, zero: "only after the last step", def: 200,
		ptr: func(r *Recipe) any { return &r.Checkpoint.Every },
		doc: "Steps from one checkpoint to the next."},
	{path: "checkpoint.keep", free: true, kind: integer, min: "1", max: "1000000", def: 2,
		ptr: func(r *Recipe) any { return &r.Checkpoint.Keep },
		doc: "Checkpoints kept; older ones are removed."},
}

func isAdamW(r *Recipe) bool { return r.Optimizer.Name == "adamw" }

// split divides a field's path into its section, "" for the top, and its key.
func (f *field) split() (section, key string) {
	if section, key, ok := strings.Cut(f.path, "."); ok {
		return section, key
	}
	return "", f.path
}

// keysOf lists the keys of a section, "" for the top, in the table's order.
func keysOf(section string) []string {
	var keys []string
	for i := range fields {
		s, key := fields[i].split()
		if s == section {
			keys = append(keys, key)
		} else if section == "" && (len(keys) == 0 || keys[len(keys)-1] != s) {
			keys = append(keys, s)
		}
	}
	return keys
}

// fieldAt returns the field of a path, or nil.
func fieldAt(path string) *field {
	for i := range fields {
		if fields[i].path == path {
			return &fields[i]
		}
	}
	return nil
}

func isSection(path string) bool {
	for _, s := range sections {
		if s.path == path {
			return true
		}
	}
	return false
}

// interval returns the range, such as "[0, 1)".
func (f *field) interval() string {
	left, right := "[", "]"
	if f.openMin {
		left = "("
	}
	if f.openMax {
		right = ")"
	}
	return left + f.min + ", " + f.max + right
}

// valid says in words what values the field takes.
func (f *field) valid() string {
	var s string
	switch f.kind {
	case integer:
		s = "an integer in " + f.interval()
	case number:
		s = "a number in " + f.interval()
	case pair:
		s = "a list of two numbers in " + f.interval()
	case boolean:
		s = "true or false"
	case words:
		s = "one of " + strings.Join(f.choices, ", ")
	case text:
		s = "a string"
		if f.nonEmpty {
			s = "a string that is not empty"
		}
	case texts:
		s = "a list of strings"
	case config:
		s = "a mapping"
	}
	if f.zero != "" && !f.inRange(0) {
		s += ", or 0: " + f.zero
	} else if f.zero != "" {
		s += " (0: " + f.zero + ")"
	}
	return s
}

// inRange tells whether a number is in the range. Integers are compared as
// integers by inRangeInt.
func (f *field) inRange(x float64) bool {
	lo, _ := strconv.ParseFloat(f.min, 64)
	hi, _ := strconv.ParseFloat(f.max, 64)
	return (x > lo || x == lo && !f.openMin) && (x < hi || x == hi && !f.openMax)
}

func (f *field) inRangeInt(x uint64) bool {
	lo, _ := strconv.ParseUint(f.min, 10, 64)
	hi, _ := strconv.ParseUint(f.max, 10, 64)
	return x >= lo && x <= hi
}

// allows tells whether a number is valid, 0 included where it stands for
// something else.
func (f *field) allows(x float64) bool   { return f.inRange(x) || f.zero != "" && x == 0 }
func (f *field) allowsInt(x uint64) bool { return f.inRangeInt(x) || f.zero != "" && x == 0 }
