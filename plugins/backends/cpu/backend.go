package cpu

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pages"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/pool"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Options choose what a backend computes with. They change its speed alone, never a bit of what it computes.
type Options struct {
	// Threads is the number of workers; 0 means one for each processor that the process may use.
	Threads int
	// Path is the instruction set: portable, avx2, avx512 or neon; empty means the best that the machine has. The environment
	// variable SEEDBED_CPU, where set, wins.
	Path string
}

// vecMu keeps the choice of vec's kernels, which is the process's, away from runs of any backend.
var vecMu sync.RWMutex

// Backend is a processor. It implements plugin.Backend.
type Backend struct {
	pool   *pool.Pool
	gemm   *gemm.Engine
	path   isa.Path
	pages  pages.Allocator
	arena  []byte     // intermediates; executables share it
	heads  []headWork // by worker
	closed bool
	stats  counts

	recorder recorder
}

var _ plugin.Backend = (*Backend)(nil)

// New starts a backend. An instruction set that is unknown or that the machine lacks is an error, and so are negative
// Threads. The kernels of package vec belong to the process: where backends of different paths live in one process, all
// use those of the latest. Close ends the workers.
func New(o Options) (*Backend, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, errors.New("cpu: this machine is not little-endian, as tensors are, on which the backend computes in place; use the reference backend")
	}
	path, err := choosePath(o.Path)
	if err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p, err := pool.New(threads)
	if err != nil {
		return nil, fmt.Errorf("cpu: threads: %w", err)
	}
	g, err := gemm.New(p, path)
	if err == nil {
		vecMu.Lock()
		err = vec.Use(path)
		vecMu.Unlock()
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return &Backend{pool: p, gemm: g, path: path, heads: make([]headWork, p.Workers())}, nil
}

func choosePath(name string) (isa.Path, error) {
	best, err := isa.Detect()
	if err != nil {
		return isa.Portable, fmt.Errorf("cpu: %w", err)
	}
	if name == "" || os.Getenv(isa.EnvVar) != "" {
		return best, nil
	}
	for _, p := range isa.Paths() {
		if p.String() != name {
			continue
		}
		if !p.Supported() {
			return isa.Portable, fmt.Errorf("cpu: path %q needs instructions that this machine lacks; use %s or leave it empty", name, best)
		}
		return p, nil
	}
	return isa.Portable, fmt.Errorf("cpu: path %q is unknown; use %s, or leave it empty for %s", name, isa.List(), best)
}

// Info lists the dtypes and ops that the backend runs.
func (b *Backend) Info() plugin.BackendInfo {
	ops := map[string]int{}
	for name := range lowerings {
		ops[name] = ir.LookupOp(name).Version
	}
	return plugin.BackendInfo{
		Info:   plugin.Info{Name: "cpu", Version: "0.1.0", Doc: "Runs functions on the processor (" + b.path.String() + " kernels)."},
		DTypes: slices.Clone(known),
		Ops:    ops,
	}
}

// known are the dtypes that the backend computes with.
var known = []ir.DType{ir.F32, ir.BF16, ir.F16, ir.I32, ir.I64, ir.U8, ir.U32, ir.U64, ir.Bool}

var errClosed = errors.New("cpu: the backend is closed")

// Upload copies a tensor.
func (b *Backend) Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if err := cmp.Or(ctx.Err(), b.check()); err != nil {
		return nil, err
	}
	if err := checkType(t); err != nil {
		return nil, fmt.Errorf("cpu: upload: %w", err)
	}
	if err := checkData(t, data); err != nil {
		return nil, fmt.Errorf("cpu: upload: %w", err)
	}
	x, err := b.buffer(ir.Type{DType: t.DType, Shape: slices.Clone(t.Shape)})
	if err != nil {
		return nil, fmt.Errorf("cpu: upload: %w", err)
	}
	copy(x.data, data)
	return x, nil
}

func (b *Backend) check() error {
	if b.closed {
		return errClosed
	}
	return nil
}

// Close ends the workers. Buffers can still be read.
func (b *Backend) Close() error {
	b.closed = true
	b.pool.Close()
	if b.arena != nil {
		b.pages.Put(b.arena)
		b.arena = nil
	}
	b.pages.Trim()
	return nil
}

func checkType(t ir.Type) error {
	if err := t.Check(); err != nil {
		return err
	}
	if slices.Contains(known, t.DType) {
		return nil
	}
	return fmt.Errorf("the cpu backend does not know dtype %v; it knows all others", t.DType)
}

func checkData(t ir.Type, data []byte) error {
	if len(data) != t.Bytes() {
		return fmt.Errorf("%d bytes are given for %v, which has %d", len(data), t, t.Bytes())
	}
	if t.DType == ir.Bool {
		for i, v := range data {
			if v > 1 {
				return fmt.Errorf("element %d of %v is %d; a bool is 0 or 1", i, t, v)
			}
		}
	}
	return nil
}

// growArena makes the arena at least n bytes long; nothing in it is kept.
func (b *Backend) growArena(n int) (err error) {
	if len(b.arena) >= n {
		return nil
	}
	if b.arena != nil {
		b.pages.Put(b.arena)
		b.pages.Trim() // it is too short for who asks next
	}
	b.arena, err = b.pages.Get(n)
	return err
}

// buffer returns a buffer whose contents are not defined.
func (b *Backend) buffer(t ir.Type) (*buffer, error) {
	data, err := b.pages.Get(t.Bytes())
	if err != nil {
		return nil, err
	}
	return &buffer{backend: b, t: t, data: data}, nil
}

type buffer struct {
	backend  *Backend
	t        ir.Type
	data     []byte
	released bool
}

func (x *buffer) Type() ir.Type { return x.t }

func (x *buffer) Download(ctx context.Context, dst []byte) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case x.released:
		return errors.New("cpu: download of a buffer that was released")
	case len(dst) != len(x.data):
		return fmt.Errorf("cpu: download of %v needs %d bytes, is given %d", x.t, len(x.data), len(dst))
	}
	copy(dst, x.data)
	return nil
}

func (x *buffer) Release() {
	if !x.released && x.data != nil {
		x.backend.pages.Put(x.data)
	}
	x.released, x.data = true, nil
}

const cacheLine = 64

// alignedBytes returns n zeros that begin on a cache line.
func alignedBytes(n int) []byte {
	x := make([]byte, n+cacheLine)
	skip := -int(uintptr(unsafe.Pointer(&x[0]))) & (cacheLine - 1)
	return x[skip:][:n:n]
}

// view reads bytes, which begin at a multiple of an element's size, as elements.
func view[T element | uint16](b []byte) []T {
	var e T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(e)))
}
