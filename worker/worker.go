package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/panics"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// stopTimeout bounds how long a stopping worker waits for requests in flight. ECS
// gives a task 30 s before it kills it.
const stopTimeout = 20 * time.Second

// deliverStopTimeout bounds how long a delivery under way is waited for. The rest of
// stopTimeout is for telling Temporal, so that another worker makes the next attempt at
// once and not after a heartbeat timeout.
const deliverStopTimeout = stopTimeout - 2*time.Second

// deliveryPollers is how many polls for deliveries one worker has open. Temporal has four
// partitions for a queue and shares the rate out among them; the share of one that nobody
// polls is lost, as it is now and then with the SDK's two.
const deliveryPollers = 8

// tasksPerLocalActivity bounds how many workflow tasks wait in a worker for each local activity
// that it runs at once, and leastWorkflowTasks are what it takes in any case.
const (
	tasksPerLocalActivity = 4
	leastWorkflowTasks    = 16
)

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
	// Metrics and Tracer may be nil.
	Metrics *Metrics
	Tracer  trace.Tracer
	Logger  *slog.Logger
	// OnFatal is called when the process can no longer reach Temporal for good.
	OnFatal func(error)
}

// Worker is the worker process.
type Worker struct {
	config     config.Config
	parameters token.Parameters
	store      *token.Store
	keeper     activities.TemporalKeeper
	workers    []queueWorker
	logger     *slog.Logger

	stop func()
}

// queueWorker takes the tasks of one task queue.
type queueWorker struct {
	sdkworker.Worker
	queue string
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
	general := w.serve(d, window.WorkerQueue(cfg.Pipeline), sdkworker.Options{
		MaxConcurrentActivityExecutionSize: concurrency,
		// Small windows are formatted in workflow tasks. A worker takes no more of these than it
		// gets done soon: what it has taken no other worker can do.
		MaxConcurrentLocalActivityExecutionSize: concurrency,
		MaxConcurrentWorkflowTaskExecutionSize:  max(leastWorkflowTasks, tasksPerLocalActivity*concurrency),
	})
	// Of its own, so that Temporal can limit the rate of deliveries and of nothing else, and
	// so that an API that is slow keeps no slot from the other activities.
	deliverer := w.serve(d, window.DeliveryQueue(cfg.Pipeline), sdkworker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: cfg.WorkerDeliveries,
		MaxConcurrentActivityTaskPollers:   deliveryPollers,
		TaskQueueActivitiesPerSecond:       cfg.DeliveryRate,
		MaxHeartbeatThrottleInterval:       activities.DeliverBeat,
	})
	// Of its own, so that the refresh of a token never waits behind all those who wait
	// for it. One at a time is enough: there is one TokenKeeper.
	refresher := w.serve(d, window.TokenQueue(cfg.Pipeline), sdkworker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: 1,
		MaxConcurrentActivityTaskPollers:   1,
	})
	workflows.Register(general)

	formatter, err := NewFormatter(cfg, d.Region)
	if err != nil {
		return nil, err
	}
	destination, err := NewDestination(cfg, d.Parameters, cfg.WorkerDeliveries)
	if err != nil {
		return nil, err
	}
	cache := token.NewCache(w.store, time.Now)
	if err := d.Metrics.WatchToken(cache.Current); err != nil {
		return nil, err
	}
	recent := newRecent(cfg, d.Stage)
	all := &activities.Worker{
		Format: newFormat(cfg, recent, formatter, d.Metrics),
		Tokens: &activities.Tokens{
			Store: w.store, Cache: cache,
			Source:       newTokenSource(cfg, w.clientSecret),
			Secret:       w.clientSecret,
			Keeper:       activities.NewSharedKeeper(w.keeper, time.Now),
			RefreshAhead: cfg.TokenRefreshAhead, RefreshJitter: cfg.TokenRefreshJitter,
			Now: time.Now, Metrics: d.Metrics,
		},
		Deliver: &activities.Deliver{
			Stage: recent, Cache: cache, Destination: destination,
			Pauses:      pausing.NewWatch(d.Temporal, cfg.Pipeline, d.Logger),
			Requests:    semaphore.NewWeighted(int64(cfg.WorkerDeliveries)),
			GiveUpAfter: cfg.DeliveryGiveUpAfter, StopTimeout: deliverStopTimeout, Chance: rand.N[time.Duration],
			Metrics: d.Metrics, Tracer: d.Tracer,
		},
		Split:   &activities.Split{Stage: recent},
		Clear:   &activities.Clear{Stage: recent, Metrics: d.Metrics},
		Discard: &activities.Discard{Stage: d.Stage, Metrics: d.Metrics},
		Readers: &activities.Readers{Temporal: d.Temporal},
		Sweep: &activities.Sweep{
			Stage: d.Stage, Temporal: d.Temporal,
			After: cfg.StageSweepAfter, KeepDiscarded: cfg.StageKeepDiscarded, Now: time.Now,
		},
	}
	all.Register(general)
	all.RegisterRefresh(refresher)
	all.RegisterDelivery(deliverer)
	// What an earlier version has scheduled is on the queue of all others.
	all.RegisterDelivery(general)
	return w, nil
}

// serve adds a worker for a task queue.
func (w *Worker) serve(d Dependencies, queue string, o sdkworker.Options) sdkworker.Worker {
	o.Identity = connect.Identity("worker")
	o.DeploymentOptions = connect.Deployment(d.Config.WorkerDeployment, d.Config.WorkerBuildID)
	o.WorkerStopTimeout = stopTimeout
	o.OnFatalError = d.OnFatal
	o.Interceptors = d.Metrics.countFailures(panics.NewInterceptor(workflows.ErrorPanic))
	added := queueWorker{Worker: sdkworker.New(d.Temporal, queue, o), queue: queue}
	w.workers = append(w.workers, added)
	return added
}

// Start checks the parameters and begins to take tasks. The token endpoint and the
// destination are not called: their outage must not keep a worker from starting.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.checkParameters(ctx); err != nil {
		return err
	}
	var started []queueWorker
	w.stop = sync.OnceFunc(func() {
		var parts sync.WaitGroup
		for _, part := range started {
			parts.Go(part.Stop)
		}
		parts.Wait()
	})
	for _, part := range w.workers {
		if err := part.Start(); err != nil {
			w.stop()
			return fmt.Errorf("start polling task queue %s: %w", part.queue, err)
		}
		started = append(started, part)
	}
	// It looks for a token before the first window needs one.
	if err := w.keeper.Start(ctx, w.config.Pipeline); err != nil {
		w.stop()
		return err
	}
	w.logger.Info("worker runs", "settings", w.config)
	connect.TellDeployment(w.logger, w.config.WorkerDeployment, w.config.WorkerBuildID)
	if w.config.Redact == config.RedactOff {
		w.logger.Warn("redaction is off: passwords, tokens and keys in log lines are delivered as they were logged; set redact to on")
	}
	return nil
}

// Stop waits for the activities in flight and returns when they are done or the
// time for it is over. Stopping twice, or before starting, is fine.
func (w *Worker) Stop() { w.stop() }
