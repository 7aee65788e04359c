package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// withoutHTTP begins the warning that the server's HTTP API, which nothing here uses, has no port.
const withoutHTTP = "HTTP API port has not been set"

// serverLogger hands the server's log lines to slog.
type serverLogger struct {
	slog   *slog.Logger
	level  *slog.LevelVar
	fatals *fatals
}

var (
	_ log.Logger      = (*serverLogger)(nil)
	_ log.WithLogger  = (*serverLogger)(nil)
	_ log.SLogWrapper = (*serverLogger)(nil)
)

func newServerLogger(logger *slog.Logger, level slog.Level) *serverLogger {
	v := new(slog.LevelVar)
	v.Set(level)
	return &serverLogger{
		slog:   slog.New(&quietHandler{Handler: logger.Handler(), level: v}),
		level:  v,
		fatals: &fatals{},
	}
}

// stopping drops all further lines. The services of a server that stops complain of each other's absence.
func (l *serverLogger) stopping() { l.level.Set(math.MaxInt) }

func (l *serverLogger) Debug(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l *serverLogger) Info(msg string, tags ...tag.Tag)   { l.log(slog.LevelInfo, msg, tags) }
func (l *serverLogger) Warn(msg string, tags ...tag.Tag)   { l.log(slog.LevelWarn, msg, tags) }
func (l *serverLogger) Error(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }
func (l *serverLogger) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

func (l *serverLogger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal does not end the process, which is not the server's to end. See [fatals].
func (l *serverLogger) Fatal(msg string, tags ...tag.Tag) {
	if l.fatals.running() {
		l.log(slog.LevelError, msg, tags)
	}
	l.fatals.raise(fatalError(msg, tags))
}

// With returns a logger that adds the tags to every line.
func (l *serverLogger) With(tags ...tag.Tag) log.Logger {
	attrs := make([]any, len(tags))
	for i, a := range attributes(tags) {
		attrs[i] = a
	}
	return &serverLogger{slog: l.slog.With(attrs...), level: l.level, fatals: l.fatals}
}

// SLog returns the logger for the SDK clients and workers inside the server.
func (l *serverLogger) SLog() *slog.Logger { return l.slog }

func (l *serverLogger) log(level slog.Level, msg string, tags []tag.Tag) {
	ctx := context.Background()
	if l.slog.Enabled(ctx, level) {
		l.slog.LogAttrs(ctx, level, msg, attributes(tags)...) //nolint:sloglint // the message is the server's
	}
}

func attributes(tags []tag.Tag) []slog.Attr {
	attrs := make([]slog.Attr, len(tags))
	for i, t := range tags {
		attrs[i] = slog.Any(t.Key(), t.Value())
	}
	return attrs
}

// quietHandler drops lines below its level, and lines that are no news in a server of this kind.
type quietHandler struct {
	slog.Handler
	level slog.Leveler
}

func (h *quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level.Level() && h.Handler.Enabled(ctx, level)
}

func (h *quietHandler) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasPrefix(record.Message, withoutHTTP) || callerLeft(record) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h *quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quietHandler{Handler: h.Handler.WithAttrs(attrs), level: h.level}
}

func (h *quietHandler) WithGroup(name string) slog.Handler {
	return &quietHandler{Handler: h.Handler.WithGroup(name), level: h.level}
}

// callerLeft tells whether a line reports that a caller canceled its request, as each worker that stops does with its
// polls.
func callerLeft(record slog.Record) bool {
	var left bool
	record.Attrs(func(attr slog.Attr) bool {
		left = strings.EqualFold(attr.Key, "error") && strings.HasSuffix(attr.Value.String(), context.Canceled.Error())
		return !left
	})
	return left
}

// fatals turns the server's fatal log lines into errors. The server reports some failures to start, such as a listener
// that cannot be opened, only by a line that is expected to exit the process.
type fatals struct {
	mu    sync.Mutex
	phase phase
	first error
}

type phase int

const (
	building phase = iota
	starting
	running
)

// raise does not return, as the server expects. While the server is built, on one goroutine, it panics with the error
// for build to recover: a constructor of the server's may hide the end of a goroutine. Later it ends the goroutine: the
// server runs its start hooks on goroutines of its own and copes with one that ends.
func (f *fatals) raise(err error) {
	f.mu.Lock()
	f.first = cmp.Or(f.first, err)
	phase := f.phase
	f.mu.Unlock()
	if phase == building {
		panic(err)
	}
	runtime.Goexit()
}

// build calls f, which makes the server. A fatal log line during the call is its error.
func (f *fatals) build(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if err = f.enter(starting); err == nil {
				panic(r)
			}
		}
	}()
	return cmp.Or(call(), f.enter(starting))
}

// start calls f, which starts the server. A fatal log line takes precedence over what f returns, because the server's
// own error then only says that a goroutine ended.
func (f *fatals) start(call func() error) error {
	err := call()
	return cmp.Or(f.enter(running), err)
}

func (f *fatals) running() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phase == running
}

// enter begins a phase and returns the fatal error of the one before.
func (f *fatals) enter(next phase) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = next
	return f.first
}

func fatalError(msg string, tags []tag.Tag) error {
	var text strings.Builder
	first := min(len(msg), 1)
	text.WriteString(strings.ToLower(msg[:first]) + msg[first:])
	for _, t := range tags {
		fmt.Fprintf(&text, ", %s: %v", t.Key(), t.Value())
	}
	return errors.New(text.String())
}
