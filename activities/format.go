package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Formatter makes records into batches of events; *apigateway.Formatter does. The
// same records give the same batches.
type Formatter interface {
	Format(ctx context.Context, records iter.Seq2[apigateway.Record, error], sink apigateway.Sink) (apigateway.Summary, error)
}

var _ Formatter = (*apigateway.Formatter)(nil)

// quarantineListed bounds how many quarantined pieces the result of FormatLogs
// names one by one; all of them are in the stage and counted.
const quarantineListed = 100

// maxBatches bounds the batches of a window. A batch costs about 300 bytes in the
// result of FormatLogs, which may have 2 MB, and 6 to 10 events of a history, which
// may have 51,200.
const maxBatches = 2000

// digestBytes of a SHA-256 tell batches apart that were made of one window.
const digestBytes = 6

// FormatLogs reads a window's records from the stage and writes its batches there. It
// does the same with quarantined pieces. As a local activity it ends with
// workflows.ErrorNotHere where the stage was slow or away of late.
func (f *Format) FormatLogs(ctx context.Context, in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
	if !activity.GetInfo(ctx).IsLocalActivity {
		return f.formatLogs(ctx, in)
	}
	if f.here.rests() {
		return workflows.FormatLogsResult{}, newNotHere()
	}
	ended := f.here.begin()
	out, err := f.formatLogs(ctx, in)
	ended(err)
	return out, err
}

func (f *Format) formatLogs(ctx context.Context, in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
	if in.Window.IsRetry() {
		return f.formatPieces(ctx, in.Window)
	}
	src, err := f.Stage.Reader(ctx, in.Window.StageKey)
	switch {
	case errors.Is(err, stage.ErrNotFound):
		return workflows.FormatLogsResult{}, newStageObject(err)
	case err != nil:
		return workflows.FormatLogsResult{}, newStageUnavailable(err)
	}
	defer src.Close()

	out := f.newFormatted(in.Window, keysOf(in.Window))
	summary, err := f.Formatter.Format(ctx, stagedRecords(ctx, window.Read(src)), out)
	if errors.Is(err, window.ErrCorrupt) {
		err = fmt.Errorf("read %s: %w", in.Window.StageKey, err)
	}
	if err == nil {
		told(f.Metrics).Formatted(ctx, in.Window.ClosedBecause, summary)
	}
	return out.finish(summary, err)
}

// finish is the result of FormatLogs after the formatter has ended.
func (f *formatted) finish(summary apigateway.Summary, err error) (workflows.FormatLogsResult, error) {
	switch {
	case errors.Is(err, window.ErrCorrupt), errors.Is(err, quarantine.ErrCorrupt):
		return workflows.FormatLogsResult{}, newStageObject(err)
	case errors.Is(err, errTooManyBatches):
		return workflows.FormatLogsResult{}, newTooManyBatches()
	case err != nil:
		return workflows.FormatLogsResult{}, newStageUnavailable(err)
	}
	f.result.Events = summary.Events
	f.result.Bytes = summary.BatchBytes
	f.result.ControlMessages = summary.ControlMessages
	f.result.QuarantinedTotal = summary.Quarantined
	f.result.Interactions = summary.Interactions
	f.result.IncompleteInteractions = summary.IncompleteInteractions
	f.result.FoldedLines = summary.FoldedLines
	f.result.InflatedBytes = summary.InflatedBytes
	return f.result, nil
}

// errTooManyBatches ends the formatting; it never leaves this file.
var errTooManyBatches = errors.New("too many batches")

// stagedRecords hands the staged records to the formatter, with a heartbeat for
// each (the SDK sends only what the server needs).
func stagedRecords(ctx context.Context, records iter.Seq2[window.Record, error]) iter.Seq2[apigateway.Record, error] {
	return func(yield func(apigateway.Record, error) bool) {
		for r, err := range records {
			activity.RecordHeartbeat(ctx)
			if !yield(apigateway.Record{SequenceNumber: string(r.SequenceNumber), Arrival: r.Arrival, Data: r.Data}, err) {
				return
			}
		}
	}
}

// batchKeys names batches: window.Range those of a window, window.Retry those of pieces.
type batchKeys interface {
	BatchKey(pipeline string, n int, digest string) string
	IdempotencyKey(pipeline string, n int, digest string) string
}

// keysOf names the batches of a window.
func keysOf(in workflows.FlushWindowInput) batchKeys {
	switch {
	case in.Run == "":
		return in.Range()
	case in.OriginalKeys:
		return originalKeys{in.Backfill()}
	}
	return in.Backfill()
}

// originalKeys are stage keys of a backfill, and idempotency keys of the window of the
// chain.
type originalKeys struct{ window.Backfill }

func (k originalKeys) IdempotencyKey(pipeline string, n int, digest string) string {
	return k.Window.IdempotencyKey(pipeline, n, digest)
}

// formatted stages what the formatter makes of a window, and lists it.
type formatted struct {
	stage  Stage
	in     workflows.FlushWindowInput
	keys   batchKeys
	result workflows.FormatLogsResult

	format      framing.Format
	compression string

	// piece is the number of the next piece that is quarantined. If again is set, that
	// is the piece which is being formatted again, and again has the keys of what is
	// left of all of them.
	piece int
	again map[string]bool
}

func (f *Format) newFormatted(in workflows.FlushWindowInput, keys batchKeys) *formatted {
	return &formatted{
		stage: f.Stage, in: in, keys: keys, format: f.BatchFormat, compression: f.BatchCompression,
		result: workflows.FormatLogsResult{Concurrency: f.Concurrency, Paced: f.Paced},
	}
}

var (
	_ apigateway.Sink   = (*formatted)(nil)
	_ apigateway.Framer = (*formatted)(nil)
)

// Frame implements apigateway.Framer.
func (f *formatted) Frame(batch int) framing.Frame {
	id := f.in.WorkflowID()
	if f.in.OriginalKeys {
		// The body has to be the same, too.
		id = window.FlushWindowID(f.in.Pipeline, f.in.ShardID, f.in.FirstSequenceNumber)
	}
	return f.format.Frame(framing.Origin{Pipeline: f.in.Pipeline, Window: id, Shard: f.in.ShardID, Batch: batch})
}

// Batch implements apigateway.Sink.
func (f *formatted) Batch(ctx context.Context, b apigateway.Batch) error {
	if len(f.result.Batches) == maxBatches {
		return errTooManyBatches
	}
	body, err := framing.Encode(f.compression, b.Body)
	if err != nil {
		return err
	}
	// The object is named after its own bytes, and the batch after its text: that is the
	// same whoever has compressed it.
	ofText := digest(b.Body)
	ofBody := ofText
	if f.compression != "" {
		ofBody = digest(body)
	}
	key := f.keys.BatchKey(f.in.Pipeline, b.Index, ofBody)
	if err := f.stage.Put(ctx, key, body); err != nil {
		return err
	}
	f.result.Batches = append(f.result.Batches, workflows.Batch{
		StageKey:        key,
		IdempotencyKey:  f.keys.IdempotencyKey(f.in.Pipeline, b.Index, ofText),
		Events:          b.Events,
		Bytes:           len(body),
		ContentType:     f.format.ContentType(),
		ContentEncoding: f.compression,
		FirstArrival:    f.firstArrival(),
	})
	return nil
}

// firstArrival is when the first record of the window arrived. Of pieces that had to wait for
// somebody nobody asks how long they took.
func (f *formatted) firstArrival() time.Time {
	if f.in.IsRetry() {
		return time.Time{}
	}
	return f.in.FirstArrival
}

// Quarantine implements apigateway.Sink.
func (f *formatted) Quarantine(ctx context.Context, q apigateway.Quarantined) error {
	header := quarantine.HeaderOf(q)
	body, err := quarantine.Append(make([]byte, 0, len(q.Data)+pieceOverhead), header, q.Data)
	if err != nil {
		return err
	}
	key := f.in.Range().QuarantineKey(f.in.Pipeline, f.piece, header.Digest(q.Data))
	if err := f.stage.Put(ctx, key, body); err != nil {
		return err
	}
	if f.again != nil {
		f.again[key] = true
	} else {
		f.piece++
	}
	if len(f.result.Quarantined) < quarantineListed {
		f.result.Quarantined = append(f.result.Quarantined, workflows.Quarantined{
			StageKey:       key,
			SequenceNumber: window.SequenceNumber(q.SequenceNumber),
			UserRecord:     q.UserRecord,
			Offset:         q.Offset,
			Reason:         q.Reason.Code,
		})
	}
	return nil
}

// pieceOverhead is about what a staged piece has beside its data.
const pieceOverhead = 512

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:digestBytes])
}
