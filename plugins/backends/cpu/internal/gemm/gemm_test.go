package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// engine returns an engine for a path, and skips the test where the machine lacks it.
func engine(t testing.TB, path isa.Path, workers int) *Engine {
	if !path.Supported() {
		t.Skipf("this machine cannot run the %s kernels", path)
	}
	p, err := pool.New(workers)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	e, err := New(p, path)
	require.NoError(t, err)
	return e
}

// supply holds numbers of several kinds: among them are zeros of both signs, subnormals, and numbers whose products underflow. It is
// made once, since drawing operands anew would take longer than multiplying them. It repeats, but at a prime distance, so that no two
// rows or panels of an operand are the same.
var supply = sync.OnceValue(func() (kinds [4][]float32) {
	const period, length = 65521, 5 << 20
	r := rand.New(rand.NewPCG(9, 9))
	for kind := range kinds {
		x := make([]float32, length)
		for i := range period {
			v := float32(r.NormFloat64())
			switch {
			case kind == 1 && r.IntN(3) == 0:
				v = float32(math.Copysign(0, float64(v)))
			case kind == 2:
				v = math.Float32frombits(r.Uint32() & 0x80FFFFFF) // subnormal or hardly normal
			case kind == 3:
				v *= float32(math.Ldexp(1, -60-r.IntN(20)))
			}
			x[i] = v
		}
		for n := period; n < length; n *= 2 {
			copy(x[n:], x[:n])
		}
		kinds[kind] = x
	}
	return kinds
})

// numbers returns n finite numbers from a random place of the supply. They must not be written to.
func numbers(r *rand.Rand, n int) []float32 {
	x := supply()[r.IntN(4)]
	return x[r.IntN(len(x)-n+1):][:n:n]
}

// layout is how the operands of a case lie.
type layout struct {
	aT, bT           bool // transposed
	aGap, bGap, cGap int  // elements between rows
	aWide, bWide     int  // the other stride, 0 for 1
	packed, serial   bool
	aFill, bFill     bool // operands that are filled in
	offset           int  // of the first item, or of a packed B
	batchOf          int
}

func operand(r *rand.Rand, rows, cols int, transposed bool, gap, wide, offset int) Operand {
	if transposed {
		rows, cols = cols, rows
	}
	wide = max(wide, 1)
	o := Operand{RowStride: cols*wide + gap, ColStride: wide}
	o.Data = numbers(r, offset+rows*o.RowStride+1)
	if transposed {
		o.RowStride, o.ColStride = o.ColStride, o.RowStride
	}
	return o
}

// filled is an operand whose elements are copied from another.
func filled(e *Engine, from Operand, apart bool) Operand {
	return Operand{Fill: func(dst []float32, step, row, rows, col, cols int) {
		if !apart && from.ColStride == 1 {
			e.CopyRows(dst, step, from.Data[row*from.RowStride+col:], from.RowStride, rows, cols)
			return
		}
		for r := range rows {
			for c := range cols {
				dst[r*step+c] = from.Data[(row+r)*from.RowStride+(col+c)*from.ColStride]
			}
		}
	}}
}

// reference computes one element by the executable specification.
func reference(p *Problem, o Offsets, i, j int) float32 {
	var d numerics.DotAcc
	for k := range p.K {
		d.Add(p.A.Data[o.A+i*p.A.RowStride+k*p.A.ColStride], p.B.Data[o.B+k*p.B.RowStride+j*p.B.ColStride])
	}
	return d.Sum()
}

const untouched = 12345.5

// verify runs a product and compares it with the reference, bit for bit, at up to limit elements of each item.
func verify(t *testing.T, e *Engine, r *rand.Rand, m, n, k int, l layout, limit int) {
	t.Helper()
	p := &Problem{M: m, N: n, K: k, CRow: n + l.cGap}
	p.A = operand(r, m, k, l.aT, l.aGap, l.aWide, l.offset)
	p.B = operand(r, k, n, l.bT, l.bGap, l.bWide, l.offset)
	if l.packed {
		p.B.Data = p.B.Data[l.offset:]
		l.offset, l.batchOf = 0, 0 // PackedB serves single products, which have no offsets
	}
	items := max(l.batchOf, 1)
	size := m*p.CRow + 1
	p.C = make([]float32, items*size+l.offset)
	for i := range p.C {
		p.C[i] = untouched
	}
	o := Offsets{l.offset, l.offset, l.offset}
	if l.batchOf > 0 || l.offset > 0 {
		for i := range items {
			p.Batch = append(p.Batch, Offsets{o.A, o.B, o.C + i*size})
		}
	}
	if l.packed {
		var err error
		p.PackedB, err = e.PackB(k, n, p.B, nil)
		require.NoError(t, err)
	}
	q := *p
	if l.aFill {
		q.A = filled(e, p.A, l.aT)
	}
	if l.bFill {
		q.B = filled(e, p.B, false)
	}
	var mu sync.Mutex
	covered := map[[3]int]int{}
	q.Epilogue = func(tile Tile) {
		for i := tile.Row0; i < tile.Row1; i++ {
			for j := tile.Col0; j < tile.Col1; j++ {
				at := o.C + tile.Item*size + i*p.CRow + j
				p.C[at] = -p.C[at] // negated once: final when called, called once
			}
		}
		mu.Lock()
		defer mu.Unlock()
		covered[[3]int{tile.Item, tile.Row0, tile.Col0}]++
	}
	run := func() error {
		if l.serial {
			return e.RunOn(e.pool.Workers()-1, &q)
		}
		return e.Run(&q)
	}
	require.NoError(t, run())
	for tile, n := range covered {
		require.Equal(t, 1, n, "tile %v", tile)
	}
	written := make([]bool, len(p.C))
	for item := range items {
		off := o
		off.C += item * size
		every := max(1, m*n/limit)
		at := 0
		for i := range m {
			for j := range n {
				written[off.C+i*p.CRow+j] = true
				if at++; at%every != 0 && at != m*n && at != 1 {
					continue
				}
				want, got := -reference(p, off, i, j), p.C[off.C+i*p.CRow+j]
				if math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("%s %dx%dx%d %+v: C[%d, %d] = %x, want %x", e.path, m, n, k, l, i, j, got, want)
				}
			}
		}
	}
	for i, v := range p.C {
		if !written[i] && v != untouched {
			t.Fatalf("%s %dx%dx%d %+v: wrote outside C at %d", e.path, m, n, k, l, i)
		}
	}
}

func eachPath(t *testing.T, test func(t *testing.T, path isa.Path)) {
	for _, path := range isa.Paths() {
		t.Run(path.String(), func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// Every size around the kernels' own, every way an operand can lie, both ways to run.
func TestSmallShapes(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		e := engine(t, path, 2)
		r := rand.New(rand.NewPCG(1, 2))
		sizes := []int{0, 1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 28, 31, 32, 33, 47, 64, 65}
		pick := func() int { return sizes[r.IntN(len(sizes))] }
		for range 1500 {
			l := layout{aT: r.IntN(2) == 0, bT: r.IntN(2) == 0, aGap: r.IntN(3), bGap: r.IntN(3), cGap: r.IntN(3),
				packed: r.IntN(4) == 0, serial: r.IntN(3) == 0, offset: r.IntN(2) * r.IntN(9), batchOf: r.IntN(2) * r.IntN(5)}
			if r.IntN(4) == 0 {
				l.aWide, l.bWide = 1+r.IntN(3), 1+r.IntN(3)
			}
			verify(t, e, r, pick(), pick(), pick(), l, math.MaxInt)
		}
	})
}

// Chunks and super-chunks begin and end where rule 5 says.
func TestDepths(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		e := engine(t, path, 3)
		r := rand.New(rand.NewPCG(3, 4))
		for _, k := range []int{511, 512, 513, 1023, 1024, 1025, 8191, 8192, 8193, 8704, 16384, 16385, 24576, 24577, 40000, 65536, 65537} {
			for _, l := range []layout{{}, {aT: true}, {bT: true}, {packed: true}, {serial: true, aT: true, bT: true}, {bWide: 2}} {
				for _, m := range []int{1, 3, e.mr + 1} {
					verify(t, e, r, m, e.nr+1, k, l, 12)
				}
			}
		}
	})
}

// Products of several tiles, and of several blocks, by any number of workers.
func TestTilesAndBlocks(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		for workers := 1; workers <= 3; workers++ {
			e := engine(t, path, workers)
			for _, l := range append(e.lanes, e.shared) {
				l.limits = limits{a: 20000, b: 30000, part: 100000, partials: 130}
			}
			r := rand.New(rand.NewPCG(5, uint64(workers)))
			for _, s := range [][3]int{{120, 160, 70}, {97, 70, 600}, {150, 40, 513}, {19, 65, 8200}, {120, 60, 1300}, {30, 50, 17000}, {2, 2100, 520}, {3, 260, 8200}, {1, 200, 16400}} {
				for _, l := range []layout{{}, {aT: true}, {bT: true, cGap: 5}, {packed: true}, {packed: true, serial: true, offset: 1}, {serial: true, aT: true}, {batchOf: 2, aT: true, offset: 3}} {
					verify(t, e, r, s[0], s[1], s[2], l, 60)
				}
			}
		}
	})
}

// Rows of A that lie a multiple of 4096 bytes apart are copied apart, and those whose elements lie apart together, chunk by chunk of k.
func TestCopiesOfA(t *testing.T) {
	assert.True(t, crowded(1024, 8))
	assert.True(t, crowded(5120, 14))
	assert.True(t, crowded(1026, 14), "a few bytes more stay within the line")
	assert.False(t, crowded(1024, 7))
	assert.False(t, crowded(512, 14))
	assert.False(t, crowded(1040, 14))
	eachPath(t, func(t *testing.T, path isa.Path) {
		for workers := 1; workers <= 3; workers++ {
			e := engine(t, path, workers)
			for _, l := range append(e.lanes, e.shared) {
				l.limits = limits{a: 20000, b: 30000, partials: 2000}
			}
			r := rand.New(rand.NewPCG(10, uint64(workers)))
			for _, s := range [][3]int{{33, 130, 70}, {29, 131, 1000}, {30, 128, 8200}} {
				gap := roundUp(s[2], 1024) - s[2]
				for _, l := range []layout{{aGap: gap}, {aGap: gap, packed: true}, {aGap: gap, serial: true}, {aGap: gap, batchOf: 2, offset: 5}, {aT: true}, {aT: true, aWide: 2}, {aWide: 3}} {
					verify(t, e, r, s[0], s[1], s[2], l, 60)
					if !l.serial && l.batchOf == 0 {
						assert.True(t, e.shared.copiesA)
					}
				}
			}
		}
	})
}

// Operands that are filled in, by every way through a product: tiles of the usual shape and tall ones, long products and short.
func TestOperandsThatAreFilledIn(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		for workers := 1; workers <= 2; workers++ {
			e := engine(t, path, workers)
			r := rand.New(rand.NewPCG(11, uint64(workers)))
			for _, s := range [][3]int{{1, 40, 30}, {7, 33, 513}, {100, 300, 70}, {130, 150, 1030}, {300, 50, 520}, {150, 40, 8200}} {
				for _, l := range []layout{{aFill: true}, {aFill: true, bT: true}, {aFill: true, packed: true}, {bFill: true}, {aT: true, bFill: true}, {aFill: true, bFill: true, serial: true}, {aT: true, bFill: true, bT: true, cGap: 3}} {
					verify(t, e, r, s[0], s[1], s[2], l, 12)
				}
			}
		}
	})
}

// Products whose super-chunks are shared out.
func TestLongProducts(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		for workers := 1; workers <= 3; workers++ {
			e := engine(t, path, workers)
			r := rand.New(rand.NewPCG(12, uint64(workers)))
			for _, s := range [][3]int{{5, 1, 8193}, {134, 66, 8200}, {9, 40, 24600}} {
				for _, l := range []layout{{aT: true}, {aT: true, bFill: true}, {bT: true, cGap: 7}, {aT: true, offset: 3}} {
					verify(t, e, r, s[0], s[1], s[2], l, 6)
					if e.long.sums == nil {
						require.Equal(t, 1, workers)
					}
				}
			}
		}
	})
}

func TestBatchesOfSmallProducts(t *testing.T) {
	eachPath(t, func(t *testing.T, path isa.Path) {
		for workers := 1; workers <= 3; workers++ {
			e := engine(t, path, workers)
			r := rand.New(rand.NewPCG(6, uint64(workers)))
			for _, s := range [][3]int{{40, 64, 33}, {64, 33, 40}, {150, 150, 16}, {1, 64, 50}} {
				for _, items := range []int{1, 5, 24} {
					verify(t, e, r, s[0], s[1], s[2], layout{batchOf: items, bT: true}, 200)
					verify(t, e, r, s[0], s[1], s[2], layout{batchOf: items, aT: true}, 200)
				}
			}
		}
	})
}

// Only the class of a result must agree where an operand is not finite.
func TestNonFinite(t *testing.T) {
	class := func(x float32) string {
		switch v := float64(x); {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			return fmt.Sprint(v)
		}
		return "finite"
	}
	eachPath(t, func(t *testing.T, path isa.Path) {
		e := engine(t, path, 2)
		r := rand.New(rand.NewPCG(7, 7))
		seen := map[string]int{}
		for range 100 {
			p := &Problem{M: 1 + r.IntN(20), N: 1 + r.IntN(40), K: 1 + r.IntN(600)}
			p.A, p.B = operand(r, p.M, p.K, false, 0, 0, 0), operand(r, p.K, p.N, r.IntN(2) == 0, 0, 0, 0)
			p.A.Data, p.B.Data = slices.Clone(p.A.Data), slices.Clone(p.B.Data)
			p.C, p.CRow = make([]float32, p.M*p.N), p.N
			for range 5 {
				bad := []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32}[r.IntN(4)]
				x := p.A.Data
				if r.IntN(2) == 0 {
					x = p.B.Data
				}
				x[r.IntN(len(x))] = bad
			}
			require.NoError(t, e.Run(p))
			for i := range p.C {
				want := class(reference(p, Offsets{}, i/p.N, i%p.N))
				seen[want]++
				require.Equal(t, want, class(p.C[i]))
			}
		}
		assert.Len(t, seen, 4)
	})
}

func TestBadProblems(t *testing.T) {
	e := engine(t, isa.Portable, 2)
	x := func(n int) []float32 { return make([]float32, n) }
	good := func() *Problem {
		return &Problem{M: 2, N: 3, K: 4, A: Operand{Data: x(8), RowStride: 4, ColStride: 1}, B: Operand{Data: x(12), RowStride: 3, ColStride: 1}, C: x(6), CRow: 3}
	}
	require.NoError(t, e.Run(good()))
	empty := good() // operands without elements may lie anywhere
	empty.K, empty.Batch = 0, []Offsets{{A: 1000, B: 1000}}
	empty.A.RowStride, empty.C[5] = math.MaxInt/2, 1
	require.NoError(t, e.Run(empty))
	assert.Equal(t, x(6), empty.C)
	packed, err := e.PackB(4, 3, good().B, nil)
	require.NoError(t, err)
	other := *packed
	other.path = isa.AVX512
	for name, c := range map[string]struct {
		change func(p *Problem)
		err    string
	}{
		"negative size":      {func(p *Problem) { p.M = -1 }, "gemm: sizes M=-1 N=3 K=4; none may be negative"},
		"short A":            {func(p *Problem) { p.A.Data = x(7) }, "gemm: A is 2x4 at offset 0 with strides 4 and 1, which does not fit in its slice of 7 elements (item 0)"},
		"no A":               {func(p *Problem) { p.A.Data = nil }, "gemm: A is 2x4 at offset 0 with strides 4 and 1, which does not fit in its slice of 0 elements (item 0)"},
		"short B":            {func(p *Problem) { p.B.RowStride = 4 }, "gemm: B is 4x3 at offset 0 with strides 4 and 1, which does not fit in its slice of 12 elements (item 0)"},
		"short C":            {func(p *Problem) { p.C = x(5) }, "gemm: C is 2x3 at offset 0 with strides 3 and 1, which does not fit in its slice of 5 elements (item 0)"},
		"negative stride":    {func(p *Problem) { p.A.ColStride = -1 }, "gemm: A has offset 0, row stride 4, column stride -1; none may be negative (item 0)"},
		"overlapping rows":   {func(p *Problem) { p.CRow = 2 }, "gemm: rows of C are 2 elements apart but N is 3; they would overlap"},
		"stride overflows":   {func(p *Problem) { p.B.RowStride = math.MaxInt }, fmt.Sprintf("gemm: B is 4x3 at offset 0 with strides %d and 1, which does not fit in its slice of 12 elements (item 0)", math.MaxInt)},
		"size overflows":     {func(p *Problem) { p.K = math.MaxInt }, fmt.Sprintf("gemm: A is 2x%d at offset 0 with strides 4 and 1, which does not fit in its slice of 8 elements (item 0)", math.MaxInt)},
		"batch out of range": {func(p *Problem) { p.Batch = []Offsets{{}, {B: 1}} }, "gemm: B is 4x3 at offset 1 with strides 3 and 1, which does not fit in its slice of 12 elements (item 1)"},
		"negative offset":    {func(p *Problem) { p.Batch = []Offsets{{C: -1}} }, "gemm: C has offset -1, row stride 3, column stride 1; none may be negative (item 0)"},
		"packed otherwise":   {func(p *Problem) { p.PackedB, p.N, p.CRow, p.C = packed, 4, 4, x(8) }, "gemm: B was packed as [4, 3]; this product needs [4, 4] from row 0"},
		"packed elsewhere":   {func(p *Problem) { p.PackedB = &other }, "gemm: B was packed for avx512; this engine runs portable"},
		"packed batch":       {func(p *Problem) { p.PackedB, p.Batch = packed, []Offsets{{}} }, "gemm: a packed B serves single products; this is a batch of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := good()
			c.change(p)
			require.EqualError(t, e.Run(p), c.err)
			require.EqualError(t, e.RunOn(0, p), c.err)
		})
	}
	assert.EqualError(t, e.RunOn(2, good()), "gemm: worker 2 of 2")
	_, err = e.PackB(4, 4, good().B, nil)
	assert.EqualError(t, err, "gemm: B is 4x4 at offset 0 with strides 3 and 1, which does not fit in its slice of 12 elements")
	_, err = e.PackB(-1, 4, good().B, nil)
	assert.EqualError(t, err, "gemm: sizes K=-1 N=4; none may be negative")
	_, err = e.PackB(1<<20, 1<<20, Operand{Data: x(1)}, nil)
	assert.EqualError(t, err, "gemm: B of 1048576x1048576 takes more than the 8589934592 elements that can be packed")
}

func TestPanicInEpilogueIsAnError(t *testing.T) {
	e := engine(t, isa.Portable, 2)
	p := &Problem{M: 8, N: 8, K: 8, A: Operand{Data: make([]float32, 64), RowStride: 8, ColStride: 1}, B: Operand{Data: make([]float32, 64), RowStride: 8, ColStride: 1}, C: make([]float32, 64), CRow: 8}
	p.Epilogue = func(Tile) { panic("epilogue") }
	assert.ErrorContains(t, e.Run(p), "panicked: epilogue")
	p.Epilogue = nil
	assert.NoError(t, e.Run(p))
}

func TestUnsupportedPath(t *testing.T) {
	p, err := pool.New(1)
	require.NoError(t, err)
	defer p.Close()
	_, err = New(p, isa.Path(77))
	assert.EqualError(t, err, "gemm: this machine cannot run the Path(77) kernels")
}

func TestNothingIsAllocated(t *testing.T) {
	for _, path := range isa.Paths() { // one after the other: AllocsPerRun counts everybody's
		if !path.Supported() {
			continue
		}
		e := engine(t, path, 2)
		r := rand.New(rand.NewPCG(8, 8))
		for name, s := range map[string]struct {
			m, n, k int
			l       layout
		}{
			"plain": {30, 40, 50, layout{}}, "packed A": {30, 40, 50, layout{aT: true}}, "deep": {9, 20, 17000, layout{}},
			"stream": {1, 200, 9000, layout{}}, "stream in chunks": {2, 200, 3000, layout{}}, "stream transposed": {2, 50, 600, layout{bT: true}},
		} {
			t.Run(path.String()+"/"+name, func(t *testing.T) {
				p := &Problem{M: s.m, N: s.n, K: s.k, A: operand(r, s.m, s.k, s.l.aT, 0, 0, 0), B: operand(r, s.k, s.n, s.l.bT, 0, 0, 0),
					C: make([]float32, s.m*s.n), CRow: s.n}
				require.NoError(t, e.Run(p))
				require.NoError(t, e.RunOn(0, p))
				assert.Zero(t, testing.AllocsPerRun(3, func() { _ = e.Run(p) }), "Run")
				assert.Zero(t, testing.AllocsPerRun(3, func() { _ = e.RunOn(0, p) }), "RunOn")
			})
		}
	}
}
