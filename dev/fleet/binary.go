package fleet

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

const logpipePackage = "github.com/log-event-pipeline/logpipe/cmd/logpipe"

// buildLogpipe builds the production binary, for which this process has to run in the
// repository.
func buildLogpipe(ctx context.Context, binary string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, logpipePackage).CombinedOutput() //nolint:gosec // the path is ours
	if err != nil {
		return fmt.Errorf("build %s (run this in the repository, or name a binary): %w: %s", logpipePackage, err, strings.TrimSpace(string(out)))
	}
	return nil
}
