package text

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// GoSource finds real text that every machine with a Go toolchain has: the toolchain's own sources and documentation, about
// 90 MB. It returns paths and options for Files. The toolchain is the one GOROOT names, else the one that the command go
// belongs to.
func GoSource(ctx context.Context) (paths []string, opts Options, err error) {
	const advice = "name data of your own instead, or set GOROOT"
	root := os.Getenv("GOROOT")
	if root == "" {
		if root, err = goEnvRoot(ctx); err != nil {
			return nil, Options{}, fmt.Errorf("cannot find the Go toolchain's sources: %w: %s", err, advice)
		}
	}
	src := filepath.Join(root, "src")
	if info, err := os.Stat(filepath.Join(src, "fmt")); err != nil || !info.IsDir() {
		return nil, Options{}, fmt.Errorf("the Go toolchain in %s has no sources of the standard library: %s", root, advice)
	}
	paths = []string{src}
	doc := filepath.Join(root, "doc", "*.html")
	if pages, _ := filepath.Glob(doc); len(pages) > 0 {
		paths = append(paths, doc)
	}
	return paths, Options{Include: []string{"*.go", "*.md"}}, nil
}

// goEnvRoot asks the command go, away from any module so that none can ask for another toolchain.
func goEnvRoot(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	root := strings.TrimSpace(string(out))
	if root == "" {
		return "", errors.New("go env GOROOT says nothing")
	}
	return root, nil
}
