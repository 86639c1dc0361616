package plugins

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// passesFiles says whether a process can inherit files.
const passesFiles = false

// ownGroup starts a command as the first of a process group, out of reach of
// the console's signals, which are for the host.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends a process.
func killGroup(p *os.Process) { _ = p.Kill() }

func inherit(_ *exec.Cmd, files []*os.File) error {
	if len(files) > 0 {
		return errors.New("files cannot be passed to a process here")
	}
	return nil
}
