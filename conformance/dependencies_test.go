package conformance

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/seedbed/seedbed/"

// allowed lists, for each top-level folder, the folders of this module that
// its packages may import. Tests are held to it as well.
var allowed = map[string][]string{
	"abi":              {"abi"},
	"plugins":          {"abi", "plugins"},
	"datasets":         {"abi", "datasets"},
	"core":             {"abi", "datasets", "core"},
	"conformance":      {"abi", "plugins", "datasets", "core", "conformance"},
	"cmd":              {"abi", "plugins", "datasets", "core", "conformance", "cmd", "examples"},
	"examples/recipes": {},
	"bench":            {"abi", "plugins", "datasets", "core", "bench"},
}

func TestDependencyDirection(t *testing.T) {
	seen := map[string]int{}
	for top, may := range allowed {
		err := filepath.WalkDir(filepath.Join("..", top), func(path string, d fs.DirEntry, err error) error {
			if d == nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return nil
			}
			require.NoError(t, err)
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			require.NoError(t, err)
			seen[top]++
			for _, spec := range f.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				if rest, ok := strings.CutPrefix(imported, module); ok {
					to, _, _ := strings.Cut(rest, "/")
					assert.Contains(t, may, to, "%s imports %s", path, imported)
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	for _, top := range []string{"abi", "plugins", "datasets", "core", "conformance"} {
		assert.NotZero(t, seen[top], "no Go files found under %s", top)
	}
}
