package conformance

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/core/plugins"
)

// buildExample builds a module under examples as its author would and returns
// the executable.
func buildExample(t *testing.T, name string) string {
	path := filepath.Join(t.TempDir(), name+".exe") // a name that every system runs
	c := exec.Command("go", "build", "-o", path, ".")
	c.Dir = filepath.Join("..", "examples", name)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// The objective in a module of its own conforms as a process. Its own tests
// and the core profile are run by .ci/run.
func TestExampleObjective(t *testing.T) {
	p, err := plugins.Start(t.Context(), plugins.Spec{Command: []string{buildExample(t, "objective-plugin")}, Kind: plugins.KindObjective}, plugins.Options{})
	require.NoError(t, err)
	RunObjective(t, p.Objective(), Options{})
	require.NoError(t, p.Close())
}

// The backend in a module of its own runs as a process: some ops of each kind,
// and composites, which the host lowers to what it claims.
func TestExampleBackend(t *testing.T) {
	target := backend.Process(plugins.Spec{Command: []string{buildExample(t, "backend-plugin")}})
	RunBackend(t, target, Options{Only: "^ops/(add|convert|gather|reduce|dot_general|sort|while|softmax|adamw)/|^misuse/"})
}

// Third parties' plugins need nothing but abi; their tests the suite, too.
func TestExamplesImportTheABIOnly(t *testing.T) {
	files := 0
	repositoryFiles(t, func(path string) {
		if !strings.HasPrefix(filepath.ToSlash(path), "../examples/") || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range f.Imports {
			if rest, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ok {
				assert.True(t, strings.HasPrefix(rest, "abi/"), "%s imports %s", path, rest)
			}
		}
	})
	assert.Greater(t, files, 5)
}
