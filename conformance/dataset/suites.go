package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/datasets"
)

// Target is a dataset to be tested.
type Target struct {
	Name string // such as "shapes"
	// Open opens it; every time it is the same.
	Open func(ctx context.Context) (datasets.Dataset, error)
	// Others open datasets of other contents, by what is different: their
	// fingerprints must be, too.
	Others map[string]func(ctx context.Context) (datasets.Dataset, error)
}

// opened is a dataset that a check reads, and the numbers that it draws.
type opened struct {
	Target
	datasets.Dataset
	stream numerics.Stream
	at     uint64
}

// below returns a row's number, or another one of 0 to n-1.
func (o *opened) below(n int64) int64 {
	o.at++
	return int64(uint64(o.stream.At(o.at-1)) * uint64(min(n, math.MaxUint32)) >> 32)
}

var checks = []struct {
	name string
	many bool // tried with many requests
	run  func(ctx context.Context, o *opened) error
}{
	{"contract", false, contract},
	{"schema", true, schema},
	{"any order", true, anyOrder},
	{"in sequence", true, inSequence},
	{"several at once", true, concurrent},
	{"rows that there are not", true, outside},
	{"an ended context", true, ended},
	{"opened again", true, again},
	{"fingerprints", false, fingerprints},
}

// Units lists the suites of a dataset; n is how many requests try a property.
func Units(t Target, seed uint64, n int) []suite.Unit {
	var units []suite.Unit
	for _, c := range checks {
		count := 1
		if c.many {
			count = n
		}
		units = append(units, suite.Unit{Suite: c.name, Name: t.Name, Cases: count, Run: func(ctx context.Context, r *suite.Recorder) {
			for i := range count {
				name := fmt.Sprintf("%s/%s/%d", c.name, t.Name, i)
				if !r.Want(name) || ctx.Err() != nil {
					continue
				}
				r.Case(name, nil, suite.Guard(func() error {
					d, err := t.Open(ctx)
					if err != nil {
						return fmt.Errorf("it does not open: %w", err)
					}
					o := &opened{Target: t, Dataset: d, stream: numerics.Stream{Seed: seed, Stream: uint32(i)}}
					err = suite.Guard(func() error { return c.run(ctx, o) })
					if closed := d.Close(); err == nil && closed != nil {
						err = fmt.Errorf("closing: %w", closed)
					}
					return err
				}))
			}
		}})
	}
	return units
}

// read reads rows and checks what every record must be.
func (o *opened) read(ctx context.Context, rows ...int64) (arrow.Record, error) {
	r, err := o.Read(ctx, slices.Clone(rows))
	if err != nil {
		return nil, fmt.Errorf("rows %v: %w", rows, err)
	}
	if r.NumRows() != int64(len(rows)) {
		defer r.Release()
		return nil, fmt.Errorf("rows %v: a record of %d rows", rows, r.NumRows())
	}
	if !r.Schema().Equal(o.Schema()) {
		defer r.Release()
		return nil, fmt.Errorf("rows %v: a record of schema %v, not %v", rows, r.Schema(), o.Schema())
	}
	return r, nil
}

// same reports the first row of a record that is not the one read alone.
func (o *opened) same(ctx context.Context, r arrow.Record, rows []int64) error {
	for i, row := range rows {
		alone, err := o.read(ctx, row)
		if err != nil {
			return err
		}
		part := r.NewSlice(int64(i), int64(i+1))
		equal := array.RecordEqual(part, alone)
		part.Release()
		alone.Release()
		if !equal {
			return fmt.Errorf("row %d, read as number %d of %v, is not row %d read alone", row, i, rows, row)
		}
	}
	return nil
}

// request draws up to 8 rows, with repeats now and then.
func (o *opened) request() []int64 {
	rows := []int64{o.below(o.Len())}
	for range o.below(8) {
		next := o.below(o.Len())
		if o.below(4) == 0 {
			next = rows[o.below(int64(len(rows)))]
		}
		rows = append(rows, next)
	}
	return rows
}

// sum is a SHA-256 in hexadecimal.
var sum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// contract: what it says of itself holds together.
func contract(ctx context.Context, o *opened) error {
	switch {
	case o.Schema() == nil || o.Schema().NumFields() == 0:
		return errors.New("it has no schema, or one without a column")
	case o.Len() < 1:
		return fmt.Errorf("it has %d rows, needs at least one", o.Len())
	case !sum.MatchString(o.Fingerprint()):
		return fmt.Errorf("its fingerprint is %q, not a SHA-256 of 64 hexadecimal digits", o.Fingerprint())
	}
	seen := map[string]bool{}
	for _, f := range o.Schema().Fields() {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("its columns are not named, each once: %v", o.Schema())
		}
		seen[f.Name] = true
	}
	for _, row := range []int64{0, o.Len() - 1} {
		r, err := o.read(ctx, row)
		if err != nil {
			return err
		}
		r.Release()
	}
	none, err := o.read(ctx)
	if err != nil {
		return fmt.Errorf("no rows at all, which is a record without rows: %w", err)
	}
	none.Release()
	return nil
}

// schema: columns are as it says, of values where it says that none is missing.
func schema(ctx context.Context, o *opened) error {
	r, err := o.read(ctx, o.request()...)
	if err != nil {
		return err
	}
	defer r.Release()
	for i, f := range o.Schema().Fields() {
		c := r.Column(i)
		if !arrow.TypeEqual(c.DataType(), f.Type) {
			return fmt.Errorf("column %q holds %v, the schema says %v", f.Name, c.DataType(), f.Type)
		}
		if !f.Nullable && c.NullN() > 0 {
			return fmt.Errorf("column %q has %d missing values, the schema says none", f.Name, c.NullN())
		}
	}
	return nil
}

// anyOrder: rows are the same in whatever order and company.
func anyOrder(ctx context.Context, o *opened) error {
	rows := o.request()
	for range 2 {
		r, err := o.read(ctx, rows...)
		if err != nil {
			return err
		}
		err = o.same(ctx, r, rows)
		r.Release()
		if err != nil {
			return err
		}
		slices.Reverse(rows)
	}
	return nil
}

// inSequence: a run of rows is what each of them is.
func inSequence(ctx context.Context, o *opened) error {
	var rows []int64
	for i, first := int64(0), o.below(o.Len()); i < 12 && first+i < o.Len(); i++ {
		rows = append(rows, first+i)
	}
	r, err := o.read(ctx, rows...)
	if err != nil {
		return err
	}
	defer r.Release()
	return o.same(ctx, r, rows)
}

// concurrent: many readers at once read what one reads.
func concurrent(ctx context.Context, o *opened) error {
	const readers = 6
	var requests [readers][]int64
	var want [readers]arrow.Record
	var errs [readers]error
	for i := range readers {
		requests[i] = o.request()
		r, err := o.read(ctx, requests[i]...)
		if err != nil {
			return err
		}
		defer r.Release()
		want[i] = r
	}
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			errs[i] = suite.Guard(func() error {
				r, err := o.read(ctx, requests[i]...)
				if err != nil {
					return err
				}
				defer r.Release()
				if !array.RecordEqual(r, want[i]) {
					return fmt.Errorf("rows %v are others while several read", requests[i])
				}
				return nil
			})
		})
	}
	all.Wait()
	return errors.Join(errs[:]...)
}

// outside: rows that there are not are refused, alone and among others, and
// change nothing.
func outside(ctx context.Context, o *opened) error {
	good := o.request()
	for _, bad := range []int64{-1, o.Len(), o.Len() + 1 + o.below(1<<20), math.MinInt64, math.MaxInt64} {
		for _, rows := range [][]int64{{bad}, append(slices.Clone(good), bad), append([]int64{bad}, good...)} {
			r, err := o.Read(ctx, rows)
			if err == nil {
				r.Release()
				return fmt.Errorf("rows %v of %d are read", rows, o.Len())
			}
		}
	}
	r, err := o.read(ctx, good...)
	if err != nil {
		return err
	}
	defer r.Release()
	return o.same(ctx, r, good)
}

// ended: after the context's end there are right rows or an error.
func ended(ctx context.Context, o *opened) error {
	over, cancel := context.WithCancel(ctx)
	cancel()
	rows := o.request()
	r, err := o.Read(over, slices.Clone(rows))
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("after the context's end the error is not the context's: %w", err)
		}
		return nil
	}
	defer r.Release()
	return o.same(ctx, r, rows)
}

// again: opened another time, at the same time, it is the same.
func again(ctx context.Context, o *opened) (err error) {
	other, err := o.Open(ctx)
	if err != nil {
		return fmt.Errorf("it does not open a second time: %w", err)
	}
	defer func() {
		if closed := other.Close(); err == nil {
			err = closed
		}
	}()
	if !other.Schema().Equal(o.Schema()) || other.Len() != o.Len() || other.Fingerprint() != o.Fingerprint() {
		return fmt.Errorf("opened again it has %d rows, fingerprint %s and schema %v; before, %d, %s and %v",
			other.Len(), other.Fingerprint(), other.Schema(), o.Len(), o.Fingerprint(), o.Schema())
	}
	rows := o.request()
	x, err := o.read(ctx, rows...)
	if err != nil {
		return err
	}
	defer x.Release()
	second := &opened{Target: o.Target, Dataset: other}
	y, err := second.read(ctx, rows...)
	if err != nil {
		return err
	}
	defer y.Release()
	if !array.RecordEqual(x, y) {
		return fmt.Errorf("rows %v are others, opened again", rows)
	}
	return nil
}

// fingerprints: other contents have another.
func fingerprints(ctx context.Context, o *opened) error {
	seen := map[string]string{o.Fingerprint(): "this one"}
	for name, open := range o.Others {
		other, err := open(ctx)
		if err != nil {
			return fmt.Errorf("%s: it does not open: %w", name, err)
		}
		f := other.Fingerprint()
		if err := other.Close(); err != nil {
			return fmt.Errorf("%s: closing: %w", name, err)
		}
		if like, ok := seen[f]; ok {
			return fmt.Errorf("%s has the fingerprint of %s", name, like)
		}
		seen[f] = name
	}
	return nil
}
