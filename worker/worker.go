package worker

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// stopTimeout bounds how long a stopping worker waits for requests in flight. ECS
// gives a task 30 s before it kills it.
const stopTimeout = 20 * time.Second

// Stage is what a worker needs of the stage; *stage.Stage has it.
type Stage interface {
	activities.Stage
	activities.StageListing
}

// Dependencies are what a worker is made of.
type Dependencies struct {
	Config     config.Config
	Temporal   client.Client
	Parameters token.Parameters
	Stage      Stage
	// Region of AWS, for events that do not name theirs.
	Region string
	Logger *slog.Logger
	// OnFatal is called when the process can no longer reach Temporal for good.
	OnFatal func(error)
}

// Worker is the worker process.
type Worker struct {
	config     config.Config
	parameters token.Parameters
	store      *token.Store
	keeper     activities.TemporalKeeper
	worker     sdkworker.Worker
	refresher  sdkworker.Worker
	logger     *slog.Logger

	stop func()
}

// New puts a worker together. It does nothing before Start.
func New(d Dependencies) (*Worker, error) {
	cfg := d.Config
	w := &Worker{
		config: cfg, parameters: d.Parameters, logger: d.Logger,
		store:  newTokenStore(cfg, d.Parameters),
		keeper: activities.TemporalKeeper{Client: d.Temporal},
		stop:   func() {},
	}
	concurrency := cfg.WorkerActivities
	if concurrency == 0 {
		concurrency = config.ActivitiesPerCore * runtime.GOMAXPROCS(0)
	}
	w.worker = sdkworker.New(d.Temporal, window.WorkerQueue(cfg.Pipeline), sdkworker.Options{
		Identity:                           connect.Identity("worker"),
		MaxConcurrentActivityExecutionSize: concurrency,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       d.OnFatal,
	})
	// Of its own, so that the refresh of a token never waits behind all those who wait
	// for it. One at a time is enough: there is one TokenKeeper.
	w.refresher = sdkworker.New(d.Temporal, window.TokenQueue(cfg.Pipeline), sdkworker.Options{
		Identity:                           connect.Identity("worker"),
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: 1,
		MaxConcurrentActivityTaskPollers:   1,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       d.OnFatal,
	})
	registerWorkflows(w.worker)

	formatter, err := NewFormatter(cfg, d.Region)
	if err != nil {
		return nil, err
	}
	destination, err := NewDestination(cfg, d.Parameters, concurrency)
	if err != nil {
		return nil, err
	}
	cache := token.NewCache(w.store, time.Now)
	recent := newRecent(cfg, d.Stage)
	all := &activities.Worker{
		Format: newFormat(cfg, recent, formatter),
		Tokens: &activities.Tokens{
			Store: w.store, Cache: cache,
			Source:       newTokenSource(cfg, w.clientSecret),
			Secret:       w.clientSecret,
			Keeper:       activities.NewSharedKeeper(w.keeper, time.Now),
			RefreshAhead: cfg.TokenRefreshAhead, RefreshJitter: cfg.TokenRefreshJitter,
			Now: time.Now,
		},
		Deliver: &activities.Deliver{Stage: recent, Cache: cache, Destination: destination, Now: time.Now},
		Split:   &activities.Split{Stage: recent},
		Clear:   &activities.Clear{Stage: recent},
		Readers: &activities.Readers{Temporal: d.Temporal},
		Sweep:   &activities.Sweep{Stage: d.Stage, Temporal: d.Temporal, After: cfg.StageSweepAfter, Now: time.Now},
	}
	all.Register(w.worker)
	all.RegisterRefresh(w.refresher)
	return w, nil
}

// registerWorkflows registers the workflows under the names that are in their
// callers' histories.
func registerWorkflows(r sdkworker.WorkflowRegistry) {
	register := func(name string, fn any) {
		r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name})
	}
	register(workflows.StreamReaderName, workflows.StreamReader)
	register(workflows.ShardReaderName, workflows.ShardReader)
	register(workflows.FlushWindowName, workflows.FlushWindow)
	register(workflows.TokenKeeperName, workflows.TokenKeeper)
}

// Start checks the parameters and begins to take tasks. The token endpoint and the
// destination are not called: their outage must not keep a worker from starting.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.checkParameters(ctx); err != nil {
		return err
	}
	if err := w.worker.Start(); err != nil {
		return fmt.Errorf("start polling task queue %s: %w", window.WorkerQueue(w.config.Pipeline), err)
	}
	if err := w.refresher.Start(); err != nil {
		w.worker.Stop()
		return fmt.Errorf("start polling task queue %s: %w", window.TokenQueue(w.config.Pipeline), err)
	}
	w.stop = sync.OnceFunc(func() {
		var parts sync.WaitGroup
		parts.Go(w.worker.Stop)
		parts.Go(w.refresher.Stop)
		parts.Wait()
	})
	// It looks for a token before the first window needs one.
	if err := w.keeper.Start(ctx, w.config.Pipeline); err != nil {
		w.stop()
		return err
	}
	w.logger.Info("worker runs", "settings", w.config)
	if w.config.Redact == config.RedactOff {
		w.logger.Warn("redaction is off: passwords, tokens and keys in log lines are delivered as they were logged; set redact to on")
	}
	return nil
}

// Stop waits for the activities in flight and returns when they are done or the
// time for it is over. Stopping twice, or before starting, is fine.
func (w *Worker) Stop() { w.stop() }
