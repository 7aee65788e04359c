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
// reaches this process alone, and end it with the thread that started it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
