package numerics

import (
	"math"
	"math/big"
)

// bigPrec is the precision of the reference evaluation: enough to see the tie-breaking term of silu(2^-149).
const bigPrec = 400

// num is a big.Float in expression form; every operation rounds to bigPrec bits unless an operand has more.
type num struct{ *big.Float }

func bnum(x float64) num             { return num{new(big.Float).SetPrec(bigPrec).SetFloat64(x)} }
func (a num) fresh(b num) *big.Float { return new(big.Float).SetPrec(max(a.Prec(), b.Prec())) }
func (a num) add(b num) num          { return num{a.fresh(b).Add(a.Float, b.Float)} }
func (a num) sub(b num) num          { return num{a.fresh(b).Sub(a.Float, b.Float)} }
func (a num) mul(b num) num          { return num{a.fresh(b).Mul(a.Float, b.Float)} }
func (a num) div(b num) num          { return num{a.fresh(b).Quo(a.Float, b.Float)} }
func (a num) neg() num               { return num{a.fresh(a).Neg(a.Float)} }
func (a num) abs() num               { return num{a.fresh(a).Abs(a.Float)} }
func (a num) sqrt() num              { return num{a.fresh(a).Sqrt(a.Float)} }
func (a num) ldexp(n int) num        { return num{a.fresh(a).SetMantExp(a.Float, n)} }
func (a num) prec(p uint) num        { return num{new(big.Float).SetPrec(p).Set(a.Float)} }
func (a num) f64() float64           { f, _ := a.Float64(); return f }
func (a num) negligible(to num) bool {
	return a.Sign() == 0 || a.MantExp(nil) < to.MantExp(nil)-int(to.Prec())-8
}
func bigRational(n, d int64) num { return bnum(float64(n)).div(bnum(float64(d))) }

// bigATanInv returns atan(1/n), or atanh(1/n) if hyperbolic, at precision p.
func bigATanInv(n float64, hyperbolic bool, p uint) num {
	t := bnum(1).prec(p).div(bnum(n))
	n2 := bnum(n * n)
	if !hyperbolic {
		n2 = n2.neg()
	}
	sum := t
	for k := 3.0; ; k += 2 {
		t = t.div(n2)
		term := t.div(bnum(k))
		if term.negligible(sum) {
			return sum
		}
		sum = sum.add(term)
	}
}

// bigPiAt is Machin's formula, bigLn2At Gauss-type atanh formula for ln 2.
func bigPiAt(p uint) num {
	return bigATanInv(5, false, p).mul(bnum(16)).sub(bigATanInv(239, false, p).mul(bnum(4)))
}

func bigLn2At(p uint) num {
	return bigATanInv(26, true, p).mul(bnum(18)).sub(bigATanInv(4801, true, p).mul(bnum(2))).add(bigATanInv(8749, true, p).mul(bnum(8)))
}

var (
	bigPi  = bigPiAt(1600)
	bigLn2 = bigLn2At(1600)
)

// bigExpm1 sums the Taylor series after reduction by ln 2, at bigPrec plus a margin for the cancellation in e^x - 1.
func bigExpm1(x num) num {
	p := x.Prec() + 64
	if x.Sign() == 0 {
		return x
	}
	if x.MantExp(nil) < -10 {
		return bigExpSeries(x.prec(p))
	}
	return bigExp(x.prec(p + 64)).sub(bnum(1))
}

func bigExp(x num) num {
	p := x.Prec() + 64
	k := int(math.RoundToEven(x.f64() / math.Ln2))
	const halvings = 16
	r := x.prec(p).sub(bigLn2.prec(p).mul(bnum(float64(k)))).ldexp(-halvings)
	y := bigExpSeries(r).add(bnum(1))
	for range halvings {
		y = y.mul(y)
	}
	return y.ldexp(k).prec(x.Prec())
}

// bigExpSeries is expm1 by its Taylor series.
func bigExpSeries(r num) num {
	sum, term := r, r
	for n := 2.0; !term.negligible(sum); n++ {
		term = term.mul(r).div(bnum(n))
		sum = sum.add(term)
	}
	return sum
}

// bigLog solves e^y = x by Newton's method. Near 1 the precision is raised by the bits that cancel.
func bigLog(x num) num {
	p := x.Prec()
	work := p + 256
	m := new(big.Float)
	e := x.MantExp(m)
	f, _ := m.Float64()
	y := bnum(math.Log(f)).prec(work)
	for range 5 {
		t := num{m}.prec(work).mul(bigExp(y.neg())).sub(bnum(1))
		y = y.add(t.sub(t.mul(t).ldexp(-1)))
	}
	return y.add(bigLn2.prec(work).mul(bnum(float64(e)))).prec(p)
}

func bigLog1p(x num) num {
	if x.Sign() != 0 && x.MantExp(nil) < -60 { // x - x^2/2 + x^3/3 - ...
		sum, power := x, x
		for n := 2.0; ; n++ {
			power = power.mul(x).neg()
			term := power.div(bnum(n))
			if term.negligible(sum) {
				return sum
			}
			sum = sum.add(term)
		}
	}
	return bigLog(x.prec(2 * bigPrec).add(bnum(1))).prec(x.Prec())
}

// bigSinCos reduces by pi/2 with as many bits as the exponent of x asks for.
func bigSinCos(x num) (sin, cos num) {
	p := x.Prec() + uint(max(0, x.MantExp(nil))) + 128
	half := bigPi.prec(p).ldexp(-1)
	q, _ := x.prec(p).div(half).add(bnum(0.5)).Int(nil)
	if x.Sign() < 0 {
		q, _ = x.prec(p).div(half).sub(bnum(0.5)).Int(nil)
	}
	r := x.prec(p).sub(half.mul(num{new(big.Float).SetPrec(p).SetInt(q)}))
	sin, cos = r, bnum(1).prec(p)
	if r.Sign() != 0 {
		ts, tc := r, cos
		for n := 1.0; !ts.negligible(sin); n += 2 {
			tc = tc.mul(r).mul(r).div(bnum(n)).div(bnum(n + 1)).neg()
			ts = ts.mul(r).mul(r).div(bnum(n + 1)).div(bnum(n + 2)).neg()
			sin, cos = sin.add(ts), cos.add(tc)
		}
	}
	switch new(big.Int).And(q, big.NewInt(3)).Int64() {
	case 1:
		sin, cos = cos, sin.neg()
	case 2:
		sin, cos = sin.neg(), cos.neg()
	case 3:
		sin, cos = cos.neg(), sin
	}
	return sin.prec(x.Prec()), cos.prec(x.Prec())
}

// bigErfErfc sums the alternating Taylor series with the bits that cancel, in the sum and in 1 - erf, added to the precision.
func bigErfErfc(x num) (erf, erfc num) {
	f := x.f64()
	p := x.Prec() + uint(4*f*f/math.Ln2) + 64
	z := x.prec(p)
	z2 := z.mul(z).neg()
	sum, power := z, z
	for n := 1.0; ; n++ {
		power = power.mul(z2).div(bnum(n))
		term := power.div(bnum(2*n + 1))
		if term.negligible(sum) && n > f*f {
			break
		}
		sum = sum.add(term)
	}
	erf = sum.mul(bnum(2)).div(bigPi.prec(p).sqrt())
	return erf.prec(x.Prec()), bnum(1).prec(p).sub(erf).prec(x.Prec())
}

func bigSigmoid(x num) num { return bnum(1).div(bnum(1).add(bigExp(x.neg()))) }

func bigPhi(x num) num {
	_, erfc := bigErfErfc(x.neg().div(bnum(2).sqrt()))
	return erfc.ldexp(-1)
}

func bigGeluInner(x num) (v, dv num) {
	c := bnum(2).div(bigPi.prec(bigPrec)).sqrt().ldexp(1)
	d := bigRational(44715, 1000000)
	x2 := x.mul(x)
	return c.mul(x.add(d.mul(x2).mul(x))), c.mul(bnum(1).add(bnum(3).mul(d).mul(x2)))
}

// bigFunctions are the real functions, as formulas that need no care at 400 bits for the arguments bigArgument lets through.
var bigFunctions = map[string]func(x num) num{
	"exp": bigExp, "expm1": bigExpm1, "log": bigLog, "log1p": bigLog1p,
	"tanh": func(x num) num {
		m := bigExpm1(x.ldexp(1))
		return m.div(m.add(bnum(2)))
	},
	"erf":      func(x num) num { y, _ := bigErfErfc(x); return y },
	"logistic": bigSigmoid,
	"sin":      func(x num) num { y, _ := bigSinCos(x); return y },
	"cos":      func(x num) num { _, y := bigSinCos(x); return y },
	"sinpi":    func(x num) num { y, _ := bigSinCos(x.mul(bigPi.prec(bigPrec))); return y },
	"cospi":    func(x num) num { _, y := bigSinCos(x.mul(bigPi.prec(bigPrec))); return y },
	"gelu_erf": func(x num) num { return x.mul(bigPhi(x)) },
	"gelu_erf_grad": func(x num) num {
		density := bigExp(x.mul(x).ldexp(-1).neg()).div(bigPi.prec(bigPrec).ldexp(1).sqrt())
		return bigPhi(x).add(x.mul(density))
	},
	"gelu_tanh": func(x num) num { v, _ := bigGeluInner(x); return x.mul(bigSigmoid(v)) },
	"gelu_tanh_grad": func(x num) num {
		v, dv := bigGeluInner(x)
		s := bigSigmoid(v)
		return s.add(x.mul(s).mul(bigSigmoid(v.neg())).mul(dv))
	},
	"silu": func(x num) num { return x.mul(bigSigmoid(x)) },
	"silu_grad": func(x num) num {
		s := bigSigmoid(x)
		return s.add(x.mul(s).mul(bigSigmoid(x.neg())))
	},
	"softplus": func(x num) num { return bigLog1p(bigExp(x)) },
}
