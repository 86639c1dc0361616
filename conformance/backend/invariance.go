package backend

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/core/device"
)

// A variation runs a case in another way, which must not change its bits.
type variation struct {
	name     string
	threads  int
	messages bool // tensors travel in messages
	// applies says whether the case can be run so.
	applies func(c *cases.Case) bool
	run     func(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error)
}

func always(*cases.Case) bool { return true }

func onThreads(n int) variation {
	return variation{name: fmt.Sprintf("%d threads", n), threads: n, applies: always, run: once}
}

// inMessages is for processes only: other ones have no data plane.
var inMessages = variation{name: "in messages", messages: true, applies: always, run: inBuffers}

var variations = []variation{
	onThreads(1), onThreads(2), onThreads(3), onThreads(5),
	{name: "repeated", applies: always, run: repeated},
	{name: "in buffers", applies: always, run: inBuffers},
	{name: "unaligned", applies: always, run: unaligned},
	{name: "donated", applies: always, run: donated},
	{name: "in slices", applies: func(c *cases.Case) bool { return c.Rows != nil && !c.Classes && rowsOf(c) > 1 }, run: inSlices},
}

func hostArguments(c *cases.Case) []plugin.Argument {
	in := make([]plugin.Argument, len(c.Args))
	for i, a := range c.Args {
		in[i].Data = a
	}
	return in
}

// once runs the case as it is.
func once(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	p, err := compile(ctx, d, info, c.Func)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	return p.run(ctx, hostArguments(c))
}

// repeated runs one executable on other values and then twice; the arguments
// must come out as they went in.
func repeated(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	p, err := compile(ctx, d, info, c.Func)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	in := hostArguments(c)
	before := make([][]byte, len(in))
	for i := range in {
		before[i] = bytes.Clone(c.Args[i])
	}
	zeros := make([]plugin.Argument, len(in))
	for i, a := range c.Args {
		zeros[i].Data = make([]byte, len(a))
	}
	if _, err := p.run(ctx, zeros); err != nil {
		return nil, fmt.Errorf("on zeros: %w", err)
	}
	first, err := p.run(ctx, in)
	if err != nil {
		return nil, err
	}
	second, err := p.run(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("the second time: %w", err)
	}
	for i := range first {
		if !bytes.Equal(first[i], second[i]) {
			return nil, fmt.Errorf("result %d of the second run is not that of the first", i)
		}
	}
	for i := range in {
		if !bytes.Equal(before[i], c.Args[i]) {
			return nil, fmt.Errorf("the run changed argument %d", i)
		}
	}
	return second, nil
}

// upload puts the arguments into buffers, with others of odd sizes between them
// that are released at once, so that they lie at other places.
func upload(ctx context.Context, d device.Device, c *cases.Case, donate bool) (in []plugin.Argument, err error) {
	for i, p := range c.Func.Params {
		n := 3 + 5*i
		odd, err := d.Upload(ctx, ir.T(ir.F32, n), make([]byte, 4*n))
		if err != nil {
			return in, fmt.Errorf("uploading: %w", err)
		}
		b, err := d.Upload(ctx, p.Type, c.Args[i])
		if err != nil {
			return in, fmt.Errorf("uploading: %w", err)
		}
		if i%2 == 0 {
			odd.Release()
		} else {
			defer odd.Release()
		}
		in = append(in, plugin.Argument{Buffer: b, Donate: donate})
	}
	return in, nil
}

// inBuffers runs on buffers, which must hold afterwards what they held before.
func inBuffers(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	p, err := compile(ctx, d, info, c.Func)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	in, err := upload(ctx, d, c, false)
	if err != nil {
		return nil, err
	}
	out, err := p.run(ctx, in)
	if err != nil {
		return nil, err
	}
	for i, a := range in {
		held := make([]byte, len(c.Args[i]))
		if err := a.Buffer.Download(ctx, held); err != nil {
			return nil, fmt.Errorf("downloading argument %d: %w", i, err)
		}
		want := bytes.Clone(c.Args[i])
		cases.Canonical(c.Func.Params[i].Type.DType, held)
		cases.Canonical(c.Func.Params[i].Type.DType, want)
		if !bytes.Equal(held, want) {
			return nil, fmt.Errorf("the run changed the buffer of argument %d", i)
		}
		a.Buffer.Release()
	}
	return out, nil
}

// unaligned hands over bytes that begin at odd addresses.
func unaligned(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	odd := *c
	odd.Args = make([][]byte, len(c.Args))
	for i, a := range c.Args {
		room := make([]byte, len(a)+3)
		odd.Args[i] = room[1+i%3:][:len(a)]
		copy(odd.Args[i], a)
	}
	return once(ctx, d, info, &odd)
}

// donated gives every buffer away, and reads results after others were made.
func donated(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	p, err := compile(ctx, d, info, c.Func)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	in, err := upload(ctx, d, c, true)
	if err != nil {
		return nil, err
	}
	out, err := p.run(ctx, in)
	if err != nil {
		return nil, err
	}
	again, err := upload(ctx, d, c, false)
	if err != nil {
		return nil, err
	}
	second, err := p.run(ctx, again)
	if err != nil {
		return nil, err
	}
	for _, a := range again {
		a.Buffer.Release()
	}
	for i := range out {
		if !bytes.Equal(out[i], second[i]) {
			return nil, fmt.Errorf("result %d of a run that may keep its buffers is not that of one that was given them", i)
		}
	}
	return out, nil
}

// rowsOf returns the size of the dimension that a case can be cut along.
func rowsOf(c *cases.Case) int { return c.Func.Params[c.Rows[0]].Type.Shape[0] }

// inSlices runs the rows in two parts and joins the results.
func inSlices(ctx context.Context, d device.Device, info plugin.BackendInfo, c *cases.Case) ([][]byte, error) {
	n := rowsOf(c)
	out := make([][]byte, len(c.Func.Results))
	for _, part := range [][2]int{{0, 1 + n/3}, {1 + n/3, n}} {
		k, err := rows(c, part[0], part[1])
		if err != nil {
			return nil, err
		}
		got, err := once(ctx, d, info, k)
		if err != nil {
			return nil, fmt.Errorf("rows %d to %d: %w", part[0], part[1], err)
		}
		for i := range got {
			out[i] = append(out[i], got[i]...)
		}
	}
	return out, nil
}

// rows returns the case on some of its rows.
func rows(c *cases.Case, lo, hi int) (*cases.Case, error) {
	b := ir.NewBuilder(c.Func.Name)
	k := *c
	k.Args = slices.Clone(c.Args)
	var m []ir.Value
	for i, p := range c.Func.Params {
		t := p.Type
		if slices.Contains(c.Rows, i) {
			stride := 0
			if t.Shape[0] > 0 {
				stride = t.Bytes() / t.Shape[0]
			}
			k.Args[i] = c.Args[i][lo*stride : hi*stride]
			t = t.With(append([]int{hi - lo}, t.Shape[1:]...)...)
		}
		m = append(m, b.Param(p.Name, t))
	}
	if finish(&k, b, m) == nil {
		return nil, fmt.Errorf("case %s does not take fewer rows: %w", c.Name, b.Err())
	}
	return &k, nil
}
