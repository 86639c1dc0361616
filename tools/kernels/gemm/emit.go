package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// variant is an instruction set and the shape of its micro-kernel: mr rows by nr columns, nr being two vectors.
type variant struct {
	name, title string
	lanes       int
	mr, nr      int
}

// The shapes fill the registers with accumulators, but for two of B and two of A: 12 of 16, 28 of 32. Per k a kernel then needs 8
// loads for 12 multiply-adds, or 16 for 28: within two loads a cycle on every processor with two multiply-add units.
var variants = []variant{
	{name: "avx2", title: "AVX2", lanes: 8, mr: 6, nr: 16},
	{name: "avx512", title: "AVX-512", lanes: 16, mr: 14, nr: 32},
}

type emitter struct {
	*build.Context
	variant
}

func (e *emitter) wide() bool { return e.lanes == 16 }

func (e *emitter) vec() reg.VecVirtual {
	if e.wide() {
		return e.ZMM()
	}
	return e.YMM()
}

func (e *emitter) vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = e.vec()
	}
	return v
}

func (e *emitter) zero(v reg.Register) {
	if e.wide() {
		e.VPXORD(v, v, v)
	} else {
		e.VXORPS(v, v, v)
	}
}

// function starts an assembly function that calls nothing and keeps no pointer.
func (e *emitter) function(name, signature, doc string) {
	e.Function(name + "_" + e.name)
	e.Attributes(attr.NOSPLIT)
	e.Pragma("noescape")
	e.Doc(name + "_" + e.name + " " + doc)
	e.SignatureExpr(signature)
}

func (e *emitter) end() {
	e.VZEROUPPER()
	e.RET()
}

// arg loads an integer or pointer argument into a new register.
func (e *emitter) arg(name string) reg.GPVirtual {
	return e.Load(e.Param(name), e.GP64()).(reg.GPVirtual)
}

// param is the argument in memory.
func (e *emitter) param(name string) operand.Op {
	b, err := e.Param(name).Resolve()
	if err != nil {
		panic(fmt.Sprintf("parameter %s: %v", name, err))
	}
	return b.Addr
}

const cacheLine = 64 // bytes

// align has the next instruction begin at a multiple of so many bytes.
func (e *emitter) align(bytes int) {
	e.Instruction(&ir.Instruction{Opcode: "PCALIGN", Operands: []operand.Op{operand.Imm(uint64(bytes))}})
}

func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func indexed(base, index reg.Register, scale uint8) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale}
}
