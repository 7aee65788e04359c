package starter

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Metrics are told what the pollers do. Nobody reads them yet.
type Metrics struct{}

// Hold counts the shards that are held.
func (*Metrics) Hold(context.Context, int64) {}

// Pause counts the shards that are paused.
func (*Metrics) Pause(context.Context, int64) {}

// Gap counts gaps.
func (*Metrics) Gap(context.Context, workflows.GapKind) {}

// Window counts windows.
func (*Metrics) Window(context.Context, window.Reason, bool, time.Duration) {}
