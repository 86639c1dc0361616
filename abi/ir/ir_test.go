package ir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `seedbed.program 1
func loss(%0 "x": f32[2,3], %1 "w": f32[3]) {
  %2 = broadcast_in_dim.1(%1) {dimensions=[1] shape=[2,3]} : f32[2,3]
  %3 = multiply.1(%0, %2) : f32[2,3]
  %4 = reduce.1(%3) {dimensions=[0,1] kind="sum"} : f32[]
  return "loss" %4
}
`

func sampleFunc(t *testing.T) *Func {
	b := NewBuilder("loss")
	x, w := b.Param("x", T(F32, 2, 3)), b.Param("w", T(F32, 3))
	b.Return("loss", b.ReduceSum(b.Mul(x, b.BroadcastTo(w, 2, 3)), 0, 1))
	f, err := b.Func()
	require.NoError(t, err)
	return f
}

func TestTextRoundTrip(t *testing.T) {
	p := &Program{Funcs: []*Func{sampleFunc(t)}}
	assert.Equal(t, sample, p.String())
	q, err := Parse(sample)
	require.NoError(t, err)
	assert.Equal(t, p.String(), q.String())
	assert.Equal(t, p.Hash(), q.Hash())
	loose, err := Parse("# a comment\n\n" + strings.ReplaceAll(sample, ", ", " ,\t"))
	require.NoError(t, err)
	assert.Equal(t, p.Hash(), loose.Hash())
}

// Every kind of attribute survives the round trip, bit by bit.
func TestTextAttributes(t *testing.T) {
	b := NewBuilder("f")
	s := b.Param("state", T(U32, 4))
	b.Return("c", b.Constant(T(F32, 2), []byte{0, 0, 0x80, 0x7f, 1, 0, 0, 0}))
	b.Return("i", b.Iota(T(I64, 2, 0), 1))
	b.Return("bits", b.RngBitGenerator(s, 1<<32-1, 3))
	f, err := b.Func()
	require.NoError(t, err)
	p := &Program{Funcs: []*Func{f}}
	q, err := Parse(p.String())
	require.NoError(t, err)
	assert.Equal(t, p, q)
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"another major":       {"program 1", "program 2", "line 1: program of ABI major 2, this is 1"},
		"unknown op":          {"multiply", "multiplyy", `unknown op "multiplyy"`},
		"newer op":            {"multiply.1", "multiply.2", "has version 2, this ABI knows version 1"},
		"unknown attribute":   {"dimensions=[1]", "dimensionz=[1]", `unknown attribute "dimensionz"`},
		"missing attribute":   {`dimensions=[0,1] kind="sum"`, `kind="sum"`, `attribute "dimensions" is missing`},
		"attribute twice":     {"dimensions=[1]", "dimensions=[1] dimensions=[1]", "not sorted"},
		"unknown word":        {`"sum"`, `"summ"`, "not one of and, max, min, or, prod, sum"},
		"wrong kind":          {"dimensions=[1]", "dimensions=1", "is of kind ints, not int"},
		"wrong result type":   {"kind=\"sum\"} : f32[]", "kind=\"sum\"} : f32[2]", "the results are"},
		"shape mismatch":      {`"w": f32[3]`, `"w": f32[4]`, "cannot become dimension"},
		"undefined operand":   {"(%0, %2)", "(%0, %9)", "not defined before it"},
		"own result":          {"(%0, %2)", "(%0, %3)", "not defined before it"},
		"negative dimension":  {"f32[2,3], %1", "f32[2,-3], %1", "negative"},
		"huge tensor":         {"f32[2,3], %1", "f32[2000000,2000000], %1", "more than"},
		"unknown dtype":       {`"w": f32[3]`, `"w": f33[3]`, `unknown dtype "f33"`},
		"wrong numbering":     {"%3 = ", "%7 = ", "numbered 7, not 3"},
		"undefined result":    {`"loss" %4`, `"loss" %5`, "does not exist"},
		"no result":           {"  return \"loss\" %4\n", "", "returns nothing"},
		"parameter twice":     {`"w"`, `"x"`, "declared twice"},
		"not closed":          {"}\n", "", "is not closed"},
		"trailing text":       {": f32[]\n", ": f32[] x\n", `line 5: unexpected "x"`},
		"dimension twice":     {"dimensions=[0,1]", "dimensions=[1,1]", "given twice"},
		"dimension unsorted":  {"dimensions=[0,1]", "dimensions=[1,0]", "not ascending"},
		"dimension too large": {"dimensions=[0,1]", "dimensions=[0,2]", "outside rank 2"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(sample, c.old, c.new, 1)
			require.NotEqual(t, sample, text)
			_, err := Parse(text)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
		})
	}
	_, err := Parse("")
	assert.ErrorContains(t, err, "1 to 1024 functions, not 0")
}

func TestBuilderReportsTheFirstError(t *testing.T) {
	b := NewBuilder("f")
	x := b.Param("x", T(F32, 2))
	y := b.Add(x, b.Const(F32, 1))
	b.Return("y", b.Exp(y))
	_, err := b.Func()
	require.Error(t, err)
	assert.Equal(t, "func f: op 1 (add): rhs must be f32[2], is f32[]", err.Error())
}

func TestTableIsComplete(t *testing.T) {
	for _, d := range OpDefs() {
		assert.NotEmpty(t, d.Doc, d.Name)
		assert.NotEmpty(t, d.Numerics, d.Name)
		assert.NotEmpty(t, d.Group, d.Name)
		assert.NotEmpty(t, d.Results, d.Name)
		assert.NotNil(t, d.infer, d.Name)
		for _, a := range d.Attrs {
			assert.NotEmpty(t, a.Doc, "%s.%s", d.Name, a.Name)
			assert.Equal(t, a.Kind == AttrString, a.Words != nil, "%s.%s", d.Name, a.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("seedbed.program 1\nfunc f(%0 \"x\": u32[4]) {\n  %1 = rng_bit_generator.1(%0) {shape=[3] stream=7} : u32[3]\n  return \"y\" %1\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		q, err := Parse(p.String())
		require.NoError(t, err)
		require.Equal(t, p.String(), q.String())
	})
}

func TestNamesThatTheTextCannotHold(t *testing.T) {
	for name, want := range map[string]string{
		"f(x": "no parenthesis",
		"f x": "printable ASCII without space",
		"":    "a name has 1 to 256 bytes",
	} {
		b := NewBuilder(name)
		b.Return("y", b.Const(F32, 1))
		_, err := b.Func()
		assert.ErrorContains(t, err, want)
	}
	b := NewBuilder("f")
	x := b.Const(F32, 1)
	b.Return("y", x)
	b.Return("y", x)
	_, err := b.Func()
	assert.ErrorContains(t, err, `result "y" is returned twice`)
}
