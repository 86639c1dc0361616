package objective

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Scenario is a model's side and a dataset that an objective fits to.
type Scenario struct {
	Name string
	// Request binds the objective. Its Outputs are floats.
	Request plugin.BindRequest
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
	// Random says that batches depend on their place in the run.
	Random bool
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

// Same declares an invariant: with the rows of some outputs in another order
// the loss and the weight are the same, but for the rounding of sums in another
// order, which float64 shows to be all.
type Same struct {
	Name    string // such as "the views swapped"
	Outputs []string
	Order   []int // row i becomes that of Order[i]
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

// ByRole returns the scenarios of the roles that this version knows.
func ByRole(role string) ([]Scenario, error) {
	switch role {
	case "causal_lm":
		return causalLM(), nil
	case "masked_lm":
		return maskedLM(), nil
	case "two_view_encoder":
		return twoViews(), nil
	}
	return nil, fmt.Errorf("no scenario is known for role %q; conformance.RunObjective takes your own", role)
}

const rows, sequence, vocab, width = 3, 12, 17, 5

func ids() ir.Type { return ir.T(ir.I32, rows, sequence) }

// text makes rows of tokens with an end of text (0) now and then.
func text(length int) func(d *Draws, n int) arrow.Record {
	return func(d *Draws, n int) arrow.Record { return Lists(n, map[string][]int32{"tokens": tokens(d, n*length)}) }
}

func tokens(d *Draws, n int) []int32 {
	l := make([]int32, n)
	for i := range l {
		if l[i] = int32(4 + d.N(vocab-4)); d.N(7) == 0 {
			l[i] = 0
		}
	}
	return l
}

func causalLM() []Scenario {
	const length = sequence + 1
	labelled := func(d *Draws, n int) arrow.Record {
		labels := tokens(d, n*length)
		for i := range labels {
			if d.N(3) == 0 {
				labels[i] = -100
			}
		}
		return Lists(n, map[string][]int32{"tokens": tokens(d, n*length), "labels": labels})
	}
	request := plugin.BindRequest{
		Role:       "causal_lm",
		Dims:       map[string]int{"batch": rows, "sequence": sequence},
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids()}, {Name: "position_ids", Type: ids()}, {Name: "segment_ids", Type: ids()}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, sequence, width)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, width)}},
		Properties: map[string]string{"end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
	}
	with := func(id int32) func(d *Draws) arrow.Record {
		return func(d *Draws) arrow.Record {
			l := tokens(d, rows*length)
			l[d.N(len(l))] = id
			return Lists(rows, map[string][]int32{"tokens": l})
		}
	}
	plain := Scenario{Name: "tokens", Request: request, Grain: rows, Rows: text(length), Bad: map[string]func(d *Draws) arrow.Record{
		"a token below the vocabulary": with(-1), "a token above the vocabulary": with(vocab),
	}}
	masked := Scenario{Name: "tokens and labels", Request: request, Grain: rows, Rows: labelled, Free: []Free{{
		Name: "hidden where labels is -100", Output: "hidden", Places: func(b Batch) (places []int, elements int) {
			for i, l := range b["labels"] {
				if l == -100 {
					places = append(places, i)
				}
			}
			return places, width
		},
	}}}
	return []Scenario{plain, masked}
}

func maskedLM() []Scenario {
	const length = sequence + 1
	request := plugin.BindRequest{
		Role:       "masked_lm",
		Dims:       map[string]int{"batch": rows, "sequence": sequence},
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids()}, {Name: "token_type_ids", Type: ids()}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, sequence, width)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, width)}},
		Properties: map[string]string{"cls": "1", "sep": "2", "mask": "3", "end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
	}
	return []Scenario{{Name: "tokens", Request: request, Grain: rows, Rows: text(length), Random: true, Free: []Free{{
		Name: "hidden at places that are not masked", Output: "hidden", Places: func(b Batch) (places []int, elements int) {
			slots := len(b["masked_positions"]) / rows
			read := map[int]bool{}
			for i, p := range b["masked_positions"] {
				if b["masked_labels"][i] != -100 {
					read[i/max(slots, 1)*sequence+int(p)] = true
				}
			}
			for i := range rows * sequence {
				if !read[i] {
					places = append(places, i)
				}
			}
			return places, width
		},
	}}}}
}
