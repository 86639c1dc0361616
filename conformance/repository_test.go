package conformance

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repositoryFiles visits the files of the repository, but for what git and
// runs put beside them.
func repositoryFiles(t *testing.T, visit func(path string)) {
	root := ".."
	require.FileExists(t, filepath.Join(root, "go.mod"))
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch rel {
		case ".git", "bin", "runs":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil // .git of a worktree is a file
		}
		if d.Type().IsRegular() {
			visit(path)
		}
		return nil
	}))
}

// Each package says in a doc.go what it is for, what it imports and where to
// start reading.
func TestEveryPackageHasADocFile(t *testing.T) {
	folders := map[string]bool{}
	repositoryFiles(t, func(path string) {
		dir := filepath.Dir(path)
		if _, product := allowed[strings.Split(filepath.ToSlash(dir)+"/", "/")[1]]; product && strings.HasSuffix(path, ".go") {
			folders[dir] = true
		}
	})
	assert.Greater(t, len(folders), 20)
	for dir := range folders {
		text, err := os.ReadFile(filepath.Join(dir, "doc.go"))
		if assert.NoError(t, err) {
			assert.Regexp(t, `(?m)^// (Package|Command) \S+ .`, string(text), dir)
		}
	}
}

// No file names a place on the machine that it was written on, or the host
// that modules and packages were fetched from.
func TestFilesNameNoMachine(t *testing.T) {
	unwanted := regexp.MustCompile(`(^|[^\w./-])/(wor` + `k|roo` + `t|hom` + `e)/\w|/tm` + `p/\w|\bproxy\.golang\.` + `org|\bpypi\.` + `org|\bdeb\.debian\.` + `org|` +
		`\b(10|192\.168)\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|\.r-[\w-]+\.exam` + `ple\b`)
	files := 0
	repositoryFiles(t, func(path string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		files++
		if bytes.IndexByte(text, 0) >= 0 {
			return
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			assert.NotRegexp(t, unwanted, string(line), "%s:%d", path, i+1)
		}
	})
	assert.Greater(t, files, 100)
	for _, bad := range []string{"see /wor" + "k/main", `"/roo` + `t/go"`, "http://10.2" + ".3.4:80"} {
		assert.Regexp(t, unwanted, bad)
	}
}
