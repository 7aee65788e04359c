// Package cpuprofile writes CPU profiles of processes whose command line is not theirs
// to extend.
package cpuprofile

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// Variable names the directory for profiles, by which a developer's tools ask the
// processes that they start for one.
const Variable = "CPU_PROFILE_DIRECTORY"

// Start profiles this process until stop is called, into a file of the directory that
// begins with a name and is the process's own. Without a directory it does nothing.
func Start(directory, name string) (stop func() error, err error) {
	if directory == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, fmt.Errorf("make a directory for CPU profiles: %w", err)
	}
	file, err := os.Create(filepath.Join(directory, fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil {
		return nil, fmt.Errorf("make a file for the CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		_ = file.Close() // nothing is in it
		return nil, fmt.Errorf("start the CPU profile: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			return fmt.Errorf("write the CPU profile: %w", err)
		}
		return nil
	}, nil
}
