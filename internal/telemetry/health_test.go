package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

func ask(t *testing.T, address, path string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestHealthIsServed(t *testing.T) {
	t.Parallel()
	health := &telemetry.Health{}
	health.Add("temporal", func(context.Context) (string, error) { return "answers", nil })
	m, err := telemetry.NewMetrics(telemetry.MetricsOptions{Listen: "127.0.0.1:0", Health: health, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, m.Stop(context.WithoutCancel(t.Context()))) })
	requireAlive := func() {
		status, text := ask(t, m.Address(), telemetry.HealthPath)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "ok\n", text)
	}

	requireAlive()
	status, text := ask(t, m.Address(), telemetry.ReadyPath)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not ready: starting\n", text)

	health.Begin()
	status, text = ask(t, m.Address(), telemetry.ReadyPath)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready\ntemporal: answers\n", text)

	health.Drain()
	health.Begin() // too late
	status, text = ask(t, m.Address(), telemetry.ReadyPath)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not ready: stopping\n", text)
	requireAlive()
}

// TestHealthAsks each second at most, and for no longer than a few.
func TestHealthAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var hangs atomic.Bool
		var health telemetry.Health
		health.Begin()
		health.Add("first", func(context.Context) (string, error) {
			asked.Add(1)
			return "fine", nil
		})
		health.Add("second", func(ctx context.Context) (string, error) {
			if !hangs.Load() {
				return "", errors.New("no\nanswer")
			}
			<-ctx.Done()
			return "", ctx.Err()
		})
		gone, leave := context.WithCancel(t.Context())
		leave()
		for range 3 {
			ready, text := health.Ready(gone)
			require.False(t, ready)
			require.Equal(t, "not ready\nfirst: fine\nsecond: not well: no answer\n", text)
		}
		require.EqualValues(t, 1, asked.Load())
		hangs.Store(true)
		time.Sleep(time.Second)
		begun := time.Now()
		ready, text := health.Ready(t.Context())
		require.False(t, ready)
		require.Contains(t, text, "second: not well: context deadline exceeded\n")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}
