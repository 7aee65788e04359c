// Package telemetry is what the processes tell about themselves.
package telemetry

import (
	"io"
	"log/slog"

	"go.temporal.io/sdk/log"
)

// timeLayout is RFC 3339 with exactly three decimals, so that lines sort as text.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// NewLogger returns a logger that writes one JSON object a line to w, with the time in
// UTC and milliseconds. Records below level are dropped; a [slog.LevelVar] can be
// changed later.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && attr.Key == slog.TimeKey && attr.Value.Kind() == slog.KindTime {
				attr.Value = slog.StringValue(attr.Value.Time().UTC().Format(timeLayout))
			}
			return attr
		},
	}))
}

// TemporalLogger hands the log lines of the Temporal SDK to logger, marked with the
// component that they come from.
func TemporalLogger(logger *slog.Logger) log.Logger {
	return log.NewStructuredLogger(logger.With("component", "temporal-sdk"))
}
