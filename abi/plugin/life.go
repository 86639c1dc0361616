package plugin

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/seedbed/seedbed/abi/rpc"
)

// hostGone is the exit code of a plugin that outlived its host.
const hostGone = 3

// watchHost ends the process when the host's ends, in whatever way: the end of
// the pipe that the host holds open is closed by the system then.
func watchHost() {
	wait := func() bool { return false }
	if fd, err := strconv.ParseUint(os.Getenv(rpc.EnvLife), 10, 31); err == nil {
		life := os.NewFile(uintptr(fd), "life")
		if life == nil {
			return
		}
		closeOnExec(life)
		wait = func() bool {
			_, err := io.Copy(io.Discard, life)
			return err == nil
		}
	} else if pid, err := strconv.Atoi(os.Getenv(rpc.EnvHost)); err == nil && runtime.GOOS == "windows" {
		host, err := os.FindProcess(pid)
		wait = func() bool {
			if err != nil {
				return true // it is gone already
			}
			_, err := host.Wait()
			return err == nil
		}
	}
	go func() {
		if wait() {
			removeSockets(os.Getenv(goplugin.EnvUnixSocketDir))
			os.Exit(hostGone)
		}
	}()
}

// removeSockets removes the folder of sockets that the host would have.
func removeSockets(dir string) {
	if dir == "" {
		return
	}
	sockets, err := filepath.Glob(filepath.Join(dir, "plugin*"))
	if err != nil {
		return
	}
	for _, s := range sockets {
		os.Remove(s)
	}
	os.Remove(dir)
}
