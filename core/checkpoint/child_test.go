package checkpoint

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test binary runs itself again for what needs a process of its own.
const (
	childMode = "SEEDBED_CHECKPOINT_TEST_MODE"
	childDir  = "SEEDBED_CHECKPOINT_TEST_DIR"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	switch mode := os.Getenv(childMode); mode {
	case "":
		os.Exit(m.Run())
	case "hang":
		hang(dir)
	default:
		limited(dir)
	}
}

func startChild(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

// hang locks dir and stops for good in the middle of a save.
func hang(dir string) {
	if _, err := Lock(dir); err != nil {
		panic(err)
	}
	s := state(2)
	s.Optimizer[0].Data = func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 4)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o666); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, blocked{})
		return err
	}
	_, err := Save(dir, s, 1)
	panic(err)
}

type blocked struct{}

func (blocked) Read([]byte) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer w.Close()
	return r.Read(make([]byte, 1))
}
