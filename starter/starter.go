package starter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/panics"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// stopTimeout bounds how long a stopping starter takes to open its last windows.
// What it cannot open in time stays in Kinesis for the next owner.
const stopTimeout = 15 * time.Second

// listings is how many activities beside reading a starter runs at once.
const listings = 4

// backfills is how many shards a starter reads for backfills at once.
const backfills = 4

// Storage is what a starter needs of the stage; *stage.Stage has it.
type Storage interface {
	Stage
	marker.Stage
}

// Dependencies are what a starter is made of.
type Dependencies struct {
	Config    config.Config
	Temporal  client.Client
	Namespace connect.Namespace
	Kinesis   kinesis.API
	Stage     Storage
	Metrics   *Metrics
	// Leases may be nil.
	Leases *Leases
	Logger *slog.Logger
	// OnFatal is called when the process can no longer reach Temporal for good.
	OnFatal func(error)
}

// Starter is the starter process.
type Starter struct {
	config    config.Config
	temporal  client.Client
	namespace connect.Namespace
	stream    *kinesis.Stream
	markers   marker.Store
	poller    *Poller
	polling   sdkworker.Worker
	listing   sdkworker.Worker
	report    *reporter
	again     sdkworker.Worker // backfills
	logger    *slog.Logger

	stop func()
}

// New puts a starter together. It does nothing before Start.
func New(d Dependencies) *Starter {
	s := &Starter{
		config: d.Config, temporal: d.Temporal, namespace: d.Namespace, logger: d.Logger,
		stream:  kinesis.NewStream(d.Kinesis, d.Config.Stream),
		markers: marker.Store{Stage: d.Stage, Pipeline: d.Config.Pipeline},
		stop:    func() {},
	}
	identity := connect.Identity("starter")
	newWorker := func(queue string, slots int) sdkworker.Worker {
		return sdkworker.New(d.Temporal, queue, sdkworker.Options{
			Identity:                           identity,
			DeploymentOptions:                  connect.Deployment(d.Config.WorkerDeployment, d.Config.WorkerBuildID),
			DisableWorkflowWorker:              true,
			MaxConcurrentActivityExecutionSize: slots,
			WorkerStopTimeout:                  stopTimeout,
			OnFatalError:                       d.OnFatal,
			Interceptors:                       d.Metrics.countFailures(panics.NewInterceptor(ErrorPanic)),
		})
	}
	s.polling = newWorker(window.StarterQueue(d.Config.Pipeline), d.Config.MaxShards)
	s.listing = newWorker(window.ListingQueue(d.Config.Pipeline), listings)
	s.again = newWorker(window.BackfillQueue(d.Config.Pipeline), backfills)
	ceiling := NewOpenWindows(d.Temporal, d.Config.Pipeline, d.Config.MaxOpenWindows, d.Logger)
	chain := &Chain{Client: d.Temporal, Stage: d.Stage, Pipeline: d.Config.Pipeline, Stream: d.Config.Stream}
	s.poller = &Poller{
		Stream: d.Config.Stream,
		Read: func(shardID string, from kinesis.Position) ShardReader {
			return s.stream.Reader(shardID, from, kinesis.ReaderOptions{LongestIdle: longestIdle(d.Config.WindowMaxAge)})
		},
		Horizon: s.stream,
		Windows: chain, Begun: chain.Begun,
		Markers: s.markers,
		Ceiling: ceiling,
		Pauses:  pausing.NewWatch(d.Temporal, d.Config.Pipeline, d.Logger),
		Limits: window.Limits{
			MaxBytes:   int(d.Config.WindowMaxBytes),
			MaxRecords: d.Config.WindowMaxRecords,
			MaxAge:     d.Config.WindowMaxAge,
		},
		Memory:   semaphore.NewWeighted(int64(d.Config.ReadMemory)),
		Options:  pollOptions(d.Config),
		Identity: identity,
		Logger:   d.Logger,
		Metrics:  d.Metrics,
		Leases:   d.Leases,
	}
	s.report = newReporter(d.Temporal, d.Config.Pipeline, s.poller.held.Load, d.Logger)
	RegisterPolling(s.polling, s.poller)
	waiting := &Waiting{Temporal: d.Temporal, Pipeline: d.Config.Pipeline, Logger: d.Logger}
	RegisterListing(s.listing, &Shards{Stream: s.stream, Markers: s.markers, Ceiling: ceiling, Waiting: waiting.Count})
	RegisterBackfill(s.again, &Backfiller{
		Stream: d.Config.Stream, Pipeline: d.Config.Pipeline, Shards: s.stream, Horizon: s.stream, Read: s.poller.Read,
		Temporal: d.Temporal, Stage: d.Stage, Pauses: s.poller.Pauses, Limits: s.poller.Limits, Logger: d.Logger,
	})
	return s
}

// restAtTip is the longest time between two reads at the tip of a shard. A window begins
// late by as much, and a starter of hundreds of quiet shards does little else than read.
const restAtTip = 1250 * time.Millisecond

// longestIdle keeps the reads of a quiet shard close enough together that a record is
// not much older than a short window when it is read.
func longestIdle(windowMaxAge time.Duration) time.Duration {
	return min(max(windowMaxAge/4, kinesis.ReadInterval), restAtTip)
}

// Start checks the stream, takes part in polling and makes sure that the
// pipeline's StreamReader runs.
func (s *Starter) Start(ctx context.Context) error {
	if err := s.stream.Check(ctx); err != nil {
		return fmt.Errorf("%w; LOGPIPE_STREAM names the stream, AWS_REGION and AWS_ENDPOINT_URL where it is, and the caller needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on it", err)
	}
	if err := s.ensureStreamReader(ctx); err != nil {
		return err
	}
	var err error
	if s.poller.Remembered, err = connect.Retention(ctx, s.temporal, s.namespace); err != nil {
		return err
	}
	for queue, w := range map[string]sdkworker.Worker{
		window.ListingQueue(s.config.Pipeline): s.listing, window.StarterQueue(s.config.Pipeline): s.polling,
		window.BackfillQueue(s.config.Pipeline): s.again,
	} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start polling task queue %s: %w", queue, err)
		}
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	kept.Go(func() { s.keepStreamReader(keeping) })
	kept.Go(func() { s.report.run(keeping) })
	s.stop = sync.OnceFunc(func() {
		stop()
		var stopped sync.WaitGroup
		stopped.Go(s.polling.Stop)
		stopped.Go(s.listing.Stop)
		stopped.Go(s.again.Stop)
		stopped.Wait()
		kept.Wait()
	})
	s.logger.Info("starter runs", "settings", s.config)
	connect.TellDeployment(s.logger, s.config.WorkerDeployment, s.config.WorkerBuildID)
	return nil
}

// Stop hands the shards over and returns when it is done. Stopping twice, or
// before starting, is fine.
func (s *Starter) Stop() { s.stop() }
