package connect

import (
	"fmt"
	"os"
)

// Identity is how a process appears in Temporal: its role, process id and host.
func Identity(role string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s %d@%s", role, os.Getpid(), host)
}
