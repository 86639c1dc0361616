//go:build unix

package plugins

import (
	"os"
	"os/exec"
	"syscall"
)

// passesFiles says whether a process can inherit files.
const passesFiles = true

// ownGroup starts a command as the first of a process group, out of reach of
// the terminal's signals, which are for the host.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a process group.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func inherit(cmd *exec.Cmd, files []*os.File) error {
	cmd.ExtraFiles = files
	return nil
}
