package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// formatPieces formats quarantined pieces again. A piece stays where it is until what
// was made of it is delivered, and longer if it fails as it did. Where a part of it
// fails, that part is a piece of its own, and the old one goes. Pieces that are not there
// were delivered by a retry before this one.
func (f *Format) formatPieces(ctx context.Context, in workflows.FlushWindowInput) (workflows.FormatLogsResult, error) {
	out := f.newFormatted(in, in.Retry())
	out.again = map[string]bool{}
	var found []string
	summary, err := f.Formatter.Format(ctx, f.pieces(ctx, out, &found), out)
	if err == nil {
		told(f.Metrics).Formatted(ctx, window.ReasonRetry, summary)
	}
	result, err := out.finish(summary, err)
	result.Retried = slices.DeleteFunc(found, func(key string) bool { return out.again[key] })
	return result, err
}

// pieces hands the pieces to the formatter, with a heartbeat for each, and lists those
// that are there.
func (f *Format) pieces(ctx context.Context, out *formatted, found *[]string) iter.Seq2[apigateway.Record, error] {
	return func(yield func(apigateway.Record, error) bool) {
		for _, key := range out.in.Pieces {
			activity.RecordHeartbeat(ctx)
			number, record, err := f.piece(ctx, out.in.Pipeline, key)
			if errors.Is(err, stage.ErrNotFound) {
				continue
			}
			out.piece = number
			*found = append(*found, key)
			if !yield(record, err) {
				return
			}
		}
	}
}

// piece reads a quarantined piece.
func (f *Format) piece(ctx context.Context, pipeline, key string) (number int, _ apigateway.Record, _ error) {
	place, err := window.ParseQuarantineKey(pipeline, key)
	if err != nil {
		return 0, apigateway.Record{}, fmt.Errorf("%w: %w", quarantine.ErrCorrupt, err)
	}
	body, err := f.Stage.Get(ctx, key)
	if err != nil {
		return 0, apigateway.Record{}, err
	}
	header, data, err := quarantine.Parse(body)
	if err != nil {
		return 0, apigateway.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	return place.Number, header.Record(data), nil
}
