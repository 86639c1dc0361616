package cases

import (
	"encoding/binary"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// domain says which values an operand may take.
type domain struct {
	kind   domainKind
	lo, hi float64
}

type domainKind uint8

const (
	anything domainKind = iota
	// finite floats: contractions of others need agree in class only.
	finiteOnly
	// within lo to hi, evenly; integers include both.
	within
	// noNaN is anything but NaN.
	noNaN
	// odd integers within lo to hi.
	odd
	// powers of two from 2^lo to 2^hi, of either sign.
	powers
	// zeros of both signs, among numbers of one sign.
	zeros
)

var (
	anyValue = domain{kind: anything}
	finite   = domain{kind: finiteOnly}
)

func between(lo, hi float64) domain { return domain{within, lo, hi} }

// index is an index into n elements, now and then outside.
func index(n int) domain { return between(-2, float64(n+1)) }

// flavours are the mixtures of values of a case: by number, special values
// among ordinary ones, ordinary ones, small integers (ties), any exponent, any
// bits, and the ends of the range.
const flavours = 6

type format struct{ exponent, mantissa int }

var formats = map[ir.DType]format{ir.F32: {8, 23}, ir.BF16: {8, 7}, ir.F16: {5, 10}, ir.F64: {11, 52}}

// milestones are where functions turn: ties of rounding, the overflow and
// underflow of exp, multiples of pi, the limits of integers.
var milestones = []float64{
	0.5, 1.5, 2.5, -0.5, -1.5, 1, -1, 2, 3, 10, 0.1, math.Pi, math.Pi / 2, -math.Pi, 1e10, math.Ln2, 88.72283, 88.72284, -87.33654, -103.97, -103.98,
	9.01, 17.3, -17.3, 1 << 23, 1<<23 + 1, 1<<24 - 1, 1 << 24, 1 << 31, -(1 << 31), 1<<32 - 1, 1 << 32, 1 << 63, -(1 << 63), 255, 256, 65504, 65520, 1e-3, 1e-8, 0.99999994, 1.0000001,
}

// floatBits returns the bits of one float of a format.
func (r *source) floatBits(d ir.DType, flavour int, dom domain) uint64 {
	f := formats[d]
	if dom.kind == within {
		span := float64((dom.hi - dom.lo) * (float64(r.bits()>>8) * 0x1p-24))
		return scalarBits(d, dom.lo+span)
	}
	switch dom.kind {
	case odd:
		return scalarBits(d, float64(2*r.in(int(dom.lo)/2, int(dom.hi-1)/2)+1))
	case powers:
		v := math.Ldexp(1, r.in(int(dom.lo), int(dom.hi)))
		return scalarBits(d, pick(r, v, -v))
	case zeros:
		return scalarBits(d, pick(r, 0, math.Copysign(0, -1), 0, math.Copysign(0, -1), dom.lo))
	}
	for {
		v := r.rawFloat(d, f, flavour)
		top := uint64(1)<<f.exponent - 1
		special := v>>f.mantissa&top == top
		nan := special && v&(1<<f.mantissa-1) != 0
		switch {
		case special && dom.kind == finiteOnly, nan && dom.kind == noNaN:
			flavour = 3
		case nan:
			return canonicalNaN(f)
		default:
			return v
		}
	}
}

func canonicalNaN(f format) uint64 {
	return (1<<f.exponent-1)<<f.mantissa | 1<<(f.mantissa-1)
}

func (r *source) rawFloat(d ir.DType, f format, flavour int) uint64 {
	top, bias := uint64(1)<<f.exponent-1, uint64(1)<<(f.exponent-1)-1
	sign := uint64(r.n(2)) << (f.exponent + f.mantissa)
	fraction := r.bits64() & (1<<f.mantissa - 1)
	compose := func(e uint64) uint64 { return sign | e<<f.mantissa | fraction }
	special := func() uint64 {
		one := bias << f.mantissa
		switch r.n(12) {
		case 0, 1:
			return sign
		case 2:
			return sign | top<<f.mantissa
		case 3:
			return canonicalNaN(f)
		case 4:
			return sign | 1 // the smallest subnormal
		case 5:
			return sign | 1<<f.mantissa - 1 // the largest
		case 6:
			return sign | 1<<f.mantissa // the smallest normal
		case 7:
			return sign | top<<f.mantissa - 1 // the largest finite
		case 8:
			return sign | one
		case 9:
			return sign | (one + uint64(r.n(3)) - 1)
		default:
			return scalarBits(d, milestones[r.n(len(milestones))])
		}
	}
	switch flavour {
	case 0:
		if r.one(2) {
			return special()
		}
		return compose(bias - 4 + uint64(r.n(8)))
	case 1:
		return compose(bias - 6 + uint64(r.n(9)))
	case 2:
		if r.one(16) {
			return sign
		}
		return scalarBits(d, float64(r.in(-3, 3)))
	case 3:
		return compose(1 + uint64(r.n(int(top-1))))
	case 4:
		return sign | r.bits64()&(1<<(f.exponent+f.mantissa)-1)
	default:
		switch r.n(4) {
		case 0:
			return compose(0)
		case 1:
			return compose(1 + uint64(r.n(3)))
		case 2:
			return compose(top - 1 - uint64(r.n(3)))
		default:
			return compose(bias - 1 + uint64(r.n(3)))
		}
	}
}

func scalarBits(d ir.DType, v float64) uint64 {
	data, _ := ir.Scalar(d, v) // floats always have one
	var b [8]byte
	copy(b[:], data)
	return binary.LittleEndian.Uint64(b[:])
}

// intBits returns the bits of one integer of a dtype.
func (r *source) intBits(d ir.DType, flavour int, dom domain) uint64 {
	width := 8 * d.Size()
	mask := uint64(math.MaxUint64) >> (64 - width)
	if dom.kind == within {
		lo := int64(dom.lo)
		if lo < 0 && !d.IsSigned() {
			lo = 0
		}
		return uint64(lo+int64(r.bits64()%uint64(int64(dom.hi)-lo+1))) & mask
	}
	// Halfway between two f32 but for the last bit, which f64 cannot hold.
	if width == 64 && flavour != 2 && r.one(8) {
		return uint64(1<<24+2*r.n(1<<23)+1)<<r.in(30, 37) + uint64(r.n(2)*2-1)
	}
	switch flavour {
	case 1:
		return uint64(r.in(-100, 100)) & mask
	case 2:
		return uint64(r.in(-3, 3)) & mask
	case 3:
		return r.bits64() >> r.n(64) & mask
	case 4:
		return r.bits64() & mask
	}
	return pick(r, 0, 1, mask, mask>>1, mask>>1+1, mask-1, 1<<r.n(width), uint64(width), uint64(width-1), uint64(width+1), r.bits64()) & mask
}

// fill returns a tensor of type t.
func (r *source) fill(t ir.Type, dom domain, flavour int) []byte {
	size := t.DType.Size()
	data := make([]byte, t.Bytes())
	for at := 0; at < len(data); at += size {
		switch e := data[at:]; {
		case t.DType == ir.Bool:
			e[0] = byte(r.n(2))
		case t.DType.IsFloat():
			putBits(e, size, r.floatBits(t.DType, flavour, dom))
		default:
			putBits(e, size, r.intBits(t.DType, flavour, dom))
		}
	}
	return data
}

func putBits(e []byte, size int, v uint64) {
	switch le := binary.LittleEndian; size {
	case 1:
		e[0] = byte(v)
	case 2:
		le.PutUint16(e, uint16(v))
	case 4:
		le.PutUint32(e, uint32(v))
	default:
		le.PutUint64(e, v)
	}
}

func getBits(e []byte, size int) uint64 {
	switch le := binary.LittleEndian; size {
	case 1:
		return uint64(e[0])
	case 2:
		return uint64(le.Uint16(e))
	case 4:
		return uint64(le.Uint32(e))
	default:
		return le.Uint64(e)
	}
}

// Canonical writes the one NaN of the dtype in the place of every NaN: results
// that are equal by the Exact profile have equal canonical bytes. Data is
// changed in place.
func Canonical(d ir.DType, data []byte) {
	f, ok := formats[d]
	if !ok {
		return
	}
	size := d.Size()
	// Without its sign, a NaN is above infinity.
	magnitude, infinity, nan := uint64(1)<<(f.exponent+f.mantissa)-1, (uint64(1)<<f.exponent-1)<<f.mantissa, canonicalNaN(f)
	for at := 0; at+size <= len(data); at += size {
		if getBits(data[at:], size)&magnitude > infinity {
			putBits(data[at:], size, nan)
		}
	}
}

// Classes replaces every float of data by its class: NaN, the two infinities,
// and 1 for everything finite. Data is changed in place.
func Classes(d ir.DType, data []byte) {
	f, ok := formats[d]
	if !ok {
		return
	}
	Canonical(d, data)
	size := d.Size()
	top := (uint64(1)<<f.exponent - 1) << f.mantissa
	for at := 0; at+size <= len(data); at += size {
		if getBits(data[at:], size)&top != top {
			putBits(data[at:], size, scalarBits(d, 1))
		}
	}
}
