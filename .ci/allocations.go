// Command allocations holds what benchmarks allocate against a list of limits. Unlike times, allocations are the same on
// every machine.
//
//	go test -bench … -benchmem … | go run .ci/allocations.go .ci/allocations.txt
//
// With -write it makes the list anew, of all that was measured and a fifth more: look at the difference before you commit it.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// cost is what one operation of a benchmark allocates.
type cost struct{ bytes, allocations int64 }

const head = `# Most that an operation of a benchmark may allocate: bytes and allocations.
# .ci/run allocations holds the benchmarks against it, .ci/allocations.go -write makes it anew.
`

func main() {
	write := flag.Bool("write", false, "make the list anew")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run .ci/allocations.go [-write] LIST < OUTPUT")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *write); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(list string, write bool) error {
	measured, err := readOutput(os.Stdin)
	if err != nil {
		return err
	}
	if write {
		return os.WriteFile(list, []byte(text(measured)), 0o644)
	}
	limits, err := readList(list)
	if err != nil {
		return err
	}
	var faults []error
	for name, limit := range limits {
		switch got, ran := measured[name]; {
		case !ran:
			faults = append(faults, fmt.Errorf("%s: did not run", name))
		case got.bytes > limit.bytes || got.allocations > limit.allocations:
			faults = append(faults, fmt.Errorf("%s: %d bytes in %d allocations, at most %d in %d are allowed",
				name, got.bytes, got.allocations, limit.bytes, limit.allocations))
		}
	}
	for name := range measured {
		if _, known := limits[name]; !known {
			faults = append(faults, fmt.Errorf("%s: is not in %s", name, list))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// readOutput reads what go test prints. Of several runs the least counts: what they have in common is the benchmark's own.
func readOutput(r io.Reader) (map[string]cost, error) {
	measured := map[string]cost{}
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return measured, lines.Err()
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		var c cost
		found := 0
		for i := 3; i < len(fields); i += 2 {
			n, err := strconv.ParseFloat(fields[i-1], 64)
			if err != nil {
				return nil, fmt.Errorf("cannot be read: %s", lines.Text())
			}
			switch fields[i] {
			case "B/op":
				c.bytes, found = int64(n), found+1
			case "allocs/op":
				c.allocations, found = int64(n), found+1
			}
		}
		if found != 2 {
			return nil, fmt.Errorf("without allocations, run it with -benchmem: %s", lines.Text())
		}
		if before, again := measured[fields[0]]; again {
			c.bytes, c.allocations = min(c.bytes, before.bytes), min(c.allocations, before.allocations)
		}
		measured[fields[0]] = c
	}
}

func readList(path string) (map[string]cost, error) {
	list, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	limits := map[string]cost{}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var name string
		var c cost
		if _, err := fmt.Sscan(line, &name, &c.bytes, &c.allocations); err != nil {
			return nil, fmt.Errorf("%s: cannot read %q: %w", path, line, err)
		}
		limits[name] = c
	}
	return limits, nil
}

func text(measured map[string]cost) string {
	var out strings.Builder
	out.WriteString(head)
	names := make([]string, 0, len(measured))
	for name := range measured {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := measured[name]
		fmt.Fprintf(&out, "%-42s %10d %7d\n", name, c.bytes+c.bytes/5+100, c.allocations+c.allocations/5+1)
	}
	return out.String()
}
