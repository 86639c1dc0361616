package conformance

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
