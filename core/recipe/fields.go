package recipe

import (
	"encoding/json"
	"path"
	"slices"
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
	objectives // a list of mappings; see Weighted
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
	{"data", "What it learns from: rows of tokens, or of images with labels and captions."},
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
	{path: "model.init", kind: text, def: "",
		ptr: func(r *Recipe) any { return &r.Model.Init },
		doc: "What its tensors begin as, by their names: a run's folder, a checkpoint, a folder as of Hugging Face or a safetensors file. Those that are not there begin anew. Empty means all do."},
	{path: "model.rename", kind: texts, nonEmpty: true, check: badRename, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Model.Rename },
		usedIf: hasInit, unused: noInit,
		doc: "Changes of the names of model.init's tensors, such as \"gamma=weight\", wherever the first text stands in a name, or \"^encoder.=resnet.\", where a name begins with it. They are done in order."},
	{path: "model.fresh", kind: texts, nonEmpty: true, check: badPattern, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Model.Fresh },
		usedIf: hasInit, unused: noInit,
		doc: "Patterns, such as \"classifier.*\", of tensors that begin anew although model.init has some of their names."},

	{path: "objective.plugin", kind: text, nonEmpty: true, def: "causal_lm",
		ptr: func(r *Recipe) any { return &r.Objective.Plugin },
		doc: "Objective plugin: a name, or the path of an executable."},
	{path: "objective.config", kind: config, def: json.RawMessage(`{}`),
		ptr: func(r *Recipe) any { return &r.Objective.Config },
		doc: "Configuration of the objective, which the plugin defines."},
	{path: "objective.weight", kind: number, min: "0", openMin: true, max: "1000000", def: 1.0,
		ptr:    func(r *Recipe) any { return &r.Objective.Weight },
		usedIf: func(r *Recipe) bool { return len(r.Objective.Also) > 0 }, unused: "only one of several objectives has a weight",
		doc: "Factor on the objective's mean loss, and so on its gradients, where there are others."},
	{path: "objective.also", kind: objectives, def: []Weighted{},
		ptr: func(r *Recipe) any { return &r.Objective.Also },
		doc: "Further objectives over the same model, such as [{plugin: sentence_pairs, weight: 0.5}]: each with keys plugin, config and weight, which mean what they mean above. Each makes a batch of its own of the same rows. Gradients are added in this order, the first objective's first."},

	{path: "backend.plugin", free: true, kind: text, nonEmpty: true, def: "cpu",
		ptr: func(r *Recipe) any { return &r.Backend.Plugin },
		doc: "Backend plugin: a name, or the path of an executable."},
	{path: "backend.threads", free: true, kind: integer, min: "1", max: "4096", zero: "one for each processor", def: 0,
		ptr: func(r *Recipe) any { return &r.Backend.Threads },
		doc: "Threads of the backend."},

	{path: "data.kind", kind: words, choices: []string{Text, Samples, Shapes}, def: Text,
		ptr: func(r *Recipe) any { return &r.Data.Kind },
		doc: "What a row is: text, a piece of a stream of tokens; samples, an image with a label or a caption, from files; shapes, the same drawn by a generator, with nothing to download."},
	{path: "data.paths", free: true, kind: texts, nonEmpty: true, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Data.Paths },
		usedIf: kinds(Text, Samples), unused: "shapes are drawn, not read",
		doc: "Files, folders and patterns; of samples, files of one format or a folder. None, of text, means the sources of the Go toolchain, about 90 MB."},
	{path: "data.format", kind: words, choices: append([]string{"auto", "text", "jsonl"}, sampleFormats...), def: "auto",
		ptr:    func(r *Recipe) any { return &r.Data.Format },
		usedIf: kinds(Text, Samples), unused: "shapes have no files",
		doc: "Format of the files; auto goes by their names. Text has text and jsonl, samples have all but text."},
	{path: "data.text_field", kind: text, nonEmpty: true, def: "text",
		ptr:    func(r *Recipe) any { return &r.Data.TextField },
		usedIf: kinds(Text), unused: "only data.kind text has it; samples have data.text",
		doc: "Field of a JSON Lines object that holds the text."},
	{path: "data.document", kind: words, choices: []string{"file", "line", "paragraph"}, def: "file",
		ptr:    func(r *Recipe) any { return &r.Data.Document },
		usedIf: kinds(Text), unused: "only data.kind text has documents",
		doc: "What one document of a text file is."},
	{path: "data.include", kind: texts, nonEmpty: true, def: []string{},
		check:  badPattern,
		ptr:    func(r *Recipe) any { return &r.Data.Include },
		usedIf: kinds(Text), unused: "only data.kind text has it",
		doc: "Patterns, such as \"*.go\", one of which the name of a file in a folder must match. None means all files."},
	{path: "data.skip_binary", kind: boolean, def: false,
		ptr:    func(r *Recipe) any { return &r.Data.SkipBinary },
		usedIf: kinds(Text), unused: "only data.kind text has it",
		doc: "Leave out files that are not text, instead of refusing them."},
	{path: "data.image", kind: text, def: "",
		ptr:    func(r *Recipe) any { return &r.Data.Image },
		usedIf: kinds(Samples), unused: "only data.kind samples has columns",
		doc: "Column of a table that holds the image: binary, or a path below the table's folder."},
	{path: "data.label", kind: text, def: "",
		ptr:    func(r *Recipe) any { return &r.Data.Label },
		usedIf: kinds(Samples, Shapes), unused: "text has no labels",
		doc: "Column of a table that holds the label; of folders and archives folder (the class is the folder), cls (a file of that extension) or none. Of shapes form, color, size, texture or count; empty is form."},
	{path: "data.text", kind: texts, nonEmpty: true, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Data.Text },
		usedIf: kinds(Samples), unused: "only data.kind samples has columns",
		doc: "Columns of a table that hold the caption, joined by a space."},
	{path: "data.text_b", kind: texts, nonEmpty: true, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Data.TextB },
		usedIf: kinds(Samples), unused: "only data.kind samples has columns",
		doc: "Columns of a table that hold the second text of a pair; data.captions makes tokens of both. Two files of data.format lines are such pairs."},
	{path: "data.header", kind: boolean, def: false,
		ptr:    func(r *Recipe) any { return &r.Data.Header },
		usedIf: kinds(Samples), unused: "only data.kind samples has tables",
		doc: "Whether CSV and TSV begin with the names of columns; otherwise these are called 1, 2, ..."},
	{path: "data.classes", kind: texts, nonEmpty: true, def: []string{},
		ptr:    func(r *Recipe) any { return &r.Data.Classes },
		usedIf: kinds(Samples), unused: "only data.kind samples has a list of classes",
		doc: "The classes; a label is one of these names or a number. None means the labels that occur."},
	{path: "data.first_label", kind: integer, min: "0", max: "1048576", def: 0,
		ptr:    func(r *Recipe) any { return &r.Data.FirstLabel },
		usedIf: kinds(Samples), unused: "only data.kind samples has it",
		doc: "The number of the first class, where labels are numbers."},
	{path: "data.on_bad_sample", kind: words, choices: []string{"stop", "skip"}, def: "stop",
		ptr:    func(r *Recipe) any { return &r.Data.OnBadSample },
		usedIf: kinds(Samples), unused: "only data.kind samples has it",
		doc: "What to do about a sample that is not whole: stop with an error that names file and row, or leave it out and count it."},
	{path: "data.check_images", kind: words, choices: []string{"header", "full"}, def: "header",
		ptr:    func(r *Recipe) any { return &r.Data.CheckImages },
		usedIf: kinds(Samples), unused: "only data.kind samples has it",
		doc: "How much of an image is looked at before the first step: its header, or all pixels."},
	{path: "data.max_pixels", kind: integer, min: "1", max: "1073741824", def: 0, zero: "what abi/vision decodes",
		ptr:    func(r *Recipe) any { return &r.Data.MaxPixels },
		usedIf: kinds(Samples), unused: "only data.kind samples has it",
		doc: "Pixels above which an image is a bad sample."},
	{path: "data.min_side", kind: integer, min: "1", max: "65536", def: 0, zero: "any size is good",
		ptr:    func(r *Recipe) any { return &r.Data.MinSide },
		usedIf: kinds(Samples), unused: "only data.kind samples has it",
		doc: "Pixels below which the width or height of an image makes it a bad sample; with data.on_bad_sample skip it is left out and counted."},
	{path: "data.image_size", kind: integer, min: "8", max: "1024", def: 64,
		ptr:    func(r *Recipe) any { return &r.Data.ImageSize },
		usedIf: kinds(Shapes), unused: "only shapes are drawn; objectives bring images to the model's size",
		doc: "Side of a picture of shapes in pixels."},
	{path: "data.rows", kind: integer, min: "1", max: "1099511627776", def: int64(20_000),
		ptr:    func(r *Recipe) any { return &r.Data.Rows },
		usedIf: kinds(Shapes), unused: "only shapes are as many as one likes",
		doc: "Pictures of shapes to learn from."},
	{path: "data.alike", kind: boolean, def: false,
		ptr:    func(r *Recipe) any { return &r.Data.Alike },
		usedIf: kinds(Shapes), unused: "only shapes are drawn",
		doc: "Draw only scenes whose objects are all alike. Otherwise a third of them show two that differ, of which the label is that of the one that the caption names first."},
	{path: "data.seed", kind: integer, min: "0", max: "18446744073709551615", def: uint64(0),
		ptr:    func(r *Recipe) any { return &r.Data.Seed },
		usedIf: kinds(Shapes), unused: "only shapes are drawn",
		doc: "Seed of the pictures of shapes, apart from the run's so that runs of other seeds see the same."},
	{path: "data.captions", kind: boolean, def: false,
		ptr:    func(r *Recipe) any { return &r.Data.Captions },
		usedIf: kinds(Samples, Shapes), unused: "text is tokens anyway",
		doc: "Whether the texts of samples become tokens: train.sequence_length of them, cut or padded, ended by the end token."},
	{path: "data.codes", free: true, kind: text, def: "",
		ptr:    func(r *Recipe) any { return &r.Data.Codes },
		usedIf: kinds(Samples, Shapes), unused: "text has no images",
		doc: "Checkpoint, or folder of a run, of a discrete autoencoder such as dvae, whose codes of the images become a column. Empty means none."},
	{path: "data.tokenizer", kind: text, def: "",
		ptr:    func(r *Recipe) any { return &r.Data.Tokenizer },
		usedIf: hasTokens, unused: noTokens,
		doc: "Path of a tokenizer.json with a special token <|endoftext|>, </s> or [SEP], or of a folder that has one: a checkpoint, a run. Empty means to train one."},
	{path: "data.tokenizer_model", kind: words, choices: []string{"bpe", "wordpiece", "unigram"}, def: "bpe",
		ptr:    func(r *Recipe) any { return &r.Data.TokenizerModel },
		usedIf: func(r *Recipe) bool { return hasTokens(r) && r.Data.Tokenizer == "" }, unused: "no tokenizer is trained",
		doc: "Tokenizer to train: byte-level BPE as GPT's, WordPiece as BERT's, Unigram as T5's."},
	{path: "data.vocab_size", kind: integer, min: "257", max: "4194304", zero: "1024, or the size of data.tokenizer", def: 0,
		ptr:    func(r *Recipe) any { return &r.Data.VocabSize },
		usedIf: hasTokens, unused: noTokens,
		doc: "Tokens of the tokenizer to train. With data.tokenizer it must be 0 or that tokenizer's size."},
	{path: "data.train_bytes", kind: integer, min: "1024", max: "1099511627776", def: int64(16 << 20),
		ptr:    func(r *Recipe) any { return &r.Data.TrainBytes },
		usedIf: hasTokens, unused: noTokens,
		doc: "Bytes of text that the tokenizer is trained on."},
	{path: "data.validation_fraction", kind: number, min: "0", max: "1", openMax: true, def: 0.01,
		ptr: func(r *Recipe) any { return &r.Data.ValidationFraction },
		doc: "Part of the documents or samples kept for validation; of shapes, this many times data.rows more are drawn for it."},
	{path: "data.cache_dir", free: true, kind: text, def: "",
		ptr:    func(r *Recipe) any { return &r.Data.CacheDir },
		usedIf: func(r *Recipe) bool { return r.Data.Kind != Shapes || r.Data.Codes != "" }, unused: "shapes are not kept, only their codes",
		doc: "Folder where tokens, codes, or what is known of samples are kept. Empty means seedbed/tokens, seedbed/codes or seedbed/samples in the user's cache folder."},

	{path: "train.steps", kind: integer, min: "1", max: maxCount, def: 1000,
		ptr: func(r *Recipe) any { return &r.Train.Steps },
		doc: "Optimizer steps."},
	{path: "train.batch_size", kind: integer, min: "1", max: "1048576", def: 8,
		ptr: func(r *Recipe) any { return &r.Train.BatchSize },
		doc: "Sequences, or samples, a step."},
	{path: "train.sequence_length", kind: integer, min: "1", max: "16777216", def: 256,
		ptr:    func(r *Recipe) any { return &r.Train.SequenceLength },
		usedIf: hasTokens, unused: noTokens,
		doc: "Tokens a sequence, or a caption."},
	{path: "train.target_length", kind: integer, min: "1", max: "16777216", def: 0, zero: "for models that have no target",
		ptr:    func(r *Recipe) any { return &r.Train.TargetLength },
		usedIf: kinds(Text), unused: "only data.kind text has targets of tokens",
		doc: "Tokens of the sequence that a model such as T5 turns another into."},
	{path: "train.grain", kind: integer, min: "1", max: "1048576", zero: "the largest that fits train.batch_size and train.shards with at most 8192 tokens of text or 256 samples", def: 0,
		ptr: func(r *Recipe) any { return &r.Train.Grain },
		doc: "Sequences or samples whose gradient is summed at once; must divide train.batch_size. It decides the order of sums, and so the bits. Contrastive objectives tell apart what is in a grain, and batch norm takes its means over one."},
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
		doc: "Sequences or samples of a validation, evenly spread over the split, fewer if there are fewer. After the last step it is all of them."},
	{path: "train.freeze", kind: texts, nonEmpty: true, def: []string{}, check: badPattern,
		ptr: func(r *Recipe) any { return &r.Train.Freeze },
		doc: "Patterns, such as \"bert.embeddings.*\", of parameters that stay as they begin: they get no gradient, no update and no optimizer state."},
	{path: "train.ema_decay", kind: number, min: "0", max: "1", openMax: true, def: 0.0, zero: "no averages",
		ptr: func(r *Recipe) any { return &r.Train.EMADecay },
		doc: "What stays in a step of a running average of the parameters, such as 0.999. Validations tell its loss beside that of the parameters, and checkpoints keep it as ema.NAME in optimizer.safetensors; host checkpoint average makes a model of it."},

	{path: "optimizer.name", kind: words, choices: []string{"adamw", "sgd", "lars"}, def: "adamw",
		ptr: func(r *Recipe) any { return &r.Optimizer.Name },
		doc: "AdamW (Loshchilov and Hutter, 2019) or stochastic gradient descent, with PyTorch's parameters, or LARS (You et al., 2017)."},
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
		doc: "Weight decay of the parameters that the model does not exempt from it; lars adds it to the gradient."},
	{path: "optimizer.momentum", kind: number, min: "0", max: "1", openMax: true, def: 0.0,
		ptr:    func(r *Recipe) any { return &r.Optimizer.Momentum },
		usedIf: func(r *Recipe) bool { return !isAdamW(r) }, unused: "only sgd and lars have momentum; adamw has betas",
		doc: "Momentum of sgd and lars."},
	{path: "optimizer.trust_coefficient", kind: number, min: "0", openMin: true, max: "1000", def: 0.001,
		ptr:    func(r *Recipe) any { return &r.Optimizer.TrustCoefficient },
		usedIf: func(r *Recipe) bool { return r.Optimizer.Name == "lars" }, unused: "only lars has a trust coefficient",
		doc: "Factor of lars on the size of a parameter over that of its gradient, which is the parameter's own learning rate, times optimizer.lr. What is exempt from weight decay has optimizer.lr."},
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

// sampleFormats are the formats of samples that text does not have.
var sampleFormats = []string{"folder", "zip", "tar", "idx", "csv", "tsv", "parquet", "arrow", "lines"}

// kinds is the usedIf of fields that some kinds of data have.
func kinds(list ...string) func(*Recipe) bool {
	return func(r *Recipe) bool { return slices.Contains(list, r.Data.Kind) }
}

func hasInit(r *Recipe) bool { return r.Model.Init != "" }

const noInit = "all tensors begin anew without model.init"

func badRename(rule string) string {
	if from, _, ok := strings.Cut(rule, "="); !ok || from == "" {
		return "is not of the form old=new"
	}
	return ""
}

func hasTokens(r *Recipe) bool { return r.Data.Tokens() }

const noTokens = "the data has no tokens without data.captions"

func badPattern(pattern string) string {
	if _, err := path.Match(pattern, ""); err != nil {
		return "is not a pattern: it has a bad [...] or ends in \\"
	}
	return ""
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
	case objectives:
		s = "a list of mappings with the keys plugin, config and weight"
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
