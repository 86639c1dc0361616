// Package amd64 holds what the generators of assembly share.
package amd64

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/ir"
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
