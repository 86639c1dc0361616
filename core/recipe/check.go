package recipe

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Check reports whether a recipe made in Go is one that Parse could return:
// every value in its range and fit for the others. The error is an *Errors.
func (r *Recipe) Check() error {
	// The text has all that a recipe says, so reading it checks all of it. A
	// value that has no text, such as a NaN, does not come back.
	back, err := Parse(r.source(), r.YAML(), nil)
	if err != nil {
		return err
	}
	errs := &collector{name: r.source()}
	for i := range fields {
		f := &fields[i]
		mine, its := f.ptr(r), f.ptr(back)
		if f.kind == config {
			if string(*mine.(*json.RawMessage)) != string(*its.(*json.RawMessage)) {
				errs.add(r.Where(f.path), f.path, "is not canonical JSON")
			}
		} else if f.kind == objectives && len(r.Objective.Also) == 0 && len(back.Objective.Also) == 0 {
			continue
		} else if f.kind == texts && len(*mine.(*[]string)) == 0 && len(*its.(*[]string)) == 0 {
			continue
		} else if !reflect.DeepEqual(mine, its) {
			errs.add(r.Where(f.path), f.path, "must be %s", f.valid())
		}
	}
	return errs.err()
}

// check adds what is wrong between fields.
func (r *Recipe) check(errs *collector) {
	bad := func(path, format string, args ...any) { errs.add(r.Where(path), path, format, args...) }
	t := r.Train
	switch {
	case t.Grain == 0: // resolve found none
		bad("train.shards", "must divide train.batch_size (%d): valid are %s, not %d", t.BatchSize, divisors(t.BatchSize), t.Shards)
	case t.BatchSize%t.Grain != 0:
		bad("train.grain", "must divide train.batch_size (%d): valid are %s, not %d", t.BatchSize, divisors(t.BatchSize), t.Grain)
	case t.BatchSize/t.Grain%t.Shards != 0:
		grains := t.BatchSize / t.Grain
		bad("train.shards", "must divide the number of grains, train.batch_size / train.grain (%d): valid are %s, not %d", grains, divisors(grains), t.Shards)
	}
	if t.EvalEvery > 0 && r.Data.ValidationFraction == 0 {
		bad("train.eval_every", "there is nothing to validate on: data.validation_fraction is 0; make it larger, or this 0")
	}
	switch d := r.Data; {
	case d.Kind == Samples && len(d.Paths) == 0:
		bad("data.paths", "must name files or a folder, which data.kind samples reads")
	case d.Kind == Samples && d.Format == "text", d.Kind == Text && slices.Contains(sampleFormats, d.Format):
		bad("data.format", "%s is no format of data.kind %s", d.Format, d.Kind)
	case d.Kind == Samples && len(d.TextB) > 0 && len(d.Text) == 0:
		bad("data.text_b", "names the second text of a pair: name the first in data.text")
	case d.Kind == Shapes && d.Label != "" && !slices.Contains(shapeLabels, d.Label):
		bad("data.label", "must be one of %s, where data.kind is shapes, not %q", strings.Join(shapeLabels, ", "), d.Label)
	}
	for i := range fields {
		f := &fields[i]
		if f.usedIf == nil || f.usedIf(r) {
			continue
		}
		if d := zero(); scalars(f.ptr(r)) != scalars(f.ptr(&d)) {
			bad(f.path, "%s: leave it out", f.unused)
		}
	}
}

// shapeLabels are the attributes of shapes that can be labels.
var shapeLabels = []string{"form", "color", "size", "texture", "count"}

// divisors lists those of n > 0, at most 12 of them.
func divisors(n int) string {
	var list []string
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			if len(list) == 12 {
				list = append(list, "...")
				break
			}
			list = append(list, strconv.Itoa(d))
		}
	}
	return strings.Join(list, ", ")
}
