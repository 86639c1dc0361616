package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// host is the command line's executable.
type host struct {
	path, version string
	remove        func()
}

// openHost returns the executable that was chosen, or if it is empty one that it builds.
func openHost(ctx context.Context, chosen string) (*host, error) {
	h := &host{path: chosen, remove: func() {}}
	if chosen == "" {
		dir, err := os.MkdirTemp("", "seedbed-bench")
		if err != nil {
			return nil, err
		}
		h.path, h.remove = filepath.Join(dir, "host"), func() { os.RemoveAll(dir) }
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", h.path, "./cmd/host").CombinedOutput(); err != nil {
			h.remove()
			return nil, fmt.Errorf("building the host (bench runs in the project's folder): %w\n%s", err, out)
		}
	}
	text, err := exec.CommandContext(ctx, h.path, "version", "--json").Output()
	if err != nil {
		h.remove()
		return nil, err
	}
	var v struct{ Version string }
	if err := json.Unmarshal(text, &v); err != nil {
		h.remove()
		return nil, err
	}
	if h.version = v.Version; h.version == "(devel)" && chosen == "" { // built without what version control says
		if head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
			h.version = strings.TrimSpace(string(head))
		}
	}
	return h, nil
}
