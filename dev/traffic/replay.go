package traffic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/loginput"
)

// ReplayOptions configure [Replay]. The zero value of a field selects its default.
type ReplayOptions struct {
	// LogGroup gets the events whose input names no log group; default
	// "/logpipe/input".
	LogGroup string
	// LogStream gets the events whose input names no log stream; default is the
	// base name of the file.
	LogStream string
	// Shift moves the events of each file by the same time so that its first one is
	// now, and none is later than now: CloudWatch Logs rejects events older than 14
	// days. Without it events keep their own time.
	Shift bool
	// Stdin is read for the file "-"; default os.Stdin.
	Stdin io.Reader
	// Logger gets what was not replayed as it stands; default slog.Default.
	Logger *slog.Logger
}

// Validate reports a log group or log stream that CloudWatch Logs would refuse.
func (o ReplayOptions) Validate() error { return loginput.CheckNames(o.LogGroup, o.LogStream) }

// ReplayResult says what was read. What became of it is in the counts of the
// [Writer].
type ReplayResult struct {
	Events   int64 `json:"events"`   // found in the files
	Control  int64 `json:"control"`  // control messages of subscriptions, skipped
	Blank    int64 `json:"blank"`    // lines of white space, skipped
	Untimed  int64 `json:"untimed"`  // events without a time, put with the time of the replay
	Repaired int64 `json:"repaired"` // events with invalid UTF-8, replaced by U+FFFD
}

// Events are put when one stream has a full batch, and all of them when there are
// more bytes than this together.
const maxBuffered = 32 << 20

// Replay reads files, or standard input for "-", and writes each log event that it
// finds: to the log group and stream and with the time that the input gives, else to
// the default ones and with the time of the replay. Files may be text, NDJSON,
// CloudWatch Logs subscription envelopes, or events of Lambda, Kinesis and Firehose
// that wrap them, with gzip or without; what they are is told from their content.
//
// It ends at the first malformed input with a [*loginput.Error], after it has written
// what came before. Memory is bounded whatever the size of a file.
func Replay(ctx context.Context, w *Writer, files []string, o ReplayOptions) (ReplayResult, error) {
	o.LogGroup = cmp.Or(o.LogGroup, "/logpipe/input")
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if err := o.Validate(); err != nil {
		return ReplayResult{}, err
	}
	r := &replay{options: o, writer: w, pending: map[stream]*pendingEvents{}}
	for _, file := range files {
		err := r.file(ctx, file)
		// What was read before a fault is good: put it.
		if flushErr := r.flush(ctx); flushErr != nil {
			err = errors.Join(err, flushErr)
		}
		if err != nil {
			return r.result, err
		}
	}
	return r.result, nil
}

type replay struct {
	options  ReplayOptions
	writer   *Writer
	result   ReplayResult
	pending  map[stream]*pendingEvents
	buffered int
}

type pendingEvents struct {
	events []Event
	bytes  int
}

func (r *replay) file(ctx context.Context, path string) error {
	src, name := r.options.Stdin, "standard input"
	defaultStream := "stdin"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open input: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return fmt.Errorf("input %s is a directory: name the files in it", path)
		}
		src, name = f, path
		defaultStream = strings.NewReplacer(":", "_", "*", "_").Replace(filepath.Base(path))
	}
	defaultStream = cmp.Or(r.options.LogStream, defaultStream)

	var shift *int64
	reader := &inputReader{
		name: name,
		unnamed: func(line int) {
			r.options.Logger.Warn("an envelope lacks its log group or log stream; its events go to the default one", "file", name, "line", line)
		},
		emit: func(e inputEvent) error {
			now := time.Now().UnixMilli()
			switch {
			case e.millis == 0:
				e.millis = now
				r.result.Untimed++
			case r.options.Shift:
				if shift == nil {
					offset := now - e.millis
					shift = &offset
				}
				e.millis = min(e.millis+*shift, now)
			}
			e.group = cmp.Or(e.group, r.options.LogGroup)
			e.stream = cmp.Or(e.stream, defaultStream)
			return r.add(ctx, name, e)
		},
	}
	blank, err := loginput.Read(name, src, reader)
	r.result.Control += int64(reader.control)
	r.result.Blank += int64(reader.blank + blank)
	return err
}

func (r *replay) add(ctx context.Context, file string, e inputEvent) error {
	r.result.Events++
	// The SDK writes JSON, which replaces invalid bytes as well, but after the size
	// was counted.
	if valid := strings.ToValidUTF8(e.message, "\uFFFD"); valid != e.message {
		e.message = valid
		r.result.Repaired++
	}
	if len(e.message) == 0 || len(e.message) > MaxMessage {
		// The writer counts it; only here it is known where it came from.
		r.options.Logger.Warn("a log event cannot be put: its message is empty or too large", "file", file, "line", e.line, "bytes", len(e.message), "limit", MaxMessage)
		return r.writer.Put(ctx, e.group, e.stream, []Event{{e.millis, e.message}})
	}
	to := stream{e.group, e.stream}
	p := r.pending[to]
	if p == nil {
		p = &pendingEvents{}
		r.pending[to] = p
	}
	size := len(e.message) + eventOverhead
	if len(p.events) == maxBatchEvents || p.bytes+size > maxBatchBytes {
		if err := r.put(ctx, to, p); err != nil {
			return err
		}
	}
	p.events = append(p.events, Event{e.millis, e.message})
	p.bytes += size
	if r.buffered += size; r.buffered > maxBuffered {
		return r.flush(ctx)
	}
	return ctx.Err()
}

func (r *replay) put(ctx context.Context, to stream, p *pendingEvents) error {
	err := r.writer.Put(ctx, to.group, to.name, p.events)
	r.buffered -= p.bytes
	clear(p.events)
	p.events, p.bytes = p.events[:0], 0
	return err
}

// flush puts what is pending and forgets the streams, of which a large file may
// have many.
func (r *replay) flush(ctx context.Context) error {
	var errs []error
	for to, p := range r.pending {
		if len(p.events) > 0 {
			errs = append(errs, r.put(ctx, to, p))
		}
	}
	clear(r.pending)
	return errors.Join(errs...)
}
