package allinone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// said runs a command of logpipe and returns what it prints as JSON.
func said(t *testing.T, s *stack, command string) map[string]any {
	t.Helper()
	p := startLogpipe(t, command+" --json", s.environment())
	require.Zero(t, p.end(t), "%s: %s", command, p.stderr)
	var out map[string]any
	require.NoError(t, json.Unmarshal(p.stdout.Bytes(), &out), p.stdout)
	return out
}

// TestPauseUnderLoad pauses delivery and then reading while events come, kills the
// processes meanwhile, and has both go on: nothing is sent and nothing read in between,
// nothing is lost, and nothing comes twice.
func TestPauseUnderLoad(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.For = 25 * time.Second
	s := servers(t, o)
	environment := s.environment()
	environment["LOGPIPE_HEARTBEAT_TIMEOUT"] = "5s"
	running := map[string]*process{}
	replace := func(name string) {
		if old := running[name]; old != nil {
			require.NoError(t, old.Process.Kill())
			old.end(t)
		}
		running[name] = startLogpipe(t, name, environment)
	}
	replace("worker")
	replace("starter")
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	type outcome struct {
		Report
		err error
	}
	ended := make(chan outcome, 1)
	go func() {
		report, err := r.do(t.Context())
		ended <- outcome{report, err}
	}()
	await(t, "events at the API", func() bool { return s.api.Stats().LogEvents > 0 })

	first := said(t, s, "pause delivery --by ann --reason maintenance")
	require.Equal(t, true, first["changed"])
	again := said(t, s, "pause delivery --by bob")
	require.Equal(t, false, again["changed"])
	require.Equal(t, first["pause"], again["pause"], "the first one stands")

	paused := func() int64 {
		n, err := r.watcher.count(t.Context(), fmt.Sprintf("%s = '%s'", visibility.Status.GetName(), visibility.StatusPaused))
		require.NoError(t, err)
		return n
	}
	await(t, "windows that wait", func() bool { return paused() >= 4 })
	attempts := s.api.Stats().Attempts
	before := paused()
	replace("worker")
	replace("starter")
	await(t, "windows of the new processes that wait", func() bool { return paused() >= before+4 })

	require.Equal(t, true, said(t, s, "pause reading")["changed"])
	var heard string
	await(t, "a poller that waits", func() bool {
		heard = waitingOf(t, s)
		return heard != ""
	})
	require.Contains(t, heard, "reading is paused by ")
	require.Contains(t, heard, pausing.Remedy(pausing.Reading))
	replace("starter")
	await(t, "the next poller to wait, too", func() bool { return waitingOf(t, s) != "" })
	held := paused()
	require.Equal(t, attempts, s.api.Stats().Attempts, "nothing was sent")

	require.Equal(t, true, said(t, s, "resume reading")["changed"])
	require.Equal(t, false, said(t, s, "resume reading")["changed"])
	await(t, "windows of what came meanwhile", func() bool { return paused() > held })
	require.Equal(t, attempts, s.api.Stats().Attempts, "nothing was sent")
	resumed := said(t, s, "resume delivery")
	require.Equal(t, true, resumed["changed"])
	require.Greater(t, resumed["told"], float64(4))

	got := <-ended
	require.NoError(t, got.err, out.String())
	require.Positive(t, got.Produced)
	require.Equal(t, got.Produced, got.Delivered)
	require.True(t, got.OK(), "%+v\n%s", got.Report, out.String())
	require.Zero(t, paused())
}

// waitingOf is why the poller of the first shard does not read, as it has told last.
func waitingOf(t *testing.T, s *stack) string {
	t.Helper()
	return heartbeatOf(t, s).Waiting
}
