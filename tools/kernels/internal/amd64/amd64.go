// Package amd64 holds what the generators of assembly share.
package amd64

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Main is the main function of a generator: it writes the files that generate returns by name to the folder that -dir gives.
func Main(name string, generate func() (map[string][]byte, error)) {
	dir := flag.String("dir", ".", "folder to write to")
	flag.Parse()
	files, err := generate()
	for file, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(*dir, file), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// OnlyVEX rejects the vector registers 16 to 31, which the allocator hands out when it runs short and only AVX-512 can encode.
func OnlyVEX(file *ir.File) error {
	for _, f := range file.Functions() {
		for _, i := range f.Instructions() {
			for _, r := range i.Registers() {
				if p, ok := r.(reg.Physical); ok && r.Kind() == reg.KindVector && p.PhysicalIndex() > 15 {
					return fmt.Errorf("%s needs more than 16 vector registers", f.Name)
				}
			}
		}
	}
	return nil
}

// FourOfEight reads four elements of each of eight rows and returns their columns, of eight elements each. Loading half rows and inserting the
// other halves from memory spares the cross-lane permutations of the register-only form.
func FourOfEight(c *build.Context, row func(i int) operand.Mem) [4]reg.VecVirtual {
	var r [4]reg.VecVirtual
	for i := range r {
		low := c.XMM()
		c.VMOVUPS(row(i), low)
		r[i] = c.YMM()
		c.VINSERTF128(operand.U8(1), row(i+4), low.AsY(), r[i])
	}
	return Transposed(c, r, c.YMM)
}

// Transposed returns the columns of the 4 by 4 blocks that 128-bit quarters of four rows are, in registers that vec allocates.
func Transposed(c *build.Context, r [4]reg.VecVirtual, vec func() reg.VecVirtual) [4]reg.VecVirtual {
	two := func(f func(...operand.Op), a, b reg.VecVirtual) reg.VecVirtual { d := vec(); f(b, a, d); return d }
	t0, t1 := two(c.VUNPCKLPS, r[0], r[1]), two(c.VUNPCKHPS, r[0], r[1])
	t2, t3 := two(c.VUNPCKLPS, r[2], r[3]), two(c.VUNPCKHPS, r[2], r[3])
	return [4]reg.VecVirtual{two(c.VUNPCKLPD, t0, t2), two(c.VUNPCKHPD, t0, t2), two(c.VUNPCKLPD, t1, t3), two(c.VUNPCKHPD, t1, t3)}
}
