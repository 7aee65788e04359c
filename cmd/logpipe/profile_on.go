//go:build cpuprofile

package main

import (
	"fmt"
	"os"

	"github.com/log-event-pipeline/logpipe/internal/cpuprofile"
)

// startProfile profiles the process where the environment asks for it. Only binaries of
// developers can: see "go run ./dev bench --cpuprofile".
func startProfile() (stop func()) {
	name := programName
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	end, err := cpuprofile.Start(os.Getenv(cpuprofile.Variable), name)
	if err != nil {
		fmt.Fprintln(os.Stderr, errorLinePre+err.Error())
		return func() {}
	}
	return func() {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, errorLinePre+err.Error())
		}
	}
}
