// Command gemm writes the assembly of the cpu backend's gemm package: for AVX2, AVX-512 and NEON the micro-kernels, the
// loops that pack operands, and the one that streams a matrix past a vector.
package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/seedbed/seedbed/tools/kernels/internal/amd64"
)

func main() { amd64.Main("gemm", generate) }

// generate returns the files by name.
func generate() (map[string][]byte, error) {
	files := neonFiles()
	for _, v := range variants {
		file, err := program(v)
		if err != nil {
			return nil, err
		}
		config := printer.Config{Name: "tools/kernels/gemm for " + v.title, Pkg: "gemm"}
		if files["kernels_"+v.name+"_amd64.s"], err = printer.NewGoAsm(config).Print(file); err != nil {
			return nil, err
		}
		if files["kernels_"+v.name+"_amd64_gen.go"], err = printer.NewStubs(config).Print(file); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// program returns the instructions of one instruction set's kernels, registers allocated.
func program(v variant) (*ir.File, error) {
	e := &emitter{Context: build.NewContext(), variant: v}
	for rows := 1; rows <= v.mr; rows++ {
		tile(e, rows)
	}
	packRows(e)
	transpose(e)
	stream(e, streamRows)
	stream(e, 1)
	e.ConstraintExpr("amd64")
	file, err := e.Result()
	if err != nil {
		return nil, err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return nil, err
	}
	if !e.wide() {
		err = amd64.OnlyVEX(file)
	}
	return file, err
}
