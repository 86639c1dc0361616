//go:build unix

package checkpoint

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seedbed/seedbed/abi/ir"
)

const limit = 64 << 10

// limited saves a checkpoint larger than the files it may write, and ends with 0 if that fails as it should.
func limited(dir string) {
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		panic(err)
	}
	s := state(2)
	s.Parameters = append(s.Parameters, tensor("large", ir.T(ir.U8, 2*limit), make([]byte, 2*limit)))
	_, err := Save(dir, s, 1)
	if err == nil || !strings.Contains(err.Error(), "no room on the disk; free some") || !strings.Contains(err.Error(), "write model.safetensors") {
		fmt.Fprintf(os.Stderr, "Save said: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A disk that takes no more is stood in for by a limit on the size of files.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	path := save(t, dir, 1, 1).Path
	require.NoError(t, startChild(t, "limited", dir).Wait())
	assert.Equal(t, []string{"step-00000001"}, names(t, dir))
	c, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Verify())
	assert.True(t, diskFull(fmt.Errorf("write: %w", unix.ENOSPC)))
}
