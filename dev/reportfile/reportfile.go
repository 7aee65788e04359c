// Package reportfile writes what a run has found, for programs to read.
package reportfile

import (
	"encoding/json"
	"fmt"
	"os"
)

// Write writes a report to a file, as JSON with a member a line.
func Write(path string, report any) error {
	body, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil { //nolint:gosec // it holds counts, for anybody to read
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
