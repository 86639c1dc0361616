package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/run"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/dalle_prior"
	"github.com/seedbed/seedbed/plugins/models/dvae"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/classification"
	"github.com/seedbed/seedbed/plugins/objectives/contrastive"
	"github.com/seedbed/seedbed/plugins/objectives/discrete_vae"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_patch_prediction"
	"github.com/seedbed/seedbed/plugins/objectives/masked_reconstruction"
	"github.com/seedbed/seedbed/plugins/objectives/nt_xent"
	"github.com/seedbed/seedbed/plugins/objectives/prefix_lm"
	"github.com/seedbed/seedbed/plugins/objectives/span_corruption"
	"github.com/seedbed/seedbed/plugins/objectives/token_prior"
)

// builtin is a plugin that this executable serves.
type builtin struct {
	kind plugins.Kind
	name string
	// make returns a plugin.Model, plugin.Objective or plugin.Backend.
	make func() (any, error)
}

// builtins are all of them: the only place that knows their names.
var builtins = []builtin{
	{plugins.KindBackend, "cpu", func() (any, error) {
		threads, err := threads()
		if err != nil {
			return nil, err
		}
		return cpu.New(cpu.Options{Threads: threads})
	}},
	{plugins.KindBackend, "reference", func() (any, error) { return reference.Backend{}, nil }},
	model(bert.Model),
	model(clip.Model),
	model(dalle_prior.Model),
	model(dvae.Model),
	model(gpt.Model),
	model(mae.Model),
	model(resnet.Model),
	model(t5.Model),
	model(vit.Model),
	objective(causal_lm.Objective{}),
	objective(classification.Objective{}),
	objective(contrastive.Objective{}),
	objective(discrete_vae.Objective{}),
	objective(masked_lm.Objective{}),
	objective(masked_patch_prediction.Objective{}),
	objective(masked_reconstruction.Objective{}),
	objective(masked_lm.NextSentence),
	objective(nt_xent.Objective{}),
	objective(prefix_lm.Objective{}),
	objective(masked_lm.SentencePairs),
	objective(span_corruption.Objective{}),
	objective(classification.Text{}),
	objective(token_prior.Objective{}),
}

func model(m plugin.Model) builtin {
	return builtin{plugins.KindModel, m.Info().Name, func() (any, error) { return m, nil }}
}

func objective(o plugin.Objective) builtin {
	return builtin{plugins.KindObjective, o.Info().Name, func() (any, error) { return o, nil }}
}

// threadsEnv is the environment variable that tells a backend how many threads
// to use.
const threadsEnv = "SEEDBED_THREADS"

func threads() (int, error) {
	text := os.Getenv(threadsEnv)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%s: must be a number of threads", threadsEnv, text)
	}
	return n, nil
}

func findBuiltin(kind plugins.Kind, name string) *builtin {
	for i := range builtins {
		if builtins[i].kind == kind && builtins[i].name == name {
			return &builtins[i]
		}
	}
	return nil
}

// pluginPathEnv lists folders with plugins, as PATH does.
const pluginPathEnv = "SEEDBED_PLUGIN_PATH"

// pluginFolders are the folders where plugins are looked for.
func pluginFolders() []string {
	folders := filepath.SplitList(os.Getenv(pluginPathEnv))
	if dir, err := os.UserConfigDir(); err == nil {
		folders = append(folders, filepath.Join(dir, "seedbed", "plugins"))
	}
	return slices.DeleteFunc(folders, func(f string) bool { return f == "" })
}

// fileName is the name of a plugin's executable in those folders.
func fileName(kind plugins.Kind, name string) string {
	file := "seedbed-" + string(kind) + "-" + name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	return file
}

// find says how to start the plugin that a recipe names.
func find(kind plugins.Kind, name string) (plugins.Spec, error) {
	if strings.ContainsAny(name, `/\`) || filepath.IsAbs(name) {
		return plugins.Spec{Command: []string{name}, Kind: kind}, nil
	}
	if findBuiltin(kind, name) != nil {
		self, err := os.Executable()
		return plugins.Spec{Command: []string{self, "plugin", "serve", string(kind) + "/" + name}, Kind: kind, Name: name}, err
	}
	for _, folder := range pluginFolders() {
		path := filepath.Join(folder, fileName(kind, name))
		if _, err := os.Stat(path); err == nil {
			return plugins.Spec{Command: []string{path}, Kind: kind, Name: name}, nil
		}
	}
	var names []string
	for _, p := range installed() {
		if p.kind == kind {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	hint := "there are " + strings.Join(slices.Compact(names), ", ")
	if near := config.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return plugins.Spec{}, usagef("there is no %s plugin %q: %s; host plugin list shows all, and a path with a slash names an executable", kind, name, hint)
}

// candidate is a plugin that find would find.
type candidate struct {
	kind plugins.Kind
	name string
	path string // empty for one that is built in
}

// installed lists built-in plugins and those in the plugin folders.
func installed() []candidate {
	var list []candidate
	for _, b := range builtins {
		list = append(list, candidate{kind: b.kind, name: b.name})
	}
	for _, folder := range pluginFolders() {
		files, _ := filepath.Glob(filepath.Join(folder, "seedbed-*-*")) // a pattern that is well-formed
		for _, path := range files {
			parts := strings.SplitN(strings.TrimSuffix(filepath.Base(path), ".exe"), "-", 3)
			list = append(list, candidate{plugins.Kind(parts[1]), parts[2], path})
		}
	}
	return list
}

// starter starts the plugins that recipes name; callTimeout is that of
// plugins.Options.
func starter(threads int, callTimeout time.Duration) run.Start {
	return func(ctx context.Context, kind plugins.Kind, name string, m *plugins.Memory) (run.Process, string, error) {
		spec, err := find(kind, name)
		if err != nil {
			return nil, "", err
		}
		spec.Env = pluginEnv(kind, threads)
		p, err := plugins.Start(ctx, spec, plugins.Options{Memory: m, CallTimeout: callTimeout})
		if err != nil {
			return nil, "", err
		}
		sum, err := executableSHA256(spec.Command[0])
		if err != nil {
			return nil, "", errors.Join(err, p.Close())
		}
		return p, sum, nil
	}
}

// pluginEnv is what a plugin is told by its environment.
func pluginEnv(kind plugins.Kind, threads int) []string {
	if kind != plugins.KindBackend {
		return nil
	}
	env := []string{threadsEnv + "=" + strconv.Itoa(threads)}
	if path, ok := os.LookupEnv("SEEDBED_CPU"); ok {
		env = append(env, "SEEDBED_CPU="+path)
	}
	return env
}

// executables are the files that were hashed, by their paths.
var executables = struct {
	sync.Mutex
	hashed map[string]hashedFile
}{hashed: map[string]hashedFile{}}

type hashedFile struct {
	info os.FileInfo
	sum  string
}

// executableSHA256 reads a file once for as long as it stays the same: plugins that are built in are all in one.
func executableSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	executables.Lock()
	defer executables.Unlock()
	if old, ok := executables.hashed[path]; ok && os.SameFile(old.info, info) && old.info.Size() == info.Size() && old.info.ModTime().Equal(info.ModTime()) {
		return old.sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	executables.hashed[path] = hashedFile{info, sum}
	return sum, nil
}
