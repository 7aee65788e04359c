package activities

import (
	"context"
	"io"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Stage is where windows and batches wait. Errors of Get and Reader wrap
// stage.ErrNotFound where no object has the key.
type Stage interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	Reader(ctx context.Context, key string) (io.ReadCloser, error)
	Delete(ctx context.Context, key string) error
}

// Destination makes one attempt to deliver a batch.
type Destination interface {
	Deliver(ctx context.Context, r delivery.Request) delivery.Answer
}

// Format is FormatLogs and what it needs.
type Format struct {
	Stage     Stage
	Formatter Formatter
	// BatchFormat is the form of the bodies that are sent, a JSON array if empty, and
	// BatchCompression their content encoding, none if empty.
	BatchFormat      framing.Format
	BatchCompression string
	// Concurrency is how many batches of a window are delivered at once.
	Concurrency int
	// Paced: the rate of deliveries is limited.
	Paced bool
	// Metrics may be nil.
	Metrics Metrics

	here here
}

// Deliver is DeliverBatches, DeliverBatch and what they need.
type Deliver struct {
	Stage       Stage
	Cache       *token.Cache
	Destination Destination
	// Pauses tells whether an operator has paused delivery. Nil: nobody can.
	Pauses *pausing.Watch
	// GiveUpAfter is how long a batch is tried before it is parked; 0 is for ever.
	GiveUpAfter time.Duration
	// StopTimeout is how long an attempt may go on when the worker stops. It is less than
	// the worker waits, so that there is time to tell what became of the attempt.
	StopTimeout time.Duration
	// Requests are those that the process may have under way.
	Requests *semaphore.Weighted
	// Chance returns a duration from 0 to less than the given one, which is positive.
	Chance func(time.Duration) time.Duration
	// Metrics and Tracer may be nil.
	Metrics Metrics
	Tracer  trace.Tracer
}

// Split is SplitBatch and what it needs.
type Split struct {
	Stage Stage
}

// Clear is ClearStage and what it needs.
type Clear struct {
	Stage StageListing
	// Metrics may be nil.
	Metrics Metrics
}

// Discard is KeepDiscarded and what it needs.
type Discard struct {
	Stage Stage
	// Metrics may be nil.
	Metrics Metrics
}

// Worker is all that a worker process runs.
type Worker struct {
	Format  *Format
	Tokens  *Tokens
	Deliver *Deliver
	Split   *Split
	Clear   *Clear
	Discard *Discard
	Readers *Readers
	Sweep   *Sweep
}

// Register registers the activities of window.WorkerQueue under the names that the
// workflows use. Each is registered by itself: an exported method that is no activity
// then never becomes one.
func (w *Worker) Register(r worker.ActivityRegistry) {
	register(r, workflows.FormatLogsName, w.Format.FormatLogs)
	register(r, workflows.AcquireTokenName, w.Tokens.AcquireToken)
	register(r, workflows.SplitBatchName, w.Split.SplitBatch)
	register(r, workflows.ClearStageName, w.Clear.ClearStage)
	register(r, workflows.KeepDiscardedName, w.Discard.KeepDiscarded)
	register(r, workflows.StartReadersName, w.Readers.StartReaders)
	register(r, workflows.SweepStageName, w.Sweep.SweepStage)
}

// RegisterRefresh registers the activities of window.TokenQueue.
func (w *Worker) RegisterRefresh(r worker.ActivityRegistry) {
	register(r, workflows.RefreshTokenName, w.Tokens.RefreshToken)
	register(r, workflows.WatchClientSecretName, w.Tokens.WatchClientSecret)
}

// RegisterDelivery registers the activities of window.DeliveryQueue.
func (w *Worker) RegisterDelivery(r worker.ActivityRegistry) {
	register(r, workflows.DeliverBatchesName, w.Deliver.DeliverBatches)
	register(r, workflows.DeliverBatchName, w.Deliver.DeliverBatch)
}

func register(r worker.ActivityRegistry, name string, fn any) {
	r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
}
