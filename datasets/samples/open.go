package samples

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/seedbed/seedbed/datasets"
)

// Set is data ready for use.
type Set struct {
	Data    datasets.Dataset
	Classes []string // by label; nil without labels
	Skipped int64    // bad samples left out
	Reasons []string // why, of the first few
	Cached  bool     // rows were not read again

	keys []byte
}

// Close closes the data, and with it what Split returned.
func (s *Set) Close() error { return s.Data.Close() }

// Split divides the rows by a hash of their image, or where there is none of their content: about the given part goes to the second
// dataset. Equal images are on the same side, and a row stays on its side when others are added. Close closes neither.
func (s *Set) Split(fraction float64) (train, validation datasets.Dataset, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Errorf("split samples: fraction %v is outside (0, 1)", fraction)
	}
	limit := uint64(fraction * (1 << 53))
	var sides [2][]int64
	for i := range int64(len(s.keys) / keyBytes) {
		side := 0
		if binary.LittleEndian.Uint64(s.keys[i*keyBytes:])>>11 < limit {
			side = 1
		}
		sides[side] = append(sides[side], i)
	}
	if train, err = datasets.Select(s.Data, sides[0]); err != nil {
		return nil, nil, fmt.Errorf("split samples: %d rows leave none for training: %w", s.Data.Len(), err)
	}
	if validation, err = datasets.Select(s.Data, sides[1]); err != nil {
		return nil, nil, fmt.Errorf("split samples: %v of %d rows is none for validation: %w", fraction, s.Data.Len(), err)
	}
	return train, validation, nil
}

// row is what one sample holds. Which fields count is up to the table's columns.
type row struct {
	image       []byte
	label       string // as the data spells it
	text, textB string
}

// columns says which fields of rows count.
type columns struct {
	Image, Label, Text, TextB bool
	Shape                     [3]int // of images as pixels: height, width, channels
}

// table is the rows of one format. Methods may be called by any number of goroutines at once.
type table interface {
	columns() columns
	len() int64
	// name says where a row comes from, such as "train.csv: row 7" or a file; equal names, equal part of a split.
	name(i int64) string
	// read returns a row, or what is wrong with it.
	read(i int64) (row, error)
	close() error
}

// maxReasons is how many bad samples are described.
const maxReasons = 10

// Open finds the rows of files and checks them. Errors of a row name the file and the row.
func Open(ctx context.Context, config Config) (*Set, error) {
	c, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open samples: %w", err)
	}
	s, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open samples: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, c Config) (_ *Set, err error) {
	key, err := cacheKey(c)
	if err != nil {
		return nil, err
	}
	var t table
	switch c.Format {
	case "folder", "zip", "tar":
		t, err = openGroups(c)
	case "idx":
		t, err = openIDX(c)
	case "csv", "tsv":
		t, err = openCSV(c)
	case "jsonl":
		t, err = openJSONL(c)
	case "parquet", "arrow":
		t, err = openColumnar(c)
	case "lines":
		t, err = openLines(c)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if n := t.len(); n < 1 || n > maxRows {
		return nil, fmt.Errorf("%s: %d rows are outside [1, %d]", c.Paths[0], n, int64(maxRows))
	}
	found, cached := readFindings(c.CacheDir, key, t.len())
	if !cached {
		if found, err = examine(ctx, c, t); err != nil {
			return nil, err
		}
		if unchanged, err := cacheKey(c); err == nil && unchanged == key {
			writeFindings(c.CacheDir, key, found) // the cache may fail; the rows are known
		}
	}
	if len(found.Bad) > 0 && c.OnBadSample == "stop" {
		return nil, errors.New(found.Reasons[0] + " (set on_bad_sample to skip to leave such samples out)")
	}
	s := newSet(c, t, found)
	if s.Len() < 1 {
		return nil, fmt.Errorf("%s: all %d samples are bad, the first: %s", c.Paths[0], t.len(), found.Reasons[0])
	}
	return &Set{Data: s, Classes: found.Classes, Skipped: int64(len(found.Bad)), Reasons: found.Reasons, Cached: cached, keys: found.Keys}, nil
}

// labelNumber returns the label of a row, given the list of classes.
func labelNumber(label string, byName map[string]int32, first, classes int) (int32, error) {
	if i, ok := byName[label]; ok {
		return i, nil
	}
	n, err := strconv.Atoi(label)
	if err != nil {
		return 0, fmt.Errorf("label %q is not one of the %d classes", label, classes)
	}
	if n < first || n-first >= classes {
		return 0, fmt.Errorf("label %d is outside [%d, %d], the %d classes counted from first_label", n, first, first+classes-1, classes)
	}
	return int32(n - first), nil
}

// classesOf makes the class list of labels that occur.
func classesOf(labels map[string]bool, first int) ([]string, error) {
	if len(labels) > maxClasses {
		return nil, fmt.Errorf("more than %d different labels", maxClasses)
	}
	names, highest, numbers := make([]string, 0, len(labels)), first, true
	for name := range labels {
		names = append(names, name)
		n, err := strconv.Atoi(name)
		numbers = numbers && err == nil && n >= first && n-first < maxClasses && strconv.Itoa(n) == name
		highest = max(highest, n)
	}
	if !numbers || len(names) == 0 {
		slices.Sort(names)
		return names, nil
	}
	names = names[:0]
	for n := first; n <= highest; n++ {
		names = append(names, strconv.Itoa(n))
	}
	return names, nil
}
