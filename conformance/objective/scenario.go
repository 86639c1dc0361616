package objective

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Scenario is a model's side and a dataset that an objective fits to.
type Scenario struct {
	Name string
	// Request binds the objective. Its Outputs are floats.
	Request plugin.BindRequest
	// Optional are outputs and columns that the objective takes and can do without.
	Optional []string
	// Grain is how many rows a batch takes.
	Grain int
	// Rows makes n rows.
	Rows func(d *Draws, n int) arrow.Record
	// Bad are records of Grain rows that Transform must refuse, by what is wrong.
	Bad map[string]func(d *Draws) arrow.Record
	// Free are the places that the loss does not depend on.
	Free []Free
	// Same are the changes of the outputs that the loss does not see.
	Same []Same
	// Random says that batches depend on their place in the run, MayBeRandom that
	// this is the objective's to choose.
	Random, MayBeRandom bool
}

// Free declares an invariant: places of a model's output that a batch makes
// the loss ignore. They may take any finite value without a bit of the loss or
// the weight changing, and their gradient is zero.
type Free struct {
	Name   string // such as "hidden where labels is -100"
	Output string
	// Places returns numbers of places: flat indices over the leading dimensions
	// of the output, as many of them as each place has elements after.
	Places func(b Batch) (places []int, elements int)
}

// Same declares an invariant: a change of some outputs leaves the loss and all
// else that it gives the same, but for rounding, which float64 shows to be all.
type Same struct {
	Name    string // such as "the views swapped"
	Outputs []string
	// Change returns other values [shape...] of an output.
	Change func(x []float64, shape []int) []float64
}

// Reordered makes row i that of order[i].
func Reordered(order ...int) func(x []float64, shape []int) []float64 {
	return func(x []float64, _ []int) (y []float64) {
		size := len(x) / len(order)
		for _, row := range order {
			y = append(y, x[row*size:][:size]...)
		}
		return y
	}
}

// Shifted adds a number to all values along an axis, another one at every place
// of the other axes.
func Shifted(axis int) func(x []float64, shape []int) []float64 {
	return func(x []float64, shape []int) (y []float64) {
		after := 1
		for _, n := range shape[axis+1:] {
			after *= n
		}
		for i, v := range x {
			place := i/(after*shape[axis])*after + i%after
			y = append(y, v+float64(place%5)-1.75)
		}
		return y
	}
}

// Batch holds the i32 fields of a batch by their names.
type Batch map[string][]int32

// Draws are the random numbers of a case.
type Draws struct {
	stream numerics.Stream
	at     uint64
}

// N returns one of 0 to n-1.
func (d *Draws) N(n int) int {
	d.at++
	return int(uint64(d.stream.At(d.at-1)) * uint64(n) >> 32)
}

// Uniform returns a number in [0, 1).
func (d *Draws) Uniform() float64 {
	d.at++
	return float64(d.stream.UniformAt(d.at - 1))
}

// Lists makes a record of columns of fixed-size lists of int32, whose lengths
// are those of the values divided by the rows.
func Lists(n int, columns map[string][]int32) arrow.Record {
	var fields []arrow.Field
	var names []string
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.FixedSizeListOf(int32(len(columns[name])/n), arrow.PrimitiveTypes.Int32)})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i, name := range names {
		list := b.Field(i).(*array.FixedSizeListBuilder)
		width := len(columns[name]) / n
		for r := range n {
			list.Append(true)
			list.ValueBuilder().(*array.Int32Builder).AppendValues(columns[name][r*width:(r+1)*width], nil)
		}
	}
	return b.NewRecord()
}

var roles = map[string]func() []Scenario{
	"causal_lm":               causalLM,
	"masked_lm":               maskedLM,
	"masked_lm+next_sentence": nextSentence,
	"next_sentence":           sentencePairs,
	"seq2seq_lm":              seq2seqLM,
	"text_classifier":         textClassifier,
	"image_classifier":        imageClassifier,
	"masked_autoencoder":      maskedAutoencoder,
	"masked_patches":          maskedPatches,
	"dual_encoder":            dualEncoder,
	"two_view_encoder":        twoViews,
	"discrete_vae":            discreteVAE,
	"token_prior":             tokenPrior,
}

// ByRole returns the scenarios of the roles that this version knows.
func ByRole(role string) ([]Scenario, error) {
	if make, ok := roles[role]; ok {
		return make(), nil
	}
	return nil, fmt.Errorf("no scenario is known for role %q; conformance.RunObjective takes your own", role)
}
