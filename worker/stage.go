package worker

import (
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// newRecent returns the stage as it is for who makes batches and delivers them.
func newRecent(cfg config.Config, of stage.Objects) *stage.Recent {
	return stage.NewRecent(of, stage.RecentOptions{
		Prefix: window.BatchPrefix(cfg.Pipeline), Bytes: int64(cfg.BatchMemory),
	})
}
