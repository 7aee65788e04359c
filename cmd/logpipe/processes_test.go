package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
)

// TestSignalDuringStart sends the signal while the process waits for an AWS that
// does not answer.
func TestSignalDuringStart(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "default")
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	for _, command := range []string{"starter", "worker"} {
		t.Run(command, func(t *testing.T) {
			send := sync.OnceFunc(func() { _ = self.Signal(syscall.SIGTERM) })
			silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // the context ends with the connection only then
				send()
				<-r.Context().Done()
			}))
			defer silent.Close()
			out := logpipe(t, environment{"TEMPORAL_ADDRESS": temporal.Address, "AWS_ENDPOINT_URL": silent.URL}, command)
			require.Equal(t, exitFailed, out.status)
			require.Equal(t, []string{"logpipe: interrupted"}, out.lines)
		})
	}
}

// TestServe ends processes of two parts. That a signal ends a running one cleanly is
// tested with the binary, in dev/allinone.
func TestServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// second starts the second part; the first has started by then.
		second func(ctx context.Context, interrupt func(), fail func()) error
		stops  []string
		err    string
	}{
		"interrupted while it starts": {func(ctx context.Context, interrupt, _ func()) error {
			interrupt()
			<-ctx.Done()
			return ctx.Err()
		}, []string{"first"}, "interrupted"},
		"interrupted when all has started": {func(_ context.Context, interrupt, _ func()) error {
			interrupt()
			return nil
		}, []string{"second", "first"}, "interrupted"},
		"start fails": {func(context.Context, func(), func()) error {
			return errors.New("no stream")
		}, []string{"first"}, "no stream"},
		"fails for good": {func(_ context.Context, _, fail func()) error {
			fail()
			return nil
		}, []string{"second", "first"}, "fatal error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			var stops []string
			stop := func(part string) func(context.Context) error {
				return func(ctx context.Context) error {
					stops = append(stops, part)
					return ctx.Err()
				}
			}
			module := fx.Invoke(func(lc fx.Lifecycle, shutdown fx.Shutdowner) {
				lc.Append(fx.Hook{OnStop: stop("first")})
				lc.Append(fx.Hook{OnStop: stop("second"), OnStart: func(ctx context.Context) error {
					return c.second(ctx, interrupt, func() { _ = shutdown.Shutdown(fx.ExitCode(1)) })
				}})
			})
			err := serve(ctx, config.RoleNone, config.Default(), slog.New(slog.DiscardHandler), module)
			require.ErrorContains(t, err, c.err)
			require.Equal(t, c.stops, stops)
		})
	}
}

// TestMemoryLimit: what a worker may have in use fits below the limit of its memory.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	require.InDelta(t, 198e6, memoryLimit(cfg, 2), 1e6, "with default settings on two cores")
	require.Greater(t, memoryLimit(cfg, 16), memoryLimit(cfg, 2), "more cores run more activities")
	for what, grow := range map[string]func(*config.Config){
		"worker_activities": func(c *config.Config) { c.WorkerActivities = 1000 },
		"batch_memory":      func(c *config.Config) { c.BatchMemory = 1 << 30 },
		"batch_max_bytes":   func(c *config.Config) { c.BatchMaxBytes = 64 << 20 },
		"window_max_bytes":  func(c *config.Config) { c.WindowMaxBytes = 64 << 20 },
	} {
		larger := cfg
		grow(&larger)
		require.Greater(t, memoryLimit(larger, 2), memoryLimit(cfg, 2), what)
	}
}
