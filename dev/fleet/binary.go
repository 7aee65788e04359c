package fleet

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

const logpipePackage = "github.com/log-event-pipeline/logpipe/cmd/logpipe"

// BuildLogpipe builds the production binary, for which this process has to run in the
// repository. Tags are build tags.
func BuildLogpipe(ctx context.Context, binary string, tags ...string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", binary, logpipePackage).CombinedOutput() //nolint:gosec // the path is ours
	if err != nil {
		return fmt.Errorf("build %s (run this in the repository, or name a binary): %w: %s", logpipePackage, err, strings.TrimSpace(string(out)))
	}
	return nil
}
