package samples

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// lineTable is the table of text files with a row a record: CSV, TSV and JSON lines. Records are found once; each is parsed again when it
// is read.
type lineTable struct {
	cols  columns
	files []lineFile
	parse func(f *lineFile, record []byte) (row, error)
}

type lineFile struct {
	source *source
	root   *os.Root // the folder of images, if there are any
	starts []int64  // of each record, and the end of the last
	first  int64    // row of the first record
	image  int      // columns of CSV; -1: none
	label  int
	text   []int
	textB  []int // of the second text of a pair
	fields int
}

func (t *lineTable) columns() columns { return t.cols }

func (t *lineTable) len() int64 {
	if len(t.files) == 0 {
		return 0
	}
	last := t.files[len(t.files)-1]
	return last.first + int64(len(last.starts)) - 1
}

func (t *lineTable) find(i int64) (*lineFile, int64) {
	k := len(t.files) - 1
	for t.files[k].first > i {
		k--
	}
	return &t.files[k], i - t.files[k].first
}

func (t *lineTable) name(i int64) string {
	f, k := t.find(i)
	return fmt.Sprintf("%s: row %d", f.source.name, k)
}

func (t *lineTable) close() error {
	var err error
	for _, f := range t.files {
		err = errors.Join(err, f.source.close())
		if f.root != nil {
			err = errors.Join(err, f.root.Close())
		}
	}
	return err
}

func (t *lineTable) read(i int64) (row, error) {
	f, k := t.find(i)
	record, err := f.source.part(f.starts[k], f.starts[k+1]-f.starts[k])
	if err != nil {
		return row{}, err
	}
	return t.parse(f, record)
}

// openFiles opens and indexes the files of a table.
func (t *lineTable) openFiles(c Config, index func(f *lineFile) error) (_ table, err error) {
	if t.cols, err = tableColumns(c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	rows := int64(0)
	for _, p := range c.Paths {
		s, err := openSource(p)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, lineFile{source: s, first: rows})
		f := &t.files[len(t.files)-1]
		if t.cols.Image {
			if f.root, err = os.OpenRoot(filepath.Dir(p)); err != nil {
				return nil, err
			}
		}
		if err := index(f); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if rows += int64(len(f.starts)) - 1; rows > maxRows {
			return nil, fmt.Errorf("more than %d rows", int64(maxRows))
		}
	}
	return t, nil
}

// tableColumns says what a table has of what its columns are named for.
func tableColumns(c Config) (columns, error) {
	cols := columns{Image: c.Image != "", Label: c.Label != "", Text: len(c.Text) > 0, TextB: len(c.TextB) > 0}
	switch {
	case !cols.Image && !cols.Text:
		return cols, errors.New("image, text: name the column of the one or the other")
	case cols.TextB && !cols.Text:
		return cols, errors.New("text_b: names the second text of a pair; name the first in text")
	}
	return cols, nil
}

func openCSV(c Config) (table, error) {
	comma := ','
	if c.Format == "tsv" {
		comma = '\t'
	}
	reader := func(r io.Reader) *csv.Reader {
		x := csv.NewReader(r)
		x.Comma, x.FieldsPerRecord, x.LazyQuotes, x.ReuseRecord = comma, -1, c.Format == "tsv", true
		return x
	}
	t := &lineTable{parse: func(f *lineFile, record []byte) (r row, err error) {
		fields, err := reader(bytes.NewReader(record)).Read()
		if err != nil {
			return r, err
		}
		if len(fields) != f.fields {
			return r, fmt.Errorf("%d columns where the first row has %d", len(fields), f.fields)
		}
		if f.image >= 0 {
			if r.image, err = f.readImage(fields[f.image]); err != nil {
				return r, err
			}
		}
		if f.label >= 0 {
			r.label = strings.TrimSpace(fields[f.label])
		}
		join := func(columns []int) string {
			parts := make([]string, len(columns))
			for i, column := range columns {
				parts[i] = fields[column]
			}
			return strings.Join(parts, " ")
		}
		r.text, r.textB = join(f.text), join(f.textB)
		return r, nil
	}}
	return t.openFiles(c, func(f *lineFile) error {
		mark := int64(0) // the byte order mark that spreadsheets write
		if head, err := f.source.part(0, min(3, f.source.size)); err == nil && string(head) == "\ufeff" {
			mark = 3
		}
		x := reader(io.NewSectionReader(f.source, mark, f.source.size-mark))
		f.starts = []int64{mark}
		for n := int64(0); ; n++ {
			fields, err := x.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("row %d: %w", n, err) // where the next row begins is not known
			}
			if n == 0 {
				f.fields = len(fields)
				names := make([]string, len(fields))
				for i, name := range fields {
					names[i] = strconv.Itoa(i + 1)
					if c.Header {
						names[i] = strings.Clone(name)
					}
				}
				if f.image, f.label, f.text, f.textB, err = findColumns(names, c); err != nil {
					return err
				}
				if c.Header {
					f.starts[0] = mark + x.InputOffset()
					continue
				}
			}
			f.starts = append(f.starts, mark+x.InputOffset())
		}
		return nil
	})
}

// findColumns finds the configured columns by name.
func findColumns(names []string, c Config) (image, label int, text, textB []int, err error) {
	find := func(name, field string) int {
		at := slices.Index(names, name)
		if at < 0 && err == nil {
			err = fmt.Errorf("%s: no column %q; the columns are %q", field, name, names)
		}
		return at
	}
	image, label = -1, -1
	if c.Image != "" {
		image = find(c.Image, "image")
	}
	if c.Label != "" {
		label = find(c.Label, "label")
	}
	for _, name := range c.Text {
		text = append(text, find(name, "text"))
	}
	for _, name := range c.TextB {
		textB = append(textB, find(name, "text_b"))
	}
	return image, label, text, textB, err
}

// readImage reads an image that a table names by its path in the folder of the table.
func (f *lineFile) readImage(name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	data, err := readRoot(f.root, name)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", name, err)
	}
	return data, nil
}

func openJSONL(c Config) (table, error) {
	t := &lineTable{parse: func(f *lineFile, record []byte) (r row, err error) {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(record, &fields); err != nil {
			return r, err
		}
		get := func(name string) string {
			value, ok := fields[name]
			var text string
			var number json.Number
			switch {
			case err != nil:
			case !ok:
				err = fmt.Errorf("no field %q", name)
			case len(value) > 0 && value[0] == '"':
				err = json.Unmarshal(value, &text)
			case json.Unmarshal(value, &number) == nil && number != "":
				text = number.String()
			default:
				err = fmt.Errorf("field %q is neither a string nor a number", name)
			}
			return text
		}
		if c.Label != "" {
			r.label = get(c.Label)
		}
		join := func(names []string) string {
			parts := make([]string, len(names))
			for i, name := range names {
				parts[i] = get(name)
			}
			return strings.Join(parts, " ")
		}
		r.text, r.textB = join(c.Text), join(c.TextB)
		if c.Image != "" {
			name := get(c.Image)
			if err == nil {
				r.image, err = f.readImage(name)
			}
		}
		return r, err
	}}
	return t.openFiles(c, func(f *lineFile) error {
		var err error
		f.starts, err = lineStarts(f.source, false)
		return err
	})
}

// lineStarts finds where lines begin, and the end. Without empty, lines of white space are part of the line before.
func lineStarts(s *source, empty bool) ([]int64, error) {
	starts := []int64{}
	buffer := make([]byte, 1<<20)
	at, start, blank := int64(0), int64(0), true
	for at < s.size {
		n, err := s.ReadAt(buffer[:min(int64(len(buffer)), s.size-at)], at)
		if n == 0 {
			return nil, err
		}
		for i, b := range buffer[:n] {
			if b > ' ' {
				blank = false
			}
			if b == '\n' {
				if !blank || empty {
					starts = append(starts, start)
					if start, blank = at+int64(i)+1, true; len(starts) > maxRows {
						return nil, fmt.Errorf("more than %d lines", int64(maxRows))
					}
				}
			}
		}
		at += int64(n)
	}
	if start < s.size && (!blank || empty) {
		starts = append(starts, start)
	}
	return append(starts, s.size), nil
}
