package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The worked example of every op gives on the reference what it says.
func TestExamples(t *testing.T) {
	examples, err := ir.Examples()
	require.NoError(t, err)
	for _, d := range ir.OpDefs() {
		e, ok := examples[d.Name]
		if !assert.True(t, ok, "op %s has no example: add one to abi/ir/examples.txt", d.Name) {
			continue
		}
		in := make([]reference.Tensor, len(e.Args))
		for i, a := range e.Args {
			in[i], err = reference.Decode(e.Func.Params[i].Type, a)
			require.NoError(t, err)
		}
		out, err := reference.Eval(e.Func, in)
		require.NoError(t, err)
		for i, x := range out {
			data := make([]byte, x.Type.Bytes())
			require.NoError(t, x.Encode(data))
			cases.Canonical(x.Type.DType, data)
			assert.Equal(t, ir.FormatTensor(x.Type, e.Results[i]), ir.FormatTensor(x.Type, data), "%s, result %d", d.Name, i)
			assert.Equal(t, e.Results[i], data, "%s, result %d", d.Name, i)
		}
	}
}

// docs/ops is made of the op table and the examples: go test ./conformance
// -run TestOpPages -update writes it anew.
func TestOpPages(t *testing.T) {
	pages := opPages(t)
	dir := filepath.Join("..", "docs", "ops")
	if *update {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for name, text := range pages {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
	}
	have, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range have {
		assert.Contains(t, pages, f.Name(), "docs/ops has a page of no op; run with -update")
	}
	for name, text := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err, "run with -update")
		assert.Equal(t, text, string(got), "docs/ops/%s is not what the op table says; run with -update", name)
	}
}

func opPages(t *testing.T) map[string]string {
	examples, err := ir.Examples()
	require.NoError(t, err)
	units, err := cases.Units()
	require.NoError(t, err)
	dtypes := map[string][]string{}
	for _, u := range units {
		dtypes[u.Op.Name] = append(dtypes[u.Op.Name], u.DType.String())
	}
	groups := map[string][]string{}
	pages := map[string]string{}
	for _, d := range ir.OpDefs() {
		groups[d.Group] = append(groups[d.Group], fmt.Sprintf("- [%s](%s.md): %s\n", d.Name, d.Name, firstSentence(d.Doc)))
		pages[d.Name+".md"] = opPage(t, d, examples[d.Name], dtypes[d.Name])
	}
	var b strings.Builder
	b.WriteString("# The ops of the kernel ABI\n\nOne page an op, made from the op table. The rules that the pages name are in [numerics](../numerics.md).\n")
	for _, g := range slices.Sorted(func(yield func(string) bool) {
		for g := range groups {
			if !yield(g) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "\n## %s%s\n\n%s", strings.ToUpper(g[:1]), g[1:], strings.Join(groups[g], ""))
	}
	pages["README.md"] = b.String()
	return pages
}

// firstSentence is the part of a text up to the first full stop before a space.
func firstSentence(s string) string {
	if head, _, ok := strings.Cut(s, ". "); ok && !strings.HasSuffix(head, "et al") && !strings.HasSuffix(head, "..") {
		return head + "."
	}
	return s
}

func opPage(t *testing.T, d *ir.OpDef, e ir.Example, dtypes []string) string {
	var b strings.Builder
	kind := "a primitive"
	if d.IsComposite() {
		kind = "a composite: a backend may compute it in any way that gives its decomposition's bits"
	}
	fmt.Fprintf(&b, "# %s\n\nVersion %d, %s.\n\n%s\n\n", d.Name, d.Version, kind, d.Doc)
	b.WriteString("**Operands:** " + operandList(d) + ". **Results:** " + strings.Join(d.Results, ", ") + ". **Dtypes:** " + strings.Join(dtypes, ", ") + ".\n\n")
	if len(d.Attrs) > 0 {
		b.WriteString("| attribute | kind | meaning |\n|---|---|---|\n")
		for _, a := range d.Attrs {
			kind := a.Kind.String()
			if a.Words != nil {
				kind = strings.Join(a.Words, ", ")
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", a.Name, kind, a.Doc)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "## Numerics\n\n%s\n\n", d.Numerics)
	b.WriteString("## Example\n\n```\n" + (&ir.Program{Funcs: []*ir.Func{e.Func}}).String() + "```\n\n")
	for i, a := range e.ArgTexts {
		fmt.Fprintf(&b, "- %s: `%s`\n", e.Func.Params[i].Name, a)
	}
	for i, r := range e.ResultTexts {
		fmt.Fprintf(&b, "- gives %s: `%s`\n", e.Func.Results[i].Name, r)
	}
	if d.IsComposite() {
		f, err := ir.Expand(e.Func, func(*ir.Op) bool { return false })
		require.NoError(t, err, d.Name)
		fmt.Fprintf(&b, "\n## Decomposition\n\nOf the example, into primitives:\n\n```\n%s```\n", f)
	}
	b.WriteString("\n## Gradient\n\n" + gradientText(t, d, e))
	return b.String()
}

func operandList(d *ir.OpDef) string {
	l := slices.Clone(d.Operands)
	for i := range l {
		if i >= len(l)-d.Optional {
			l[i] += " (optional)"
		}
	}
	if d.Variadic {
		l[len(l)-1] += "..."
	}
	if len(l) == 0 {
		return "none"
	}
	return strings.Join(l, ", ")
}

// gradientText prints the gradient of the example.
func gradientText(t *testing.T, d *ir.OpDef, e ir.Example) string {
	switch {
	case d.IsDerived():
		return "That of its decomposition.\n"
	case !d.IsDifferentiable():
		return "None.\n"
	}
	types := e.Func.Types()
	op := &e.Func.Ops[0]
	b := ir.NewBuilder(d.Name + "_gradient")
	g := &ir.Gradient{B: b}
	for _, p := range e.Func.Params {
		g.In = append(g.In, b.Param(p.Name, p.Type))
		g.Need = append(g.Need, p.Type.DType.IsFloat())
	}
	// The results of the op are parameters of its gradient, and so is the cotangent of the first.
	for i, r := range e.Func.Results {
		g.Out = append(g.Out, b.Param("result."+r.Name, types[op.Result(i)]))
		g.Ct = append(g.Ct, ir.NoValue)
	}
	first := types[op.Result(0)]
	if !first.DType.IsFloat() || !slices.Contains(g.Need, true) {
		return "Defined where the operands are floats; the example's are not.\n"
	}
	g.Ct[0] = b.Param("cotangent", first)
	g.Op = op
	if d.Name == "rotary_embedding" || d.Name == "batch_norm_inference" {
		g.Need[1], g.Need[2] = false, false
	}
	for i, v := range g.Apply() {
		if v != ir.NoValue && g.Need[i] {
			b.Return("cotangent."+e.Func.Params[i].Name, v)
		}
	}
	f, err := b.Func()
	require.NoError(t, err, d.Name)
	return fmt.Sprintf("Of the example, from its operands, its results and the cotangent of the first result:\n\n```\n%s```\n", f)
}

// Every rule of docs/numerics.md has a runnable example in abi/numerics.
func TestNumericRulesHaveExamples(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join("..", "docs", "numerics.md"))
	require.NoError(t, err)
	examples, err := os.ReadFile(filepath.Join("..", "abi", "numerics", "example_test.go"))
	require.NoError(t, err)
	for n := 1; n <= 17; n++ {
		assert.Contains(t, string(rules), fmt.Sprintf("\n## %d. ", n))
		assert.Contains(t, string(examples), fmt.Sprintf("\nfunc Example_rule%02d_", n))
	}
	assert.NotContains(t, string(rules), "\n## 18. ")
}
