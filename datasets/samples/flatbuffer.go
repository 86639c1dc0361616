package samples

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Arrow's reader believes the flatbuffers of a file: damaged ones make it ask for terabytes. These few lines check before it reads that
// every table, vector and string that Arrow's schemas (Schema.fbs, Message.fbs, File.fbs) name lies in its buffer.

// fbTable says what the fields of a table refer to, by slot; scalars are left out.
type fbTable map[int]fbField

type fbField struct {
	size  int      // of the elements of a vector of scalars or structs; 1 for a string
	table *fbTable // or a table
	many  bool     // or a vector of tables
}

// hasType is the slot of a table that stands for its type and that type's tag.
const hasType = -1

var (
	fbKeyValue   = fbTable{0: {size: 1}, 1: {size: 1}}
	fbEmpty      = fbTable{}
	fbDictionary = fbTable{1: {table: &fbEmpty}}
	// Of the types only Timestamp (a string) and Union (a vector of int32) refer to more, both in slot 1, which is a scalar elsewhere.
	fbFieldTable = fbTable{hasType: {}, 0: {size: 1}, 4: {table: &fbDictionary}, 6: {table: &fbKeyValue, many: true}}
	fbSchema     = fbTable{1: {table: &fbFieldTable, many: true}, 2: {table: &fbKeyValue, many: true}, 3: {size: 8}}
	fbFooter     = fbTable{1: {table: &fbSchema}, 2: {size: 24}, 3: {size: 24}, 4: {table: &fbKeyValue, many: true}}
	fbRecord     = fbTable{1: {size: 16}, 2: {size: 16}, 3: {table: &fbEmpty}, 4: {size: 8}}
	fbDictBatch  = fbTable{1: {table: &fbRecord}}
	fbMessage    = fbTable{4: {table: &fbKeyValue, many: true}}
)

func init() { fbFieldTable[5] = fbField{table: &fbFieldTable, many: true} }

var errFlatbuffer = errors.New("damaged: its metadata refers to what lies outside it")

// flatbuffer checks a buffer; left bounds the tables in it, against those that share parts.
type flatbuffer struct {
	data []byte
	left int
}

func (f *flatbuffer) u32(at int) (int, error) {
	if at < 0 || at > len(f.data)-4 {
		return 0, errFlatbuffer
	}
	return int(binary.LittleEndian.Uint32(f.data[at:])), nil
}

// root returns where the root table is.
func (f *flatbuffer) root() (int, error) { return f.u32(0) }

// slot returns where a field of a table is, or 0 if it is absent.
func (f *flatbuffer) slot(table, slot int) (int, error) {
	back, err := f.u32(table)
	if err != nil {
		return 0, err
	}
	vtable := table - int(int32(uint32(back)))
	if vtable < 0 || vtable > len(f.data)-4 {
		return 0, errFlatbuffer
	}
	size, object := int(binary.LittleEndian.Uint16(f.data[vtable:])), int(binary.LittleEndian.Uint16(f.data[vtable+2:]))
	if size < 4 || size%2 != 0 || vtable+size > len(f.data) || object < 4 || table+object > len(f.data) {
		return 0, errFlatbuffer
	}
	if 4+2*slot+2 > size {
		return 0, nil
	}
	offset := int(binary.LittleEndian.Uint16(f.data[vtable+4+2*slot:]))
	if offset == 0 {
		return 0, nil
	}
	if offset < 4 || offset >= object {
		return 0, errFlatbuffer
	}
	return table + offset, nil
}

// refer returns what the offset at a place refers to.
func (f *flatbuffer) refer(at int) (int, error) {
	offset, err := f.u32(at)
	if err != nil {
		return 0, err
	}
	if at += offset; offset == 0 || at > len(f.data)-4 {
		return 0, errFlatbuffer
	}
	return at, nil
}

// vector returns the length of the vector that a place refers to, and where its elements begin.
func (f *flatbuffer) vector(at, size int) (n, first int, err error) {
	if at, err = f.refer(at); err != nil {
		return 0, 0, err
	}
	if n, err = f.u32(at); err != nil || n > (len(f.data)-at-4)/size {
		return 0, 0, errFlatbuffer
	}
	return n, at + 4, nil
}

func (f *flatbuffer) check(table int, t fbTable, depth int) error {
	if f.left--; f.left < 0 || depth > 64 {
		return fmt.Errorf("%w, or is nested too deeply", errFlatbuffer)
	}
	if _, err := f.slot(table, 0); err != nil {
		return err
	}
	for slot, field := range t {
		if slot == hasType {
			if err := f.checkType(table, depth); err != nil {
				return err
			}
			continue
		}
		at, err := f.slot(table, slot)
		if err != nil {
			return err
		}
		if at == 0 {
			continue
		}
		switch {
		case field.table == nil:
			_, _, err = f.vector(at, field.size)
		case field.many:
			var n, first int
			if n, first, err = f.vector(at, 4); err != nil {
				return err
			}
			for i := 0; i < n && err == nil; i++ {
				var to int
				if to, err = f.refer(first + 4*i); err == nil {
					err = f.check(to, *field.table, depth+1)
				}
			}
		default:
			var to int
			if to, err = f.refer(at); err == nil {
				err = f.check(to, *field.table, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkType checks the union that holds the type of a field (slots 2 and 3).
func (f *flatbuffer) checkType(field, depth int) error {
	kind, err := f.slot(field, 2)
	if err != nil {
		return err
	}
	at, err := f.slot(field, 3)
	if err != nil || kind == 0 || at == 0 {
		return err
	}
	to, err := f.refer(at)
	if err != nil {
		return err
	}
	t := fbEmpty
	switch f.data[kind] {
	case 10: // Timestamp
		t = fbTable{1: {size: 1}}
	case 14: // Union
		t = fbTable{1: {size: 4}}
	}
	return f.check(to, t, depth+1)
}

// checkArrowFile checks the metadata of an Arrow IPC file and that its blocks lie in it.
func checkArrowFile(s *source) error {
	const magic = "ARROW1"
	tail, err := s.part(max(0, s.size-10), min(10, s.size))
	if err != nil || len(tail) < 10 || string(tail[4:]) != magic {
		return errors.New("not an Arrow file, or cut off: does not end in ARROW1")
	}
	size := int64(int32(binary.LittleEndian.Uint32(tail)))
	if size < 8 || size > s.size-18 {
		return errFlatbuffer
	}
	data, err := s.part(s.size-10-size, size)
	if err != nil {
		return err
	}
	f := &flatbuffer{data, len(data)}
	root, err := f.root()
	if err == nil {
		err = f.check(root, fbFooter, 0)
	}
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	for slot := 2; slot <= 3; slot++ {
		at, err := f.slot(root, slot)
		if err != nil {
			return err
		}
		if at == 0 {
			continue
		}
		n, first, err := f.vector(at, 24)
		if err != nil {
			return err
		}
		for i := range n {
			if err := checkBlock(s, f.data[first+24*i:][:24]); err != nil {
				return fmt.Errorf("block %d: %w", i, err)
			}
		}
	}
	return nil
}

// checkBlock checks a message: its place, 8 bytes of prefix, its metadata, its body.
func checkBlock(s *source, block []byte) error {
	offset, meta, body := int64(binary.LittleEndian.Uint64(block)), int64(int32(binary.LittleEndian.Uint32(block[8:]))), int64(binary.LittleEndian.Uint64(block[16:]))
	if offset < 8 || meta < 16 || body < 0 || offset > s.size-meta || body > s.size-meta-offset {
		return errFlatbuffer
	}
	data, err := s.part(offset, meta)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(data) == 0xFFFFFFFF {
		data = data[8:] // a marker and the length
	} else {
		data = data[4:]
	}
	f := &flatbuffer{data, len(data)}
	root, err := f.root()
	if err == nil {
		err = f.check(root, fbMessage, 0)
	}
	if err != nil {
		return err
	}
	kind, err := f.slot(root, 1)
	if err != nil || kind == 0 {
		return errFlatbuffer
	}
	at, err := f.slot(root, 2)
	if err != nil || at == 0 {
		return errFlatbuffer
	}
	to, err := f.refer(at)
	if err != nil {
		return err
	}
	switch f.data[kind] {
	case 1:
		return f.check(to, fbSchema, 0)
	case 2:
		return f.check(to, fbDictBatch, 0)
	case 3:
		return f.check(to, fbRecord, 0)
	}
	return fmt.Errorf("a message of kind %d", f.data[kind])
}
