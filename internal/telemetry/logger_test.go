package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/log"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// lines reads what a logger wrote: every line has to be one JSON object.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var list []map[string]any
	decoder := json.NewDecoder(out)
	for {
		var line map[string]any
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF):
			return list
		case err != nil:
			t.Fatalf("line %d is no JSON object: %v", len(list)+1, err)
		}
		list = append(list, line)
	}
}

func TestLoggerWritesTimeInUTC(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, slog.LevelInfo)
	for _, at := range []time.Time{
		time.Date(2026, 1, 31, 17, 4, 5, 678_912_345, time.FixedZone("EET", 2*3600)),
		time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
	} {
		if err := logger.Handler().Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "message", 0)); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, &out)
	if got[0]["time"] != "2026-01-31T15:04:05.678Z" || got[1]["time"] != "2026-01-31T15:04:05.000Z" {
		t.Errorf("got %v", got)
	}
}

func TestLoggerLeavesAttributesAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, slog.LevelInfo)
	logger.WithGroup("shard").Warn("gap", "time", "noon", "err", errors.New("trimmed"), "secret", config.NewSecret("hunter2"))
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("secret in %s", out.String())
	}
	line := lines(t, &out)[0]
	shard, _ := line["shard"].(map[string]any)
	if line["level"] != "WARN" || line["msg"] != "gap" || shard["time"] != "noon" || shard["err"] != "trimmed" {
		t.Errorf("got %v", line)
	}
	if _, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil {
		t.Error(err)
	}
}

func TestLoggerDropsBelowLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var level slog.LevelVar
	level.Set(slog.LevelWarn)
	logger := telemetry.NewLogger(&out, &level)
	logger.Info("dropped")
	logger.Warn("kept")
	level.Set(slog.LevelDebug)
	logger.Debug("kept")
	got := lines(t, &out)
	if len(got) != 2 || got[0]["msg"] != "kept" || got[1]["msg"] != "kept" {
		t.Errorf("got %v", got)
	}
	if logger.Enabled(t.Context(), slog.LevelDebug-1) {
		t.Error("a level below debug is enabled")
	}
}

func TestLoggerKeepsLinesWhole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, slog.LevelInfo)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				logger.Info("two\nlines", "shard", "shardId-000000000000")
			}
		})
	}
	group.Wait()
	if got := strings.Count(out.String(), "\n"); got != 400 {
		t.Errorf("%d lines, want 400", got)
	}
	if got := len(lines(t, &out)); got != 400 {
		t.Errorf("%d objects, want 400", got)
	}
}

func TestTemporalLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.TemporalLogger(telemetry.NewLogger(&out, slog.LevelInfo))
	logger.Debug("dropped")
	logger.Info("Started Worker", "Namespace", "default")
	log.With(logger, "WorkflowID", "logpipe/stream").Error("failed", "Error", errors.New("refused"))
	got := lines(t, &out)
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	if got[0]["component"] != "temporal-sdk" || got[0]["Namespace"] != "default" || got[0]["level"] != "INFO" {
		t.Errorf("got %v", got[0])
	}
	if got[1]["WorkflowID"] != "logpipe/stream" || got[1]["Error"] != "refused" || got[1]["level"] != "ERROR" {
		t.Errorf("got %v", got[1])
	}
}
