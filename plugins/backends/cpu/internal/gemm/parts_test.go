package gemm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Chunks of k that are added to C one after the other, each from rows and columns of one packed B, give the bits of the whole.
func TestChunksAddUpToTheWhole(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		e := engine(t, path, 2)
		r := rand.New(rand.NewPCG(4, 2))
		for _, m := range []int{1, 3, 7, 100} {
			for _, n := range []int{1, 16, 33} {
				for _, k := range []int{0, 5, 300, 512, 600, 1100} {
					const skip, more = 3, 5
					a := operand(r, m, k, n == 16, 0, 0, 0)
					b := operand(r, skip+k, n+more, false, 0, 0, 0)
					packed, err := e.PackBOn(1, skip+k, n+more, b, nil)
					require.NoError(t, err)
					whole := &Problem{M: m, N: n, K: k, A: a, B: b, C: make([]float32, m*n), CRow: n}
					whole.B.Data = b.Data[skip*b.RowStride:]
					require.NoError(t, e.Run(whole))
					c := make([]float32, m*n)
					for i := range c {
						c[i] = untouched // the first chunk does not add
					}
					for k0 := 0; k0 == 0 || k0 < k; k0 += numerics.ChunkK {
						p := &Problem{M: m, N: n, K: min(numerics.ChunkK, k-k0), A: a, PackedB: packed, Row0: skip + k0, C: c, CRow: n, Accumulate: k0 > 0}
						p.A.Data = a.Data[k0*a.ColStride:]
						require.NoError(t, e.RunOn(1, p))
					}
					for i, want := range whole.C {
						require.Equal(t, math.Float32bits(want), math.Float32bits(c[i]), "%dx%dx%d: element %d", m, n, k, i)
					}
					// Nothing added is nothing changed.
					require.NoError(t, e.RunOn(0, &Problem{M: m, N: n, A: a, PackedB: packed, C: c, CRow: n, Accumulate: true}))
					require.Equal(t, math.Float32bits(whole.C[0]), math.Float32bits(c[0]))
				}
			}
		}
	})
}

func TestBadParts(t *testing.T) {
	e := engine(t, isa.Portable, 1)
	x := make([]float32, 100)
	b := Operand{Data: x, RowStride: 5, ColStride: 1}
	packed, err := e.PackBOn(0, 4, 5, b, nil)
	require.NoError(t, err)
	p := Problem{M: 1, N: 5, K: 3, A: Operand{Data: x, RowStride: 3, ColStride: 1}, C: x, CRow: 5, PackedB: packed, Row0: 2}
	assert.EqualError(t, e.Run(&p), "gemm: B was packed as [4, 5]; this product needs [3, 5] from row 2")
	p.Row0 = -1
	assert.ErrorContains(t, e.Run(&p), "from row -1")
	p.Row0 = math.MaxInt
	assert.ErrorContains(t, e.Run(&p), "from row")
	p = Problem{M: 1, N: 1, K: numerics.SuperChunkK + 1, A: Operand{Data: x}, B: Operand{Data: x}, C: x, CRow: 1, Accumulate: true}
	assert.ErrorContains(t, e.Run(&p), "can be added to C at a time")
	_, err = e.PackBOn(1, 4, 5, b, nil)
	assert.EqualError(t, err, "gemm: worker 1 of 1")
}

// A worker that meets pieces of operands which another has begun to pack, and never finishes, packs its own: the bits are the same, and
// nothing waits.
func TestPiecesThatOthersPack(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		e := engine(t, path, 3)
		r := rand.New(rand.NewPCG(7, 7))
		each := e.shared.each
		for _, s := range []struct{ m, n, k int }{{250, 300, 1100}, {5, 40, 513}, {130, 17, 512}} {
			for _, transposed := range []bool{false, true} {
				p := &Problem{M: s.m, N: s.n, K: s.k, C: make([]float32, s.m*s.n), CRow: s.n}
				p.A, p.B = operand(r, s.m, s.k, true, 0, 0, 0), operand(r, s.k, s.n, transposed, 0, 0, 0)
				e.shared.each = each
				require.NoError(t, e.Run(p))
				want := slices.Clone(p.C)
				for _, every := range []int{1, 2, 3} {
					clear(p.C)
					begun := 0
					e.shared.each = func(n int, body func(worker, i int)) error {
						for _, pieces := range []piecesOf{e.shared.aPieces, e.shared.bPieces} {
							for i := range pieces.state {
								if i%every == 0 {
									pieces.state[i].Store(taken)
									begun++
								}
							}
						}
						return each(n, body)
					}
					require.NoError(t, e.Run(p))
					require.Positive(t, begun)
					for i := range want {
						require.Equal(t, math.Float32bits(want[i]), math.Float32bits(p.C[i]), "%v, every %d: element %d", s, every, i)
					}
				}
			}
		}
	})
}
