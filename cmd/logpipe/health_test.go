package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

func TestHealth(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	serve := func(health *telemetry.Health) string {
		m, err := telemetry.NewMetrics(telemetry.MetricsOptions{Listen: "127.0.0.1:0", Health: health, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.NoError(t, m.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, m.Stop(context.WithoutCancel(t.Context()))) })
		return m.Address()
	}
	well, ill := &telemetry.Health{}, &telemetry.Health{}
	well.Begin()
	well.Add("temporal", func(context.Context) (string, error) { return "answers", nil })
	ill.Begin()
	ill.Add("temporal", func(context.Context) (string, error) { return "", errors.New("no answer") })
	wellAt, illAt, closed := serve(well), serve(ill), closedPort(t)
	// The settings that a starter or worker needs beside are none of its business.
	none := environment{"LOGPIPE_STREAM": "", "LOGPIPE_STAGE_URL": "", "LOGPIPE_METRICS_LISTEN": "", "LOGPIPE_DESTINATION_URL": "", "HTTP_PROXY": "http://" + closed}
	with := func(listen string) environment {
		changes := maps.Clone(none)
		changes["LOGPIPE_METRICS_LISTEN"] = listen
		return changes
	}
	for name, c := range map[string]struct {
		changes environment
		args    []string
		stdout  string   // of what is well
		says    []string // of what is not
	}{
		"alive by settings":      {with(wellAt), nil, "ok\n", nil},
		"on all addresses":       {with("0.0.0.0:" + wellAt[len("127.0.0.1:"):]), nil, "ok\n", nil},
		"on any address":         {with(":" + wellAt[len("127.0.0.1:"):]), nil, "ok\n", nil},
		"alive by address":       {none, []string{"--address", illAt}, "ok\n", nil},
		"address over settings":  {with(closed), []string{"--address", wellAt}, "ok\n", nil},
		"ready":                  {none, []string{"--ready", "--address", wellAt}, "ready\ntemporal: answers\n", nil},
		"not ready":              {none, []string{"--ready", "--address", illAt}, "", []string{illAt, "/readyz", "503", "temporal: not well: no answer"}},
		"nobody there":           {with(closed), nil, "", []string{closed, "connection refused"}},
		"off":                    {none, nil, "", []string{"metrics_listen is empty", "LOGPIPE_METRICS_LISTEN", "--address"}},
		"whatever port is free":  {with("127.0.0.1:0"), nil, "", []string{"127.0.0.1:0", "--address"}},
		"no address":             {none, []string{"--address", "worker"}, "", []string{`"worker"`, "HOST:PORT"}},
		"settings that are none": {environment{"LOGPIPE_STRAEM": "x"}, nil, "", []string{"LOGPIPE_STRAEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := logpipe(t, c.changes, append([]string{"health"}, c.args...)...)
			require.Equal(t, c.stdout, out.stdout)
			if c.says == nil {
				require.Equal(t, exitOK, out.status, out.lines)
				return
			}
			require.Equal(t, exitFailed, out.status, "never 2, which has no meaning for a container")
			for _, word := range c.says {
				require.Contains(t, join(out.lines), word)
			}
		})
	}
}

func join(lines []string) string {
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	return text
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		":9464": "127.0.0.1:9464", "0.0.0.0:9464": "127.0.0.1:9464", "[::]:9464": "[::1]:9464", "10.1.2.3:9464": "10.1.2.3:9464", "localhost:9464": "localhost:9464",
	} {
		got, err := reachable(listen)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
