package recipe

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/recipe.md")

func TestReference(t *testing.T) {
	page := filepath.FromSlash("../../docs/recipe.md")
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(Reference()), 0o644))
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, Reference(), string(text), "docs/recipe.md is out of date: go test ./core/recipe -run TestReference -update")
	for _, f := range fields {
		assert.Equal(t, 1, strings.Count(string(text), "| `"+f.path+"` |"), f.path)
	}
}
