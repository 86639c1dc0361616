package samples

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// columnar is the table of Arrow IPC and Parquet files. Batches, which are row groups of Parquet, are read whole; the last few stay in
// memory.
type columnar struct {
	cols    columns
	files   []columnarFile
	batches []batch // of all files, in order
	rows    int64
	config  Config

	mutex  sync.Mutex
	recent []loaded // the latest last
}

type columnarFile struct {
	source      *source
	schema      *arrow.Schema
	load        func(batch int) (arrow.Record, error)
	mutex       *sync.Mutex // readers are for one goroutine
	image       int         // indices in the records that load returns
	label, text []int
	textB       []int // of the second text of a pair
}

type batch struct {
	first       int64 // row
	file, index int
}

type loaded struct {
	batch  int
	record arrow.Record
}

// keptBatches stay in memory.
const keptBatches = 8

func openColumnar(c Config) (_ table, err error) {
	t := &columnar{config: c}
	if t.cols, err = tableColumns(c); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: damaged: %v", c.Paths[0], p)
		}
		if err != nil {
			t.close()
		}
	}()
	t.files = make([]columnarFile, 0, len(c.Paths)) // load keeps the place of its file
	for _, p := range c.Paths {
		s, err := openSource(p)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, columnarFile{source: s, mutex: &sync.Mutex{}})
		f := &t.files[len(t.files)-1]
		var counts []int64
		if c.Format == "arrow" {
			counts, err = f.openArrow(c)
		} else {
			counts, err = f.openParquet(c)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		for i, n := range counts {
			if n < 0 || t.rows+n > maxRows {
				return nil, fmt.Errorf("%s: batch %d has %d rows", p, i, n)
			}
			if n > 0 {
				t.batches = append(t.batches, batch{t.rows, len(t.files) - 1, i})
				t.rows += n
			}
		}
	}
	return t, nil
}

// choose finds the columns in a schema, and checks their types.
func (f *columnarFile) choose(s *arrow.Schema, c Config) error {
	names := make([]string, s.NumFields())
	for i, field := range s.Fields() {
		names[i] = field.Name
	}
	image, label, text, textB, err := findColumns(names, c)
	if err != nil {
		return err
	}
	f.schema, f.image, f.text, f.textB = s, image, text, textB
	if label >= 0 {
		f.label = []int{label}
	}
	if image >= 0 && !isImage(s.Field(image).Type) {
		return fmt.Errorf("image: column %q is %v: want binary, or a struct with a binary field bytes", c.Image, s.Field(image).Type)
	}
	for _, i := range slices.Concat(text, textB, f.label) {
		switch s.Field(i).Type.ID() {
		case arrow.STRING, arrow.LARGE_STRING, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.BOOL, arrow.DICTIONARY:
		default:
			return fmt.Errorf("column %q is %v: want text or whole numbers", names[i], s.Field(i).Type)
		}
	}
	return nil
}

func isImage(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return true
	case *arrow.StructType: // as Hugging Face datasets keep images
		i, ok := t.FieldIdx("bytes")
		return ok && isImage(t.Field(i).Type)
	}
	return false
}

func (f *columnarFile) openArrow(c Config) ([]int64, error) {
	if err := checkArrowFile(f.source); err != nil {
		return nil, err
	}
	r, err := safely(func() (*ipc.FileReader, error) {
		return ipc.NewFileReader(io.NewSectionReader(f.source, 0, f.source.size), ipc.WithAllocator(boundFor(f.source)))
	})
	if err != nil {
		return nil, err
	}
	if err := f.choose(r.Schema(), c); err != nil {
		return nil, err
	}
	f.load = func(i int) (arrow.Record, error) { return r.RecordAt(i) }
	counts := make([]int64, r.NumRecords())
	for i := range counts {
		rec, err := safely(func() (arrow.Record, error) { return r.RecordAt(i) })
		if err != nil {
			return nil, fmt.Errorf("batch %d: %w", i, err)
		}
		counts[i] = rec.NumRows()
		rec.Release()
	}
	return counts, nil
}

func (f *columnarFile) openParquet(c Config) ([]int64, error) {
	r, err := safely(func() (*file.Reader, error) {
		return file.NewParquetReader(io.NewSectionReader(f.source, 0, f.source.size), file.WithReadProps(parquet.NewReaderProperties(boundFor(f.source))))
	})
	if err != nil {
		return nil, err
	}
	all, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, boundFor(f.source))
	if err != nil {
		return nil, err
	}
	whole, err := all.Schema()
	if err != nil {
		return nil, err
	}
	if err := f.choose(whole, c); err != nil {
		return nil, err
	}
	counts := make([]int64, r.NumRowGroups())
	for i := range counts {
		g := r.MetaData().RowGroup(i)
		if g.TotalByteSize() < 0 || g.TotalByteSize() > maxUnpacked {
			return nil, fmt.Errorf("row group %d: %d bytes, more than %d", i, g.TotalByteSize(), int64(maxUnpacked))
		}
		counts[i] = g.NumRows()
	}
	// Columns are read one by one and in this goroutine: the reader's own goroutines would take the process down where they meet
	// damage.
	var chosen []int
	for _, i := range slices.Concat([]int{f.image}, f.label, f.text, f.textB) {
		if i >= 0 && !slices.Contains(chosen, i) {
			chosen = append(chosen, i)
		}
	}
	slices.Sort(chosen)
	fields := make([]arrow.Field, len(chosen))
	for k, i := range chosen {
		fields[k] = whole.Field(i)
	}
	read := arrow.NewSchema(fields, nil)
	if err := f.choose(read, c); err != nil { // the columns that are read have other indices
		return nil, err
	}
	f.load = func(i int) (arrow.Record, error) {
		arrays := make([]arrow.Array, len(chosen))
		defer func() {
			for _, a := range arrays {
				if a != nil {
					a.Release()
				}
			}
		}()
		for k, column := range chosen {
			chunked, err := all.RowGroup(i).Column(column).Read(context.Background())
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", fields[k].Name, err)
			}
			if arrays[k], err = array.Concatenate(chunked.Chunks(), memory.DefaultAllocator); err != nil {
				return nil, fmt.Errorf("column %q: %w", fields[k].Name, err)
			}
			if int64(arrays[k].Len()) != counts[i] {
				return nil, fmt.Errorf("column %q: %d rows, the file says %d", fields[k].Name, arrays[k].Len(), counts[i])
			}
		}
		return array.NewRecord(read, arrays, counts[i]), nil
	}
	return counts, nil
}

// bound is an allocator that gives up, by a panic that safely catches, where damaged bytes ask for more than a file can hold.
type bound struct {
	memory.Allocator
	most int
}

// boundFor allows for compression by a factor of 1024.
func boundFor(s *source) bound {
	return bound{memory.DefaultAllocator, int(min(s.size*1024+1<<16, maxUnpacked))}
}

func (b bound) check(size int) {
	if size < 0 || size > b.most {
		panic(fmt.Sprintf("a piece of %d bytes", size))
	}
}

func (b bound) Allocate(size int) []byte {
	b.check(size)
	return b.Allocator.Allocate(size)
}

func (b bound) Reallocate(size int, old []byte) []byte {
	b.check(size)
	return b.Allocator.Reallocate(size, old)
}

// safely turns a panic of a reader of damaged bytes into an error.
func safely[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	return f()
}

func (t *columnar) columns() columns { return t.cols }
func (t *columnar) len() int64       { return t.rows }

// find returns the batch of a row.
func (t *columnar) find(i int64) int {
	return sort.Search(len(t.batches), func(k int) bool { return t.batches[k].first > i }) - 1
}

func (t *columnar) name(i int64) string {
	b := t.batches[t.find(i)]
	first := int64(0)
	for _, o := range t.batches {
		if o.file == b.file {
			first = o.first
			break
		}
	}
	return fmt.Sprintf("%s: row %d", t.files[b.file].source.name, i-first)
}

func (t *columnar) close() error {
	var err error
	for _, l := range t.recent {
		l.record.Release()
	}
	t.recent = nil
	for _, f := range t.files {
		err = errors.Join(err, f.source.close())
	}
	return err
}

// record returns a batch that the caller releases.
func (t *columnar) record(k int) (arrow.Record, error) {
	t.mutex.Lock()
	for i, l := range t.recent {
		if l.batch == k {
			t.recent = append(append(t.recent[:i:i], t.recent[i+1:]...), l)
			l.record.Retain()
			t.mutex.Unlock()
			return l.record, nil
		}
	}
	t.mutex.Unlock()
	b := t.batches[k]
	f := &t.files[b.file]
	f.mutex.Lock()
	rec, err := safely(func() (arrow.Record, error) { return f.load(b.index) })
	f.mutex.Unlock()
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", b.index, err)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	rec.Retain()
	t.recent = append(t.recent, loaded{k, rec})
	if len(t.recent) > keptBatches {
		t.recent[0].record.Release()
		t.recent = t.recent[1:]
	}
	return rec, nil
}

func (t *columnar) read(i int64) (row, error) {
	k := t.find(i)
	rec, err := t.record(k)
	if err != nil {
		return row{}, err
	}
	defer rec.Release()
	f := &t.files[t.batches[k].file]
	at := int(i - t.batches[k].first)
	return safely(func() (r row, err error) {
		if f.image >= 0 {
			if r.image, err = imageOf(rec.Column(f.image), at); err != nil {
				return r, fmt.Errorf("column %q: %w", rec.ColumnName(f.image), err)
			}
		}
		if len(f.label) > 0 {
			if r.label, err = textOf(rec.Column(f.label[0]), at); err != nil {
				return r, fmt.Errorf("column %q: %w", rec.ColumnName(f.label[0]), err)
			}
		}
		join := func(columns []int) (string, error) {
			parts := make([]string, len(columns))
			for j, column := range columns {
				var err error
				if parts[j], err = textOf(rec.Column(column), at); err != nil {
					return "", fmt.Errorf("column %q: %w", rec.ColumnName(column), err)
				}
			}
			return strings.Join(parts, " "), nil
		}
		if r.text, err = join(f.text); err != nil {
			return r, err
		}
		r.textB, err = join(f.textB)
		return r, err
	})
}

func imageOf(a arrow.Array, i int) ([]byte, error) {
	if a.IsNull(i) {
		return nil, errors.New("null")
	}
	switch a := a.(type) {
	case *array.Binary:
		return append([]byte(nil), a.Value(i)...), nil
	case *array.LargeBinary:
		return append([]byte(nil), a.Value(i)...), nil
	case *array.Struct:
		k, _ := a.DataType().(*arrow.StructType).FieldIdx("bytes")
		return imageOf(a.Field(k), i)
	}
	return nil, fmt.Errorf("%v is not an image", a.DataType())
}

func textOf(a arrow.Array, i int) (string, error) {
	if a.IsNull(i) {
		return "", errors.New("null")
	}
	switch a := a.(type) {
	case *array.String:
		return strings.Clone(a.Value(i)), nil
	case *array.LargeString:
		return strings.Clone(a.Value(i)), nil
	case *array.Dictionary:
		return textOf(a.Dictionary(), a.GetValueIndex(i))
	case *array.Boolean:
		if a.Value(i) {
			return "1", nil
		}
		return "0", nil
	case *array.Float32, *array.Float64:
		return "", fmt.Errorf("%v is not text or a whole number", a.DataType())
	}
	text := a.ValueStr(i)
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return "", fmt.Errorf("%v is not text or a whole number", a.DataType())
	}
	return text, nil
}
