package ir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const loop = `seedbed.program 1
func f(%0 "n": i32[]) {
  %1 = while.1(%0) : i32[] {
    func positive(%0 "n": i32[]) {
      %1 = constant.1() {dtype=dtype:i32 shape=[] value=x:00000000} : i32[]
      %2 = compare.1(%0, %1) {direction="gt"} : bool[]
      return "more" %2
    }
    func less(%0 "n": i32[]) {
      %1 = call.1(%0) : i32[] {
        func negative(%0 "n": i32[]) {
          %1 = negate.1(%0) : i32[]
          return "y" %1
        }
      }
      return "n" %1
    }
  }
  return "n" %1
}
`

func TestRegionsInText(t *testing.T) {
	p, err := Parse(loop)
	require.NoError(t, err)
	assert.Equal(t, loop, p.String())
	body := p.Funcs[0].Ops[0].Regions[1]
	assert.Equal(t, "negative", body.Ops[0].Regions[0].Name)
}

func TestRegionsAreChecked(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"a region more":        {"    func less", "    func more() {\n%0 = iota.1() {dimension=0 dtype=dtype:i32 shape=[1]} : i32[1]\nreturn \"y\" %0\n}\n    func less", "runs 2 functions (condition, body), has 3"},
		"condition of no bool": {`return "more" %2`, `return "more" %1`, "condition gives [i32[]], must give one bool[]"},
		"body of another type": {"%1 = negate.1(%0) : i32[]", "%1 = convert.1(%0) {dtype=dtype:f32} : f32[]", "the results are [f32[]], not [i32[]]"},
		"another parameter":    {`func less(%0 "n": i32[])`, `func less(%0 "n": i32[2])`, "func"},
		"a bad op inside":      {"negate.1", "negated.1", `unknown op "negated"`},
		"a value from outside": {"%1 = negate.1(%0)", "%1 = negate.1(%7)", "not defined before it"},
		"regions of an add":    {"while.1(%0)", "negate.1(%0)", "runs 0 functions (), has 2"},
		"not closed":           {"  }\n  return \"n\" %1\n}\n", "", "is not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(loop, c.old, c.new, 1)
			require.NotEqual(t, loop, text)
			_, err := Parse(text)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
		})
	}
	// One function within another, over and over.
	inner := sampleFunc(t)
	for depth := 0; ; depth++ {
		b := NewBuilder("f")
		x, w := b.Param("x", T(F32, 2, 3)), b.Param("w", T(F32, 3))
		b.Return("loss", b.Call(inner, x, w)[0])
		f, err := b.Func()
		if err != nil {
			assert.ErrorContains(t, err, "regions lie more than 8 deep")
			assert.Equal(t, MaxDepth, depth)
			break
		}
		inner = f
		require.Less(t, depth, 2*MaxDepth)
	}
}

// A call is its callee, wherever it stands.
func TestExpandReachesRegions(t *testing.T) {
	p, err := Parse(loop)
	require.NoError(t, err)
	f, err := Expand(p.Funcs[0], func(*Op) bool { return false })
	require.NoError(t, err)
	assert.Equal(t, "negate", f.Ops[0].Regions[1].Ops[0].Name)
	assert.Equal(t, "call", p.Funcs[0].Ops[0].Regions[1].Ops[0].Name, "the program given is unchanged")
}
