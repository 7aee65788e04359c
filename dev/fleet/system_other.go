//go:build !unix

package fleet

import (
	"os"
	"syscall"
)

// There is no such thing.
var sigStop, sigContinue os.Signal

func attributes() *syscall.SysProcAttr { return nil }
