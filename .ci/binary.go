// Command binary checks that a build of logpipe is fit for production: one static Linux executable of a bounded
// size that links nothing of the Temporal server or of the development module.
package main

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
)

const maxBytes = 60_000_000

var forbidden = []string{
	"go.temporal.io/server",
	"github.com/temporalio/ui-server",
	"github.com/log-event-pipeline/logpipe/dev",
	"modernc.org/sqlite",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run .ci/binary.go FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var faults []error
	if info.Size() >= maxBytes {
		faults = append(faults, fmt.Errorf("%s has %d bytes, the limit is %d", path, info.Size(), maxBytes))
	}

	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no Linux executable: %w", path, err)
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the imports of %s: %w", path, err)
	}
	if len(libraries) > 0 {
		faults = append(faults, fmt.Errorf("%s is not static, it loads %s", path, strings.Join(libraries, ", ")))
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			faults = append(faults, fmt.Errorf("%s is not static, it asks for a dynamic loader", path))
		}
	}

	build, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the modules in %s: %w", path, err)
	}
	for _, module := range build.Deps {
		for _, prefix := range forbidden {
			if module.Path == prefix || strings.HasPrefix(module.Path, prefix+"/") {
				faults = append(faults, fmt.Errorf("%s links %s %s", path, module.Path, module.Version))
			}
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	fmt.Printf("%s: static, %d bytes, %d modules, none of them only for development\n", path, info.Size(), len(build.Deps))
	return nil
}
