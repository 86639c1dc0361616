package conformance

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/stretchr/testify/require"
)

// servedEnv makes this test binary the plugin that it names, such as
// "model gpt", instead of tests.
const servedEnv = "SEEDBED_TEST_SERVED"

func TestMain(m *testing.M) {
	if what := os.Getenv(servedEnv); what != "" {
		if err := serve(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	debug.SetGCPercent(400) // small programs by the thousand: collecting took a fifth of the time
	code := m.Run()
	for _, p := range processes.started {
		_ = p.Close() // it ends with this process at the latest
	}
	_ = processes.memory.Close()
	os.Exit(code)
}

// serve is the plugin's process.
func serve(what string) error {
	for _, g := range goldenSystems {
		switch what {
		case "model " + g.model.Info().Name:
			plugin.ServeModel(g.model)
			return nil
		case "objective " + g.objective.Info().Name:
			plugin.ServeObjective(g.objective)
			return nil
		}
	}
	switch what {
	case "objective masked_lm":
		plugin.ServeObjective(masked_lm.Objective{})
	case "objective sentence_pairs":
		plugin.ServeObjective(masked_lm.SentencePairs)
	case "backend reference":
		plugin.ServeBackend(reference.Backend{})
	case "backend cpu":
		b, err := cpu.New(cpu.Options{Threads: 2})
		if err != nil {
			return err
		}
		plugin.ServeBackend(b)
	default:
		return fmt.Errorf("there is no plugin %q", what)
	}
	return nil
}

// processes are the plugins that tests have started, which they share: starting
// one takes longer than most of what they ask for.
var processes struct {
	sync.Mutex
	memory  *plugins.Memory
	started map[string]*plugins.Plugin
}

// process returns the process that serves a plugin. Those named in messages get
// their tensors in messages, the others in shared memory where the system has
// it.
func process(t *testing.T, kind plugins.Kind, name string) *plugins.Plugin {
	t.Helper()
	processes.Lock()
	defer processes.Unlock()
	what := string(kind) + " " + name
	if p := processes.started[what]; p != nil {
		return p
	}
	if processes.started == nil {
		memory, err := plugins.NewMemory(plugins.PlaneAuto)
		require.NoError(t, err)
		processes.memory, processes.started = memory, map[string]*plugins.Plugin{}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	o := plugins.Options{Memory: processes.memory}
	if slices.Contains(inMessages, what) {
		o.Memory = nil
	}
	p, err := plugins.Start(context.Background(), plugins.Spec{
		Command: []string{self}, Kind: kind, Name: name, Env: []string{servedEnv + "=" + what},
	}, o)
	require.NoError(t, err)
	processes.started[what] = p
	return p
}

// inMessages are plugins that get their tensors in messages, so that both data
// planes are gone through.
var inMessages = []string{"backend reference"}
