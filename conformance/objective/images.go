package objective

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/vision"
)

// images are how many images a batch of these scenarios has, of so many pixels
// in the rows and in the model, and of how many channels.
const images, stored, seen, channels = 4, 10, 8, 3

// Images makes a record of n images of size x size pixels of random colors and
// of columns of int32.
func Images(d *Draws, n, size int, columns map[string][]int32) arrow.Record {
	fields := []arrow.Field{vision.PixelField("image", size, size, channels)}
	var names []string
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int32})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	list := b.Field(0).(*array.FixedSizeListBuilder)
	for range n {
		list.Append(true)
		for range size * size * channels {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(d.N(256)))
		}
	}
	for i, name := range names {
		b.Field(i+1).(*array.Int32Builder).AppendValues(columns[name], nil)
	}
	return b.NewRecord()
}

func plainImages(d *Draws, n int) arrow.Record { return Images(d, n, stored, nil) }

func twoViews() []Scenario {
	view := ir.T(ir.F32, images, channels, seen, seen)
	return []Scenario{{
		Name: "pairs of views", Grain: images, Rows: plainImages, Random: true,
		Request: plugin.BindRequest{
			Role: "two_view_encoder", Dims: map[string]int{"batch": images},
			Inputs: []ir.Param{{Name: "view_a", Type: view}, {Name: "view_b", Type: view}},
			Outputs: []ir.Param{
				{Name: "embeddings", Type: ir.T(ir.F32, 2*images, width)},
				{Name: "features", Type: ir.T(ir.F32, 2*images, width+1)},
			},
		},
		Same: []Same{
			{Name: "the views swapped", Outputs: []string{"embeddings", "features"}, Order: []int{4, 5, 6, 7, 0, 1, 2, 3}},
			{Name: "the images in another order", Outputs: []string{"embeddings", "features"}, Order: []int{2, 0, 3, 1, 6, 4, 7, 5}},
		},
	}}
}
