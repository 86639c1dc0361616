package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/stretchr/testify/require"
)

// BenchmarkCube multiplies square matrices on one core. It reports GFLOP/s, and as percentages of the peak of fused multiply-adds
// that isa measures (before and after, whichever is higher) the mean and the fastest run: on a machine that others use too, only
// the latter says much of the code.
func BenchmarkCube(b *testing.B) {
	for _, path := range isa.Paths()[1:] {
		for _, n := range []int{256, 512, 1024} {
			for _, l := range []struct {
				name string
				layout
			}{{"AB", layout{}}, {"ATB", layout{aT: true}}, {"ABT", layout{bT: true}}, {"packed", layout{packed: true}}} {
				b.Run(fmt.Sprintf("%s/%d/%s", path, n, l.name), func(b *testing.B) {
					e := engine(b, path, 1)
					r := rand.New(rand.NewPCG(1, 1))
					p := &Problem{M: n, N: n, K: n, CRow: n, C: make([]float32, n*n)}
					p.A, p.B = dense(r, n, l.aT), dense(r, n, l.bT)
					if l.packed {
						var err error
						p.PackedB, err = e.PackB(n, n, p.B, nil)
						require.NoError(b, err)
					}
					require.NoError(b, e.Run(p))
					peak := isa.Peak(path, 1)
					best := time.Duration(math.MaxInt64)
					for b.Loop() {
						start := time.Now()
						if err := e.Run(p); err != nil {
							b.Fatal(err)
						}
						best = min(best, time.Since(start))
					}
					peak = max(peak, isa.Peak(path, 1))
					flops := 2 * float64(n) * float64(n) * float64(n)
					mean := flops * float64(b.N) / float64(b.Elapsed().Nanoseconds())
					b.ReportMetric(mean, "GFLOP/s")
					b.ReportMetric(100*mean/peak, "%peak")
					b.ReportMetric(100*flops/float64(best.Nanoseconds())/peak, "best%peak")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// dense returns a square operand of normal numbers: others may take longer.
func dense(r *rand.Rand, n int, transposed bool) Operand {
	o := Operand{Data: aligned(n * n), RowStride: n, ColStride: 1}
	if transposed {
		o.RowStride, o.ColStride = 1, n
	}
	for i := range o.Data {
		o.Data[i] = float32(r.NormFloat64())
	}
	return o
}
