package connect

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// Stage opens the stage and tries it: an object is written, read and deleted
// under the pipeline's prefix.
func Stage(ctx context.Context, url, pipeline string) (*stage.Stage, error) {
	s, err := stage.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("%w; LOGPIPE_STAGE_URL is like s3://bucket?prefix=logs/ or file:///var/lib/logpipe", err)
	}
	// By chance and not by process id, which is 1 in every container: of two processes that
	// start together one would delete what the other one is about to read.
	key := fmt.Sprintf("%s/check/%s", pipeline, rand.Text())
	if err := s.Check(ctx, key); err != nil {
		return nil, fmt.Errorf("try the stage %s: %w; the caller needs to put, get and delete objects there", url, err)
	}
	return s, nil
}
