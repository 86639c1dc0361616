package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
)

// onEveryPath runs f with each table of kernels this machine can run, and without one.
func onEveryPath(t *testing.T, f func(t *testing.T)) {
	before := active
	defer func() { active = before }()
	for _, p := range runnable() {
		active = p.kernels
		t.Run(p.name, f)
	}
}

type path struct {
	name    string
	kernels *kernels
}

func runnable() []path {
	var paths []path
	for _, p := range isa.Paths() {
		if p.Supported() {
			paths = append(paths, path{p.String(), table(p)})
		}
	}
	return paths
}

// same reports equality to the bit, all NaNs being one (rule 3).
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func requireSame(t *testing.T, want, got []float32, what string, args ...any) {
	t.Helper()
	for i := range want {
		if !same(want[i], got[i]) {
			t.Fatalf(what+": element %d of %d is %x (%v), want %x (%v)",
				append(args, i, len(want), math.Float32bits(got[i]), got[i], math.Float32bits(want[i]), want[i])...)
		}
	}
}

var specials = func() []float32 {
	var s []float32
	for _, b := range []uint32{
		0, 1, 2, 0x007FFFFF, 0x00800000, 0x00800001, 0x33800000, 0x34000000, 0x3EFFFFFF, 0x3F000000, 0x3F7FFFFF, 0x3F800000, 0x3F800001,
		0x3FC00000, 0x40490FDB, 0x42B17218, 0x42CFF1B5, 0x42AEAC50, 0x4B800000, 0x5F000000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7F800001, 0x7FFFFFFF,
	} {
		s = append(s, math.Float32frombits(b), math.Float32frombits(b|1<<31))
	}
	return s
}()

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// fill writes normal values, a few of them special.
func fill(r *rand.Rand, x []float32) []float32 {
	for i := range x {
		if r.IntN(40) == 0 {
			x[i] = specials[r.IntN(len(specials))]
		} else {
			x[i] = float32(r.NormFloat64())
		}
	}
	return x
}

// finite writes normal values only.
func finite(r *rand.Rand, x []float32) []float32 {
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// guarded returns n elements at an odd offset inside a larger slice, and a check that its surroundings stay untouched.
func guarded(n, offset int) (x []float32, intact func() bool) {
	const mark = 12345.0
	whole := make([]float32, n+2*32)
	for i := range whole {
		whole[i] = mark
	}
	from := 16 + offset%8
	return whole[from : from+n : from+n], func() bool {
		for i, v := range whole {
			if (i < from || i >= from+n) && v != mark {
				return false
			}
		}
		return true
	}
}

// lengths are all up to 130 and some larger.
var lengths = func() []int {
	var l []int
	for n := range 131 {
		l = append(l, n)
	}
	return append(l, 255, 511, 1000, 4095, 4096, 4097, 8192, 8200, 12321)
}()
