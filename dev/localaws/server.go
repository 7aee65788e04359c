package localaws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/cwlogs"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/fault"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/ssm"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/sts"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// Server is the local AWS: an http.Handler for clients and a few methods for the program around it. All methods are
// safe for concurrent use.
type Server struct {
	cfg     Config
	faults  *fault.Set
	kinesis *kinesis.Service
	logs    *cwlogs.Service
	sts     *sts.Service
	targets map[string]endpoint
	admin   *http.ServeMux
	// behind is how far the services' clock is behind cfg.Now, in nanoseconds.
	behind atomic.Int64

	mu      sync.Mutex
	closed  bool
	servers []*http.Server
	serving sync.WaitGroup
}

// endpoint is one service behind X-Amz-Target.
type endpoint struct {
	service string // as fault rules name it
	ops     wire.Table
}

var _ http.Handler = (*Server)(nil)

// New makes a server without streams, parameters or log groups. Close ends it. New panics on settings that
// [Config.Validate] refuses, so that a test need not check.
func New(cfg Config) *Server {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Sprintf("localaws: %v", err))
	}
	cfg = cfg.withDefaults()
	s := &Server{}
	now := cfg.Now
	cfg.Now = func() time.Time { return now().Add(-time.Duration(s.behind.Load())) }
	s.cfg, s.faults = cfg, &fault.Set{Now: now}
	s.sts = &sts.Service{Account: cfg.Account, Now: cfg.Now}
	s.kinesis = kinesis.New(kinesis.Config{
		Region: cfg.Region, Account: cfg.Account, Now: cfg.Now, StateDelay: cfg.StateDelay, ShardLimit: cfg.ShardLimit,
		Throttle: cfg.Throttle, RecordFault: s.faults.JudgeRecord, OnStore: cfg.OnStore,
	})
	s.logs = cwlogs.New(cwlogs.Config{
		Region: cfg.Region, Account: cfg.Account, Now: cfg.Now, Sink: sink{s}, Logger: cfg.Logger,
		AcceptOldEvents: cfg.AcceptOldEvents, OnForward: cfg.OnForward,
	})
	parameters := ssm.New(ssm.Config{Region: cfg.Region, Account: cfg.Account, Now: cfg.Now, Throttle: cfg.Throttle})
	s.targets = map[string]endpoint{
		kinesis.TargetPrefix: {"kinesis", s.kinesis.Operations()},
		ssm.TargetPrefix:     {"ssm", parameters.Operations()},
		cwlogs.TargetPrefix:  {"logs", s.logs.Operations()},
	}
	s.admin = s.adminRoutes()
	return s
}

// sink is Kinesis as the subscriptions of CloudWatch Logs reach it: in the process, but through the same fault rules
// as a PutRecord request.
type sink struct{ s *Server }

var _ cwlogs.Sink = sink{}

// Put implements cwlogs.Sink.
func (k sink) Put(ctx context.Context, streamARN, partitionKey string, data []byte) error {
	verdict := k.s.faults.Judge("kinesis", "PutRecord", wire.Target{Stream: kinesis.StreamNameOf(streamARN)})
	if err := pause(ctx, verdict.Latency); err != nil {
		return err
	}
	if verdict.Before != nil {
		return verdict.Before
	}
	if err := k.s.kinesis.Put(ctx, streamARN, partitionKey, data); err != nil {
		return err
	}
	if verdict.After != nil {
		return verdict.After
	}
	return nil
}

// InjectFault puts a rule in force and returns its id. The error names everything that is wrong with the rule.
func (s *Server) InjectFault(r FaultRule) (id string, err error) { return s.faults.Add(r) }

// ClearFault ends the rule with this id and reports whether there was one.
func (s *Server) ClearFault(id string) bool { return s.faults.Delete(id) }

// ClearFaults ends all rules.
func (s *Server) ClearFaults() { s.faults.Clear() }

// Faults lists the rules with how often each applied.
func (s *Server) Faults() []FaultRule { return s.faults.List() }

// ExpireIterators ends every shard iterator given out so far, as if five minutes had passed.
func (s *Server) ExpireIterators() { s.kinesis.ExpireIterators() }

// SetClockBehind puts the services' clock behind Config.Now, so that what arrives now has arrived long ago when the
// clock is right again. It must not be put back further once there are streams: time does not go back for them.
func (s *Server) SetClockBehind(d time.Duration) { s.behind.Store(int64(d)) }

// Flush waits until every log event that subscriptions accepted so far is in Kinesis or given up. The error is the
// context's.
func (s *Server) Flush(ctx context.Context) error { return s.logs.Flush(ctx) }

// Undelivered is the number of log events that subscriptions gave up because their stream refused them for good,
// for example because it was deleted. Each was logged.
func (s *Server) Undelivered() int64 { return s.logs.Undelivered() }

// Account is the account id in use.
func (s *Server) Account() string { return s.cfg.Account }

// Region is the region in use.
func (s *Server) Region() string { return s.cfg.Region }

// errClosed is the answer to a start after the end.
var errClosed = errors.New("local AWS is closed")

// Start listens on an address such as 127.0.0.1:4566, port 0 for a free one, and serves until ctx ends or Close is
// called. It returns the address listened on.
func (s *Server) Start(ctx context.Context, listen string) (addr string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", fmt.Errorf("start local AWS: %w", err)
	}
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelError),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true) // some clients insist on it for SubscribeToShard

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errors.Join(errClosed, l.Close())
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Logger.Error("local AWS stopped serving", "addr", l.Addr().String(), "error", err)
		}
	})
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return l.Addr().String(), nil
}

// Close stops serving, ends subscriptions and drops deliveries that are still waiting; Flush before it to keep them.
// Closing twice is fine.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	s.kinesis.Close()
	var errs []error
	for _, srv := range servers {
		errs = append(errs, srv.Close())
	}
	s.serving.Wait()
	s.logs.Close()
	return errors.Join(errs...)
}
