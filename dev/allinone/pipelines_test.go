package allinone

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// TestTwoPipelinesOnOneStream: they share the stream, the Temporal namespace and the
// stage, and each delivers everything to an API of its own, whatever becomes of the
// processes of the other.
func TestTwoPipelinesOnOneStream(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	api, err := analytics.New(analytics.Config{ClientID: clientID, ClientSecret: clientSecret, Logger: s.logger})
	require.NoError(t, err)
	require.NoError(t, api.Start(t.Context(), "127.0.0.1:0"))
	t.Cleanup(func() { require.NoError(t, api.Stop(context.WithoutCancel(t.Context()))) })
	other := s.environment()
	maps.Copy(other, map[string]string{
		"LOGPIPE_PIPELINE": "other", "LOGPIPE_DESTINATION_URL": api.EventsURL(), "LOGPIPE_TOKEN_URL": api.TokenURL(),
		"LOGPIPE_TOKEN_PARAMETER": "/logpipe/other/token", "LOGPIPE_HEARTBEAT_TIMEOUT": "5s",
	})

	for _, role := range []string{"worker", "starter"} {
		startLogpipe(t, role, s.environment())
		killed := startLogpipe(t, role, other)
		again := time.AfterFunc(2*time.Second, func() { _ = killed.Process.Signal(syscall.SIGKILL) })
		defer again.Stop()
		startLogpipe(t, role, other)
	}
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	report, err := r.do(t.Context())
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v\n%s", report, out.String())

	// The killed starter's shards are read again when its heartbeats are missed.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); int(api.Stats().LogEvents) < s.produced.Count(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the other pipeline has delivered %d of %d", api.Stats().LogEvents, s.produced.Count())
		}
	}
	require.Zero(t, api.Stats().Duplicates)
	for _, name := range []string{pipeline, "other"} {
		counted, err := s.client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("%s = '%s' AND WorkflowId STARTS_WITH '%s/flush/'", visibility.Pipeline.GetName(), name, name),
		})
		require.NoError(t, err)
		require.Positive(t, counted.GetCount(), name)
	}
}
