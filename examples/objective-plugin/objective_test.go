package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/conformance"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// The suite, in one line.
func TestConformance(t *testing.T) {
	conformance.RunObjective(t, Objective{}, conformance.Options{Profile: "core"})
}

func images(n int) batchtest.Column {
	v := make([]uint8, n*12*12*3)
	for i := range v {
		v[i] = uint8(i * i / 7)
	}
	return batchtest.Column{Name: "image", Length: 12 * 12 * 3, Values: v, Image: [3]int{12, 12, 3}}
}

func request(config string, n, d int) plugin.BindRequest {
	view := ir.T(ir.F32, n, 3, 8, 8)
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "two_view_encoder", Rows: batchtest.Schema(images(n)),
		Inputs:  []ir.Param{{Name: "view_a", Type: view}, {Name: "view_b", Type: view}},
		Outputs: []ir.Param{{Name: "embeddings", Type: ir.T(ir.F32, 2*n, d)}},
	}
}

func bind(t *testing.T, r plugin.BindRequest) plugin.Binding {
	b, err := Objective{}.Bind(t.Context(), r)
	require.NoError(t, err)
	return b
}

// evaluate runs the loss on the reference backend and returns its results by
// name.
func evaluate(t *testing.T, f *ir.Func, z []float32) map[string]float64 {
	x := reference.Backend{}
	e, err := x.Compile(t.Context(), f)
	require.NoError(t, err)
	var data []byte
	for _, v := range z {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	out, err := e.Execute(t.Context(), []plugin.Argument{{Data: data}})
	require.NoError(t, err)
	m := map[string]float64{}
	for i, r := range f.Results {
		var value [4]byte
		require.NoError(t, out[i].Download(t.Context(), value[:]))
		m[r.Name] = float64(math.Float32frombits(binary.LittleEndian.Uint32(value[:])))
	}
	return m
}

// The loss is the paper's formula, written here in float64 and without a
// matrix.
func TestLossIsThePapersFormula(t *testing.T) {
	const n, d, lambda = 5, 3, 0.25
	b := bind(t, request(`{"lambda": 0.25}`, n, d))
	z := make([]float32, 2*n*d)
	for i := range z {
		z[i] = float32(math.Sin(float64(3*i*i + 1)))
	}
	standard := func(view, component int) (l []float64) {
		mean, square := 0.0, 0.0
		for i := range n {
			v := float64(z[(view*n+i)*d+component])
			l, mean = append(l, v), mean+v/n
		}
		for _, v := range l {
			square += (v - mean) * (v - mean) / n
		}
		for i := range l {
			l[i] = (l[i] - mean) / math.Sqrt(square+1e-5)
		}
		return l
	}
	on, off := 0.0, 0.0
	for i := range d {
		for j := range d {
			c := 0.0
			for k, v := range standard(0, i) {
				c += v * standard(1, j)[k] / n
			}
			if i == j {
				on += (1 - c) * (1 - c)
			} else {
				off += c * c
			}
		}
	}
	got := evaluate(t, b.Loss(), z)
	assert.InDelta(t, on, got["invariance"], 1e-5)
	assert.InDelta(t, off, got["redundancy"], 1e-5)
	assert.InDelta(t, on+lambda*off, got["loss"], 1e-5)
	assert.Equal(t, 1.0, got["weight"])
}

// Equal views whose components are independent are what it wants: there the
// loss is zero but for epsilon.
func TestTheIdentityIsTheMinimum(t *testing.T) {
	b := bind(t, request(``, 4, 2))
	square := []float32{1, 1, 1, -1, -1, 1, -1, -1}
	got := evaluate(t, b.Loss(), append(square[:8:8], square...))
	assert.InDelta(t, 0, got["loss"], 1e-8)
	// Two components that are the same tell everything twice.
	same := []float32{1, 1, 1, 1, -1, -1, -1, -1}
	got = evaluate(t, b.Loss(), append(same[:8:8], same...))
	assert.InDelta(t, 2, got["redundancy"], 1e-3)
}

func TestViews(t *testing.T) {
	rows := batchtest.Record(t, images(4))
	b := bind(t, request(``, 4, 2))
	first := batchtest.Make(t, b, rows, plugin.Position{Seed: 1, Step: 2}).Floats
	assert.NotEqual(t, first["view_a"], first["view_b"])
	assert.NotEqual(t, first["view_a"], batchtest.Make(t, b, rows, plugin.Position{Seed: 1, Step: 3}).Floats["view_a"])
	plain := batchtest.Make(t, bind(t, request(`{"augment": "none"}`, 4, 2)), rows, plugin.Position{}).Floats
	assert.Equal(t, plain["view_a"], plain["view_b"])
}

func TestRefuses(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := request(``, 4, 2)
		c(&r)
		return r
	}
	for want, r := range map[string]plugin.BindRequest{
		"a grain has 1 image; a correlation needs at least 2": request(``, 1, 2),
		"needs two of each image":                             change(func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, 4, 2) }),
		"needs a model of role two_view_encoder":              change(func(r *plugin.BindRequest) { r.Role = "causal_lm" }),
		"field lambda: must be 0 to 1, is 2":                  request(`{"lambda": 2}`, 4, 2),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}
