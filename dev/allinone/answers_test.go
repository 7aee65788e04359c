package allinone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestEveryKindOfRefusal: whatever the API takes, does not take now, or refuses, an
// operator gets every event there once, and nothing stays behind.
func TestEveryKindOfRefusal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec, mended string
		configure    func(*config.Config)
		parks        bool
	}{
		"bodies too large":        {spec: "body-limit=100KB"},
		"events too large":        {spec: "body-limit=900", parks: true},
		"some events not now":     {spec: "partial=20%"},
		"some events never":       {spec: "partial-refuse=3%", parks: true},
		"some batches never":      {spec: "refuse=60%", parks: true},
		"one event at a time":     {spec: "body-limit=900,partial=10%", parks: true},
		"all of it":               {spec: "body-limit=50KB,partial=10%,partial-refuse=1%,5xx=10%,lost-answer=10%,429=5%,close=5%,token-life=2s", mended: "lost-answer=20%,token-life=2s", parks: true},
		"all of it, compressed":   {spec: "body-limit=50KB,partial=10%,partial-refuse=1%,5xx=10%,lost-answer=10%,token-life=2s", parks: true, configure: func(c *config.Config) { c.BatchFormat, c.BatchCompression = config.BatchNDJSON, config.CompressGzip }},
		"all of it, in an outage": {spec: "body-limit=100KB,partial=10%,partial-refuse=1%,token-life=2s,outage=2s@1s:reset", parks: true, configure: func(c *config.Config) { c.BatchFormat = config.BatchObject }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := testOptions(t, &out)
			o.Faults = faults(t, c.spec)
			o.configure = func(cfg *config.Config) {
				cfg.DestinationFailedItems = "/failed"
				if c.configure != nil {
					c.configure(cfg)
				}
			}
			operator := &operator{mended: faults(t, c.mended), ended: make(chan struct{})}
			ctx, dismiss := context.WithCancel(t.Context())
			o.onStarted = func(s *stack) { go operator.work(ctx, s) }
			o.onDrained = func(s *stack) {
				dismiss()
				<-operator.ended
				st, err := stage.Open(t.Context(), s.environment()["LOGPIPE_STAGE_URL"])
				require.NoError(t, err)
				defer st.Close()
				for _, prefix := range []string{window.RawPrefix(pipeline), window.BatchPrefix(pipeline)} {
					keys, err := st.Keys(t.Context(), prefix)
					require.NoError(t, err)
					require.Empty(t, keys)
				}
			}
			began := time.Now()
			report, err := Run(t.Context(), o)
			dismiss()
			require.NoError(t, err, out.String())
			require.NoError(t, operator.err)
			t.Logf("%s: %d events in %d windows and %d batches, %d other requests, %d decisions", time.Since(began).Round(time.Second),
				report.Produced, report.Windows, report.Batches, report.Retries, operator.decisions)
			require.Positive(t, report.Produced)
			require.True(t, report.OK(), "%+v\n%s", report, out.String())
			require.Equal(t, c.parks, operator.decisions > 0, out.String())
			require.Zero(t, report.Parked)
		})
	}
}

// operator has each window that is parked tried again once, in vain or not. When the traffic
// is over and nothing else is on its way the operator mends the API, and has everything
// tried again.
type operator struct {
	mended    analytics.Faults
	decisions int
	err       error
	ended     chan struct{}

	tried map[string]bool // run ids
	over  time.Time       // when there is no more traffic
	done  bool            // the API is mended
}

func (o *operator) work(ctx context.Context, s *stack) {
	defer close(o.ended)
	o.tried, o.over = map[string]bool{}, time.Now().Add(s.options.For+2*s.options.WindowMaxAge)
	w := newWatcher(s.client, io.Discard)
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if err := o.look(ctx, s, w); err != nil && ctx.Err() == nil {
			o.err = err
			return
		}
	}
}

func (o *operator) look(ctx context.Context, s *stack, w *watcher) error {
	busy, err := w.busy(ctx)
	if err != nil {
		return err
	}
	waiting, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: parkedFlushes})
	if err != nil {
		return err
	}
	if len(waiting.GetExecutions()) > 0 && busy == 0 && !o.done && time.Now().After(o.over) {
		s.api.SetFaults(o.mended)
		o.done = true
	}
	for _, e := range waiting.GetExecutions() {
		run := e.GetExecution()
		if o.tried[run.GetRunId()] && !o.done {
			continue
		}
		o.tried[run.GetRunId()] = true
		o.decisions++
		err := s.client.SignalWorkflow(ctx, run.GetWorkflowId(), run.GetRunId(), workflows.SignalRedrive, nil)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); err != nil && !gone {
			return err
		}
	}
	return nil
}
