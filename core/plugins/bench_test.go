package plugins

import (
	"context"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// BenchmarkExecute is the round trip of a run that computes next to nothing:
// queued and waited for one by one, and 64 at a time.
func BenchmarkExecute(b *testing.B) {
	ctx := context.Background()
	d := start(b, "backend", Options{}).Device()
	f, err := d.Compile(ctx, function(b, "f", 1), []string{"sum", "difference"})
	require.NoError(b, err)
	x := floats(1, func(int) float32 { return 1 })
	for _, depth := range []int{1, 64} {
		b.Run(fmt.Sprintf("queued=%d", depth), func(b *testing.B) {
			var waiting []func() error
			for b.Loop() {
				r, err := f.Queue(ctx, []plugin.Argument{{Data: x}, {Data: x}})
				require.NoError(b, err)
				waiting = append(waiting, func() error { _, err := r.Wait(ctx); return err })
				if len(waiting) == depth {
					for _, wait := range waiting {
						require.NoError(b, wait())
					}
					waiting = waiting[:0]
				}
			}
			for _, wait := range waiting {
				require.NoError(b, wait())
			}
		})
	}
}

// BenchmarkTransform makes a batch of 8 rows of 1025 tokens.
func BenchmarkTransform(b *testing.B) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "tokens", Type: arrow.FixedSizeListOfNonNullable(1025, arrow.PrimitiveTypes.Int32)}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	list := builder.Field(0).(*array.FixedSizeListBuilder)
	for range 8 {
		list.Append(true)
		for i := range 1025 {
			list.ValueBuilder().(*array.Int32Builder).Append(int32(i))
		}
	}
	rows := builder.NewRecord()
	for plane, memory := range planes(b) {
		b.Run(plane, func(b *testing.B) {
			p := start(b, "tokens", Options{Memory: memory})
			binding := bind(b, p, schema)
			fields, release := memory.NewFields(binding.Batch())
			defer release()
			for b.Loop() {
				require.NoError(b, binding.Transform(context.Background(), rows, plugin.Position{}, fields))
			}
		})
	}
}

// BenchmarkTransfer moves 16 MiB to a backend and back.
func BenchmarkTransfer(b *testing.B) {
	ctx := context.Background()
	data := make([]byte, 16<<20)
	t := ir.T(ir.U8, len(data))
	for plane, memory := range planes(b) {
		d := start(b, "backend", Options{Memory: memory}).Device()
		b.Run("upload/"+plane, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				x, err := d.Upload(ctx, t, data)
				require.NoError(b, err)
				x.Release()
			}
		})
		x, err := d.Upload(ctx, t, data)
		require.NoError(b, err)
		b.Run("download/"+plane, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				require.NoError(b, x.Download(ctx, data))
			}
		})
	}
}

// tokensObjective copies tokens to inputs and labels, as objectives of language
// models do.
type tokensObjective struct{ testObjective }

func (o tokensObjective) Bind(ctx context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b, err := o.testObjective.Bind(ctx, r)
	return tokensBinding{b.(testBinding)}, err
}

type tokensBinding struct{ testBinding }

func (tokensBinding) Batch() []ir.Param {
	return []ir.Param{{Name: "input_ids", Type: ir.T(ir.I32, 8, 1024)}, {Name: "labels", Type: ir.T(ir.I32, 8, 1024)}}
}

func (tokensBinding) Transform(_ context.Context, rows arrow.Record, _ plugin.Position, fields [][]byte) error {
	all := arrow.Int32Traits.CastToBytes(rows.Column(0).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values())
	for r := range 8 {
		copy(fields[0][4096*r:], all[4100*r:4100*r+4096])
		copy(fields[1][4096*r:], all[4100*r+4:4100*r+4100])
	}
	return nil
}
