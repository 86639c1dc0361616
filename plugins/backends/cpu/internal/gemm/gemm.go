package gemm

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pages"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pool"
)

// Engine multiplies matrices on a pool's workers. It keeps its buffers, so that products of shapes it has met allocate nothing.
type Engine struct {
	pool *pool.Pool
	path isa.Path
	*kernels

	mu      sync.Mutex // held by Run
	shared  *lane      // Run's: loops over the pool
	lanes   []*lane    // RunOn's: one a worker, loops by itself
	scratch []*scratch // by worker

	batch    *Problem // that the workers share out
	itemBody func(worker, item int)
	long     long
	errs     []error // by worker, of what they compute by themselves
}

// New returns an engine whose kernels are those of path. It is an error if this machine cannot run them, or computes in
// modes that the Exact profile does not allow.
func New(p *pool.Pool, path isa.Path) (*Engine, error) {
	if !path.Supported() {
		return nil, fmt.Errorf("gemm: this machine cannot run the %s kernels", path)
	}
	if err := isa.CheckModes(); err != nil {
		return nil, err
	}
	e := &Engine{pool: p, path: path, kernels: kernelsFor(path)}
	e.shared = newLane(e, e.pool.For, sharedLimits)
	for w := range p.Workers() {
		serial := func(n int, body func(worker, i int)) error {
			for i := range n {
				body(w, i)
			}
			return nil
		}
		e.lanes = append(e.lanes, newLane(e, serial, serialLimits))
		e.scratch = append(e.scratch, newScratch(e))
	}
	e.errs = make([]error, p.Workers())
	e.long.init(e)
	e.itemBody = func(w, item int) { e.alone(w, e.batch, item) }
	return e, nil
}

// alone has a worker compute an item in a loop of share.
func (e *Engine) alone(worker int, p *Problem, item int) {
	e.errs[worker] = cmp.Or(e.errs[worker], e.lanes[worker].run(p, item))
}

// share calls body for each i in [0, n) on all workers and returns the first worker's first error.
func (e *Engine) share(n int, body func(worker, i int)) error {
	clear(e.errs)
	return cmp.Or(e.pool.For(n, body), cmp.Or(e.errs...))
}

// scratch is a worker's own memory.
type scratch struct {
	t    tileArgs  // here because it escapes
	a    []float32 // a tile's rows, while another worker copies them
	edge []float32 // a tile of a column panel that is cut off
	sums []float32 // of the chunks so far, by column panel
	stream
}

func newScratch(e *Engine) *scratch {
	sums := max(e.tileRows()*roundUp(tileCols, e.nr), e.tallRows()*roundUp(tallCols, e.nr))
	return &scratch{edge: aligned(e.tallRows() * e.nr), sums: aligned(sums), stream: newStream(e.nr)}
}

// Path returns the kernels in use.
func (e *Engine) Path() isa.Path { return e.path }

// Run computes p with all workers. It fails, having written nothing, if a matrix does not fit in its slice; otherwise only a panic in
// the epilogue can make it fail. One product runs at a time. It must not be called within a loop of the engine's pool: RunOn is for that.
func (e *Engine) Run(p *Problem) error {
	if err := p.check(e); err != nil {
		return err
	}
	if p.M == 0 || p.N == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.long.suits(p) {
		return e.long.run(p)
	}
	items := len(p.items())
	if e.shareOut(p, items) {
		e.batch = p
		defer func() { e.batch = nil }()
		return e.share(items, e.itemBody)
	}
	for item := range items {
		if err := e.shared.run(p, item); err != nil {
			return err
		}
	}
	return nil
}

// shareOut says whether each item of a batch should be one worker's.
func (e *Engine) shareOut(p *Problem, items int) bool {
	workers := e.pool.Workers()
	rounds := (items + workers - 1) / workers
	balanced := 20*items >= 19*rounds*workers // 5 % idle at most
	const trifle = 1 << 18                    // multiply-adds that are not worth sharing
	return items > 1 && (balanced || p.M*p.N*p.K < trifle) && p.K*p.N <= serialLimits.b && p.K <= numerics.SuperChunkK
}

// RunOn computes p on the calling goroutine, for callers that run within a loop of the engine's pool: worker is the index they run
// as. Its errors are those of Run; a panic in the epilogue passes through to the loop.
func (e *Engine) RunOn(worker int, p *Problem) error {
	if worker < 0 || worker >= len(e.lanes) {
		return fmt.Errorf("gemm: worker %d of %d", worker, len(e.lanes))
	}
	if err := p.check(e); err != nil {
		return err
	}
	if p.M == 0 || p.N == 0 {
		return nil
	}
	for item := range p.items() {
		if err := e.lanes[worker].run(p, item); err != nil {
			return err
		}
	}
	return nil
}

// PackedB is a matrix B in the order in which the kernels of one path read it. It takes K * N floats, N rounded up to a panel.
type PackedB struct {
	path isa.Path
	k, n int
	data []float32
}

// PackB packs b [k, n] for use by any number of products, into reuse's memory if that is not nil and large enough.
func (e *Engine) PackB(k, n int, b Operand, reuse *PackedB) (*PackedB, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shared.packB(k, n, b, reuse)
}

// PackBOn is PackB on the calling goroutine, as RunOn is Run.
func (e *Engine) PackBOn(worker, k, n int, b Operand, reuse *PackedB) (*PackedB, error) {
	if worker < 0 || worker >= len(e.lanes) {
		return nil, fmt.Errorf("gemm: worker %d of %d", worker, len(e.lanes))
	}
	return e.lanes[worker].packB(k, n, b, reuse)
}

func (l *lane) packB(k, n int, b Operand, reuse *PackedB) (*PackedB, error) {
	e := l.e
	if k < 0 || n < 0 {
		return nil, fmt.Errorf("gemm: sizes K=%d N=%d; none may be negative", k, n)
	}
	if b.Fill != nil {
		return nil, errors.New("gemm: an operand that is filled in is not packed as a whole")
	}
	if err := b.inside("B", 0, k, n); err != nil {
		return nil, err
	}
	if reuse == nil {
		reuse = &PackedB{}
	}
	if k == 0 || n == 0 {
		reuse.path, reuse.k, reuse.n = e.path, k, n
		return reuse, nil
	}
	// Strides of zero let a small slice hold a matrix of any size.
	if over, floats := bits.Mul64(uint64(roundUp(n, e.nr)), uint64(k)); over != 0 || floats > maxPacked {
		return nil, fmt.Errorf("gemm: B of %dx%d takes more than the %d elements that can be packed", k, n, maxPacked)
	}
	reuse.data = grow(reuse.data, roundUp(n, e.nr)*k)
	reuse.path, reuse.k, reuse.n = e.path, k, n
	if err := l.packAll(reuse, b); err != nil {
		return nil, err
	}
	return reuse, nil
}

const maxPacked uint64 = 1 << 33 // elements: 32 GiB

const (
	cacheLine = 64            // bytes
	perLine   = cacheLine / 4 // elements
)

const (
	hugePage = 2 << 20      // bytes
	perHuge  = hugePage / 4 // elements
)

// aligned returns n zeros that begin on a cache line, and on a huge page if they fill one.
func aligned(n int) []float32 {
	unit := perLine
	if n >= perHuge {
		unit = perHuge
	}
	x := make([]float32, n+unit)
	skip := -int(uintptr(unsafe.Pointer(&x[0]))/4) & (unit - 1)
	x = x[skip:][:n:n]
	if len(x) > 0 {
		pages.Advise(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x)))
	}
	return x
}

// grow returns n aligned elements, x's if it has as many.
func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		return aligned(n)
	}
	return x[:n]
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// Even cuts n into as few parts as may have most elements each, and returns the size of all but the last: about the same, and a multiple of
// unit.
func Even(n, most, unit int) int {
	parts := max((n+most-1)/most, 1)
	return roundUp((n+parts-1)/parts, unit)
}
