//go:build unix && !linux

package fleet

import (
	"os"
	"syscall"
)

var (
	sigStop     os.Signal = syscall.SIGSTOP
	sigContinue os.Signal = syscall.SIGCONT
)

// attributes put a process into a group of its own, so that Ctrl-C in a terminal
// reaches this process alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
