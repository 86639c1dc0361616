package conformance

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	update   = flag.Bool("update", false, "write the pages that tests make anew")
	receipts = flag.String("receipts", "", "write the reference's receipts of these profiles anew, such as smoke,core,full")
)

func referenceTarget() backend.Target {
	return backend.InProcess(func(int) (plugin.Backend, error) { return reference.Backend{}, nil })
}

func cpuTarget() backend.Target {
	return backend.InProcess(func(threads int) (plugin.Backend, error) { return cpu.New(cpu.Options{Threads: threads}) })
}

func TestReference(t *testing.T) {
	profiles := []string{"smoke"}
	if *receipts != "" {
		profiles = strings.Split(*receipts, ",")
	}
	for _, p := range profiles {
		rep := RunBackend(t, referenceTarget(), Options{Profile: p, ReceiptOnly: *receipts != ""})
		require.NotEmpty(t, rep.Receipt, rep.NoReceipt)
		if *receipts != "" {
			f, err := os.Create(filepath.Join("receipts", p+".txt"))
			require.NoError(t, err)
			require.NoError(t, WriteReceipt(f, rep))
			require.NoError(t, f.Close())
		}
	}
}

func TestCPU(t *testing.T) {
	f, err := os.Open("testdata/cpu_skips.json")
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	skips, err := suite.ReadSkips(f, time.Now())
	require.NoError(t, err)
	RunBackend(t, cpuTarget(), Options{Skips: skips})
}

// A backend that claims nothing passes nothing.
func TestABackendThatClaimsNothingFails(t *testing.T) {
	rep, err := Backend(t.Context(), backend.InProcess(func(int) (plugin.Backend, error) { return claimless{}, nil }), Options{Only: "^ops/(add|dot_general|softmax|dropout)/"})
	require.NoError(t, err)
	assert.False(t, rep.Passed())
	assert.Empty(t, rep.Receipt)
	for _, u := range rep.Units {
		// dropout at rate 0 needs no op at all, and the verifier is not the
		// backend's.
		if u.Suite == "ops" && u.Op != "dropout" {
			assert.Equal(t, u.Cases, u.Failed+u.Skipped, u.Name)
		}
	}
}

type claimless struct{ reference.Backend }

func (claimless) Info() plugin.BackendInfo {
	return plugin.BackendInfo{Info: plugin.Info{Name: "claimless"}}
}

// A backend that cannot be closed fails; the report tells of the rest too.
func TestABackendThatDoesNotEndFails(t *testing.T) {
	rep, err := Backend(t.Context(), backend.InProcess(func(int) (plugin.Backend, error) { return endless{}, nil }), Options{Only: "^ops/add/f32/"})
	require.NoError(t, err)
	assert.False(t, rep.Passed())
	assert.Equal(t, rep.Total().Cases, rep.Total().Passed)
	require.Len(t, rep.Failures, 1)
	assert.Contains(t, rep.Failures[0].Message, "it is busy")
}

type endless struct{ reference.Backend }

func (endless) Close() error { return errors.New("it is busy") }
