//go:build unix

package guides

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// block is a fenced block: of sh, commands; with a name, a file's text.
var block = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// script makes one program of sh of a page: its commands, and its files written
// where they stand.
func script(t *testing.T, page string) string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var b strings.Builder
	commands := 0
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		language, name, body := m[1], m[2], m[3]
		switch {
		case language == "sh" && name == "":
			b.WriteString(body)
			commands++
		case name != "":
			fmt.Fprintf(&b, "cat > %s <<'end of the file'\n%send of the file\n", name, body)
		default:
			t.Fatalf("%s: a block of %s that is neither commands nor a file", page, language)
		}
	}
	require.NotZero(t, commands)
	require.Len(t, block.FindAllString(string(text), -1), strings.Count(string(text), "\n```")/2, "every fence is part of a block")
	return b.String()
}

func TestGuides(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, page := range []string{"objective", "model", "backend"} {
		t.Run(page, func(t *testing.T) {
			c := exec.Command("sh", "-eu", "-c", script(t, filepath.Join(root, "docs", "plugins", page+".md")))
			c.Dir = t.TempDir()
			c.Env = append(os.Environ(), "SEEDBED="+root, "XDG_CACHE_HOME="+t.TempDir(), "GOCACHE="+goEnv(t, "GOCACHE"), "GOFLAGS=-mod=mod", "GOWORK=off")
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
			t.Logf("%s", out)
		})
	}
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
