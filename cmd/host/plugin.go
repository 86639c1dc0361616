package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/spf13/cobra"
)

func newPlugin() *cobra.Command {
	return group("plugin", "List plugins, look into one, serve one", "  host plugin list", newPluginList(), newPluginInfo(), newPluginServe())
}

// pluginState is what starting a plugin told of it.
type pluginState struct {
	Kind    string              `json:"kind"`
	Name    string              `json:"name"`
	Version string              `json:"version,omitempty"`
	ABI     string              `json:"abi,omitempty"`
	State   string              `json:"state"` // "ready" or "failed"
	Error   string              `json:"error,omitempty"`
	Path    string              `json:"path"` // "built in", or the executable
	Doc     string              `json:"doc,omitempty"`
	Roles   []string            `json:"roles,omitempty"`
	Start   float64             `json:"start_s,omitempty"` // seconds from the start to its being ready
	Backend *pluginBackendState `json:"backend,omitempty"`
	err     error
}

type pluginBackendState struct {
	Device    string         `json:"device"`
	Workers   int            `json:"workers"`
	PeakFLOPS float64        `json:"peak_flops"`
	DTypes    []string       `json:"dtypes"`
	Ops       map[string]int `json:"ops"`
}

// pluginStartTimeout bounds a look at a plugin.
const pluginStartTimeout = 10 * time.Second

// probe starts a plugin, asks who it is and ends it.
func probe(ctx context.Context, c candidate, spec plugins.Spec, m *plugins.Memory) pluginState {
	s := pluginState{Kind: string(c.kind), Name: c.name, State: "failed", Path: c.path}
	if s.Path == "" {
		s.Path = "built in"
	}
	began := time.Now()
	p, err := plugins.Start(ctx, spec, plugins.Options{StartTimeout: pluginStartTimeout, Memory: m})
	if err != nil {
		s.err, s.Error = err, err.Error()
		return s
	}
	defer func() { _ = p.Close() }() // it said all that was asked
	s.Start = time.Since(began).Seconds()
	info := p.Info()
	major, minor := p.ABI()
	s.Kind, s.Name, s.Version, s.Doc, s.Roles = string(p.Kind()), info.Name, info.Version, info.Doc, info.Roles
	s.ABI, s.State = fmt.Sprintf("%d.%d", major, minor), "ready"
	if d := p.Device(); d != nil {
		b := &pluginBackendState{Ops: d.Info().Ops}
		for _, t := range d.Info().DTypes {
			b.DTypes = append(b.DTypes, t.String())
		}
		stats, err := d.Stats(ctx)
		if err != nil {
			s.State, s.err, s.Error = "failed", err, err.Error()
		}
		b.Device, b.Workers, b.PeakFLOPS = stats.Device, stats.Workers, stats.PeakFLOPS
		s.Backend = b
	}
	return s
}

// probeAll looks at all plugins that are installed, in the order of kind, name
// and place.
func probeAll(ctx context.Context) []pluginState {
	list := installed()
	states := make([]pluginState, len(list))
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() {
			spec := plugins.Spec{Command: []string{c.path}, Kind: c.kind, Name: c.name}
			if c.path == "" {
				var err error
				if spec, err = find(c.kind, c.name); err != nil {
					states[i] = pluginState{Kind: string(c.kind), Name: c.name, State: "failed", Error: err.Error(), err: err}
					return
				}
			}
			spec.Env = pluginEnv(c.kind, 0)
			states[i] = probe(ctx, c, spec, nil)
		})
	}
	all.Wait()
	slices.SortStableFunc(states, func(a, b pluginState) int {
		return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name)
	})
	return states
}

func newPluginList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Short: "List the plugins that recipes can name, and whether they start",
		Long: "List the plugins that recipes can name, and whether they start: those built in, and executables called\nseedbed-KIND-NAME in the folders of " + pluginPathEnv + " and in seedbed/plugins of the user's configuration folder.\n" +
			"KIND is model, objective or backend.",
		Example: "  host plugin list\n  " + pluginPathEnv + "=./bin host plugin list --json", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			states := probeAll(cmd.Context())
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(states)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KIND\tNAME\tVERSION\tABI\tSTATE\tWHERE")
			for _, s := range states {
				state := s.State
				if s.Error != "" {
					state += ": " + strings.ReplaceAll(s.Error, "\n", " ")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Kind, s.Name, or(s.Version), or(s.ABI), state, s.Path)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return c
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newPluginInfo() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "info KIND/NAME|NAME|PATH", Short: "Start a plugin and print what it says of itself",
		Example: "  host plugin info gpt\n  host plugin info backend/cpu --json\n  host plugin info ./my-objective", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			c, spec, err := findAny(a[0])
			if err != nil {
				return err
			}
			spec.Env = pluginEnv(plugins.KindBackend, 0)
			s := probe(cmd.Context(), c, spec, nil)
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			} else if s.err == nil {
				err = printInfo(cmd.OutOrStdout(), s)
			}
			return errors.Join(err, s.err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}

// findAny finds a plugin of any kind.
func findAny(arg string) (candidate, plugins.Spec, error) {
	if kind, name, ok := strings.Cut(arg, "/"); ok {
		switch k := plugins.Kind(kind); k {
		case plugins.KindModel, plugins.KindObjective, plugins.KindBackend:
			spec, err := find(k, name)
			return candidate{kind: k, name: name, path: pathOf(spec)}, spec, err
		}
	}
	if strings.ContainsAny(arg, `/\`) {
		return candidate{path: arg}, plugins.Spec{Command: []string{arg}}, nil
	}
	var found []candidate
	for _, p := range installed() {
		if p.name == arg {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0:
		return candidate{}, plugins.Spec{}, usagef("there is no plugin %q: host plugin list shows all, and a path with a slash names an executable", arg)
	case found[0].path != "":
		return found[0], plugins.Spec{Command: []string{found[0].path}, Kind: found[0].kind, Name: found[0].name}, nil
	}
	spec, err := find(found[0].kind, found[0].name)
	return found[0], spec, err
}

// pathOf is the executable of a plugin that is not built in.
func pathOf(s plugins.Spec) string {
	if len(s.Command) == 1 {
		return s.Command[0]
	}
	return ""
}

func printInfo(out io.Writer, s pluginState) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s\n", s.Kind, s.Name, s.Version, s.Doc)
	fmt.Fprintf(&b, "where      %s\nABI        %s\nstarted in %.0f ms\n", s.Path, s.ABI, 1000*s.Start)
	if len(s.Roles) > 0 {
		what := "plays"
		if s.Kind == string(plugins.KindObjective) {
			what = "needs"
		}
		fmt.Fprintf(&b, "%-10s %s\n", what, strings.Join(s.Roles, ", "))
	}
	if d := s.Backend; d != nil {
		fmt.Fprintf(&b, "device     %s, %d workers, peak %.1f GFLOPS\ndtypes     %s\n", or(d.Device), d.Workers, d.PeakFLOPS/1e9, strings.Join(d.DTypes, ", "))
		var ops []string
		for name, version := range d.Ops {
			ops = append(ops, fmt.Sprintf("%s %d", name, version))
		}
		slices.Sort(ops)
		fmt.Fprintf(&b, "ops        %s\n", strings.Join(ops, ", "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func newPluginServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve KIND/NAME", Short: "Serve a built-in plugin; the host starts this by itself",
		Example: "  host plugin serve backend/cpu", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			kind, name, _ := strings.Cut(a[0], "/")
			b := findBuiltin(plugins.Kind(kind), name)
			if b == nil {
				var names []string
				for _, b := range builtins {
					names = append(names, string(b.kind)+"/"+b.name)
				}
				return usagef("serve: there is no built-in plugin %q; there are %s", a[0], strings.Join(names, ", "))
			}
			made, err := b.make()
			if err != nil {
				return err
			}
			switch p := made.(type) {
			case plugin.Model:
				plugin.ServeModel(p)
			case plugin.Objective:
				plugin.ServeObjective(p)
			case plugin.Backend:
				plugin.ServeBackend(p)
			}
			return nil
		},
	}
}
