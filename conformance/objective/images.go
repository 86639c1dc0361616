package objective

import (
	"encoding/json"
	"fmt"
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
			{Name: "the views swapped", Outputs: []string{"embeddings", "features"}, Change: Reordered(4, 5, 6, 7, 0, 1, 2, 3)},
			{Name: "the images in another order", Outputs: []string{"embeddings", "features"}, Change: Reordered(2, 0, 3, 1, 6, 4, 7, 5)},
		},
	}}
}

func pixels() ir.Type { return ir.T(ir.F32, images, channels, seen, seen) }

func imageClassifier() []Scenario {
	const classes = 6
	labels := func(d *Draws, n int) map[string][]int32 {
		l := make([]int32, n)
		for i := range l {
			l[i] = int32(d.N(classes))
		}
		return map[string][]int32{"label": l}
	}
	with := func(label int32) func(d *Draws) arrow.Record {
		return func(d *Draws) arrow.Record {
			l := labels(d, images)
			l["label"][d.N(images)] = label
			return Images(d, images, stored, l)
		}
	}
	plain := Scenario{
		Name: "images and labels", Grain: images, Rows: func(d *Draws, n int) arrow.Record { return Images(d, n, stored, labels(d, n)) },
		Bad: map[string]func(d *Draws) arrow.Record{"a label below the classes": with(-1), "a label above the classes": with(classes)},
		Request: plugin.BindRequest{
			Role: "image_classifier", Dims: map[string]int{"batch": images}, Inputs: []ir.Param{{Name: "pixel_values", Type: pixels()}},
			Outputs: []ir.Param{{Name: "features", Type: ir.T(ir.F32, images, width)}, {Name: "logits", Type: ir.T(ir.F32, images, classes)}},
		},
		Same: []Same{{Name: "all logits of an image shifted alike", Outputs: []string{"logits"}, Change: Shifted(1)}},
	}
	return []Scenario{plain}
}

func maskedAutoencoder() []Scenario {
	const patch, kept = 4, 1
	const patches = (seen / patch) * (seen / patch)
	return []Scenario{{
		Name: "images", Grain: images, Rows: plainImages, Random: true,
		Request: plugin.BindRequest{
			Role: "masked_autoencoder", Dims: map[string]int{"batch": images},
			Inputs: []ir.Param{
				{Name: "ids_keep", Type: ir.T(ir.I32, images, kept)}, {Name: "ids_restore", Type: ir.T(ir.I32, images, patches)}, {Name: "pixel_values", Type: pixels()},
			},
			Outputs: []ir.Param{{Name: "features", Type: ir.T(ir.F32, images, width)}, {Name: "prediction", Type: ir.T(ir.F32, images, patches, patch*patch*channels)}},
		},
		Free: []Free{{Name: "prediction of patches that are seen", Output: "prediction", Places: func(b Batch) (places []int, elements int) {
			for row := range images {
				for _, p := range b["ids_keep"][row*kept:][:kept] {
					places = append(places, row*patches+int(p))
				}
			}
			return places, patch * patch * channels
		}}},
	}}
}

func maskedPatches() []Scenario {
	const patch = 4
	const patches = (seen / patch) * (seen / patch)
	scenario := func(name string, size int, hidden func(b Batch, i int) bool) Scenario {
		return Scenario{
			Name: name, Grain: images, Rows: plainImages, Random: true,
			Request: plugin.BindRequest{
				Role: "masked_patches", Dims: map[string]int{"batch": images},
				Inputs: []ir.Param{{Name: "patch_sources", Type: ir.T(ir.I32, images, patches)}, {Name: "pixel_values", Type: pixels()}},
				Outputs: []ir.Param{
					{Name: "features", Type: ir.T(ir.F32, images, width)}, {Name: "prediction", Type: ir.T(ir.F32, images, patches, size)},
				},
			},
			Free: []Free{{Name: "prediction of patches that are not hidden", Output: "prediction", Places: func(b Batch) (places []int, elements int) {
				for i := range images * patches {
					if !hidden(b, i) {
						places = append(places, i)
					}
				}
				return places, size
			}}},
		}
	}
	colors := scenario("images, mean colors", 512, func(b Batch, i int) bool { return b["labels"][i] != -100 })
	colors.Same = []Same{{Name: "all logits of a patch shifted alike", Outputs: []string{"prediction"}, Change: Shifted(2)}}
	return []Scenario{colors, scenario("images, pixels", patch*patch*channels, func(b Batch, i int) bool { return b["hidden_patches"][i] == 1 })}
}

func dualEncoder() []Scenario {
	const length = sequence - 2
	captions := func(d *Draws, n int) map[string][]int32 {
		l := tokens(d, n*length)
		for r := range n {
			l[r*length+2+d.N(length-2)] = 0 // an end
		}
		return map[string][]int32{"tokens": l}
	}
	with := func(change func(d *Draws, l []int32)) func(d *Draws) arrow.Record {
		return func(d *Draws) arrow.Record {
			columns := captions(d, images)
			change(d, columns["tokens"])
			return pairs(d, images, length, columns["tokens"])
		}
	}
	embeds := ir.T(ir.F32, images, width)
	return []Scenario{{
		Name: "images and captions", Grain: images,
		Rows: func(d *Draws, n int) arrow.Record { return pairs(d, n, length, captions(d, n)["tokens"]) },
		Bad: map[string]func(d *Draws) arrow.Record{
			"a token above the vocabulary": with(func(d *Draws, l []int32) { l[d.N(len(l))] = vocab }),
			"a token below the vocabulary": with(func(d *Draws, l []int32) { l[d.N(len(l))] = -1 }),
			"a caption without an end": with(func(_ *Draws, l []int32) {
				for i := range length {
					l[i] = max(l[i], 4)
				}
			}),
		},
		Request: plugin.BindRequest{
			Role: "dual_encoder", Dims: map[string]int{"batch": images, "sequence": sequence},
			Inputs: []ir.Param{
				{Name: "input_ids", Type: ir.T(ir.I32, images, sequence)}, {Name: "pixel_values", Type: pixels()}, {Name: "text_positions", Type: ir.T(ir.I32, images)},
			},
			Outputs:    []ir.Param{{Name: "image_embeds", Type: embeds}, {Name: "logit_scale", Type: ir.T(ir.F32)}, {Name: "text_embeds", Type: embeds}},
			Properties: map[string]string{"end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
		},
		Same: []Same{{Name: "the pairs in another order", Outputs: []string{"image_embeds", "text_embeds"}, Change: Reordered(2, 0, 3, 1)}},
	}}
}

// pairs makes a record of images and of texts of some length.
func pairs(d *Draws, n, length int, texts []int32) arrow.Record {
	pictures := Images(d, n, stored, nil)
	defer pictures.Release()
	captions := Lists(n, map[string][]int32{"tokens": texts})
	defer captions.Release()
	schema := arrow.NewSchema(append(slices.Clone(pictures.Schema().Fields()), captions.Schema().Fields()...), nil)
	return array.NewRecord(schema, []arrow.Array{pictures.Column(0), captions.Column(0)}, int64(n))
}

func discreteVAE() []Scenario {
	const codes, side = 5, seen / 4
	logits := ir.T(ir.F32, images, codes, side, side)
	return []Scenario{{
		Name: "images", Grain: images, Rows: plainImages, Random: true,
		Request: plugin.BindRequest{
			Role: "discrete_vae", Dims: map[string]int{"batch": images}, Config: json.RawMessage(`{"temperature_steps": 50}`),
			Inputs:  []ir.Param{{Name: "gumbel", Type: logits}, {Name: "pixel_values", Type: pixels()}, {Name: "temperature", Type: ir.T(ir.F32)}},
			Outputs: []ir.Param{{Name: "code_logits", Type: logits}, {Name: "reconstruction", Type: ir.T(ir.F32, images, 2*channels, seen, seen)}},
		},
		Same: []Same{{Name: "all codes' logits at a place shifted alike", Outputs: []string{"code_logits"}, Change: Shifted(1)}},
	}}
}
