package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/provision"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// Names within a fleet. Nobody else sees them: everything is made anew.
const (
	Pipeline        = "fleet"
	Stream          = "api-logs"
	clientID        = "logpipe"
	clientSecret    = "not-a-secret"
	secretParameter = "/logpipe/" + Pipeline + "/client-secret"
	tokenParameter  = "/logpipe/" + Pipeline + "/token"
	filterRole      = "arn:aws:iam::" + localaws.DefaultAccount + ":role/cloudwatch-to-kinesis"

	anyPort = "127.0.0.1:0"

	// Roles are subcommands of logpipe, and begin the names of processes.
	roleStarter = "starter"
	roleWorker  = "worker"
)

// How long a process may take to stop before it is killed. A starter or worker stops
// within the 30 s of a container.
const (
	logpipeStop  = 35 * time.Second
	temporalStop = 30 * time.Second
	apiStop      = 5 * time.Second
	serverStop   = 10 * time.Second
)

// Options of a fleet.
type Options struct {
	// Temporal is the command line of "dev temporal", without flags.
	Temporal []string
	// Logpipe is the production binary; it is built where this is empty.
	Logpipe string
	// Shards of the stream.
	Shards int
	// Settings of the starters and workers by their names in the environment, such as
	// LOGPIPE_WINDOW_MAX_AGE. Those that tie the fleet together are set already.
	Settings map[string]string
	// TokenLife is how long a token of the API works; 0 is the API's default.
	TokenLife time.Duration
	// Seed makes the faults of the API repeatable.
	Seed uint64
	// Dev is the command line of "dev". With it the local AWS and the API are processes of
	// their own, too; otherwise they run in this one.
	Dev []string
	// Environment is what all processes find beside that.
	Environment map[string]string
	// ClockBehind is how far AWS's clock is behind until [Fleet.SetAWSClock] puts it right.
	// It needs Dev.
	ClockBehind time.Duration
	// Throttle enforces the quotas of AWS.
	Throttle bool
	// OnRequest sees each request to AWS. It must not block.
	OnRequest func(localaws.Request)
	// Report receives what a person should know, such as a process that ended by itself.
	// It may be called from any goroutine.
	Report func(string)
}

// Fleet is the servers, and the members that were asked for. Its witnesses can be read
// after Stop.
type Fleet struct {
	// AWS and API are nil where they are processes of their own: AWSProcess, APIProcess.
	AWS        *localaws.Server
	AWSConfig  aws.Config
	API        *analytics.Server
	AWSProcess *Process
	APIProcess *Process
	Events     *ledger.Events
	Records    *ledger.Records
	Writer     *traffic.Writer
	Client     client.Client
	// Temporal is the server's place. Its process is replaced at the same address, with
	// the same database.
	Temporal *Member

	options Options
	dir     string
	logger  *slog.Logger
	spawner *spawner
	awsURL  string
	apiURL  string

	// Set by the first start of Temporal, before there are members that read it.
	temporalAddress, temporalUI string

	mu        sync.Mutex
	members   []*Member
	processes []*Process
	closers   []func() error // in the order of the start
}

// Start starts the servers: the local AWS with a stream, the analytics API, and Temporal.
// On an error nothing is left running.
func Start(ctx context.Context, o Options) (f *Fleet, err error) {
	f = &Fleet{options: o, Events: ledger.NewEvents(), Records: ledger.NewRecords(), spawner: newSpawner()}
	for _, start := range []func(context.Context) error{
		f.makeDirectory, f.makeBinary, f.startAWS, f.startAPI, f.makeResources, f.startTemporal,
	} {
		if err := start(ctx); err != nil {
			return nil, errors.Join(err, f.Stop(false))
		}
	}
	return f, nil
}

// Stop ends everything, the pipeline first and the servers last. keep leaves the
// directory with the logs, the stage and the database of Temporal.
func (f *Fleet) Stop(keep bool) error {
	if f.Client != nil {
		f.Client.Close()
	}
	f.mu.Lock()
	members := f.members
	f.mu.Unlock()
	for _, m := range members {
		m.retire()
	}
	errs := []error{f.endProcesses(logpipeStop)}
	if f.Temporal != nil {
		f.Temporal.retire()
		if p := f.Temporal.Release(); p != nil {
			errs = append(errs, p.end(temporalStop))
		}
	}
	for _, p := range []*Process{f.APIProcess, f.AWSProcess} {
		if p != nil {
			errs = append(errs, p.end(serverStop))
		}
	}
	f.spawner.close()
	for _, closer := range slices.Backward(f.closers) {
		errs = append(errs, closer())
	}
	if f.dir != "" && !keep {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	return errors.Join(errs...)
}

// endProcesses ends all starters and workers, those too that have lost their place.
func (f *Fleet) endProcesses(within time.Duration) error {
	f.mu.Lock()
	running := f.processes
	f.processes = nil
	f.mu.Unlock()
	var mu sync.Mutex
	var errs []error
	var ending sync.WaitGroup
	for _, p := range running {
		ending.Go(func() {
			err := p.end(within)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	ending.Wait()
	return errors.Join(errs...)
}

// Directory holds the stage, the database of Temporal and, in logs, what each process
// has written.
func (f *Fleet) Directory() string { return f.dir }

// Logs is the directory of the processes' logs.
func (f *Fleet) Logs() string { return f.path("logs") }

// Stage is the directory of the stage.
func (f *Fleet) Stage() string { return f.path("stage") }

func (f *Fleet) path(name string) string { return filepath.Join(f.dir, name) }

// Starter makes a place for a starter, which is empty at first. The number is for people.
func (f *Fleet) Starter(number int) *Member { return f.member(roleStarter, number) }

// Worker makes a place for a worker, which is empty at first. The number is for people.
func (f *Fleet) Worker(number int) *Member { return f.member(roleWorker, number) }

func (f *Fleet) member(role string, number int) *Member {
	m := newMember(role, number, func(name string) (*Process, error) {
		p, err := f.start(command{name: name, args: []string{f.options.Logpipe, role}, env: f.environment(name)})
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.processes = slices.DeleteFunc(f.processes, (*Process).ended)
		f.processes = append(f.processes, p)
		return p, nil
	}, f.options.Report)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = append(f.members, m)
	return m
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (f *Fleet) start(c command) (*Process, error) { return f.spawner.start(f.Logs(), c) }

func (f *Fleet) closeLater(closer func() error) { f.closers = append(f.closers, closer) }

func (f *Fleet) makeDirectory(context.Context) error {
	var err error
	if f.dir, err = os.MkdirTemp("", "logpipe-fleet-"); err != nil {
		return fmt.Errorf("make a directory for the run: %w", err)
	}
	if err := os.Mkdir(f.Logs(), 0o700); err != nil {
		return fmt.Errorf("make a directory for the logs: %w", err)
	}
	file, err := os.Create(filepath.Join(f.Logs(), "servers.log"))
	if err != nil {
		return fmt.Errorf("make the log of the servers: %w", err)
	}
	f.closeLater(file.Close)
	f.logger = telemetry.NewLogger(file, slog.LevelInfo)
	return nil
}

func (f *Fleet) makeBinary(ctx context.Context) error {
	if f.options.Logpipe != "" {
		return nil
	}
	f.options.Logpipe = f.path("logpipe")
	return BuildLogpipe(ctx, f.options.Logpipe)
}

func (f *Fleet) startAWS(ctx context.Context) error {
	if err := f.serveAWS(ctx); err != nil {
		return fmt.Errorf("start the local AWS: %w", err)
	}
	f.AWSConfig = aws.Config{
		Region: localaws.DefaultRegion, BaseEndpoint: &f.awsURL,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		// A near server can answer before the request's body is closed.
		HTTPClient: &http.Client{Transport: localaws.Transport(nil)},
	}
	if f.options.ClockBehind > 0 {
		return f.SetAWSClock(ctx, f.options.ClockBehind)
	}
	return nil
}

func (f *Fleet) serveAWS(ctx context.Context) error {
	if len(f.options.Dev) > 0 {
		return f.launchAWS()
	}
	f.AWS = localaws.New(localaws.Config{
		Throttle: f.options.Throttle, Logger: f.logger,
		OnForward: f.Events.Add, OnStore: f.Records.Add, OnRequest: f.options.OnRequest,
	})
	// The end of the context ends the traffic; what is on its way still needs AWS.
	address, err := f.AWS.Start(context.WithoutCancel(ctx), anyPort)
	if err != nil {
		return err
	}
	f.closeLater(f.AWS.Close)
	f.awsURL = "http://" + address
	return nil
}

func (f *Fleet) startAPI(ctx context.Context) error {
	if err := f.serveAPI(ctx); err != nil {
		return fmt.Errorf("start the analytics API: %w", err)
	}
	return nil
}

func (f *Fleet) serveAPI(ctx context.Context) error {
	if len(f.options.Dev) > 0 {
		return f.launchAPI()
	}
	var err error
	f.API, err = analytics.New(analytics.Config{
		ClientID: clientID, ClientSecret: clientSecret, TokenLife: f.options.TokenLife, Seed: f.options.Seed, Logger: f.logger,
	})
	if err != nil {
		return err
	}
	if err := f.API.Start(ctx, anyPort); err != nil {
		return err
	}
	f.apiURL = f.API.URL()
	f.closeLater(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiStop)
		defer cancel()
		return f.API.Stop(ctx)
	})
	return nil
}

// makeResources makes what CloudFormation makes in an account.
func (f *Fleet) makeResources(ctx context.Context) error {
	err := provision.Resources{
		Streams:    map[string]int{Stream: f.options.Shards},
		Parameters: map[string]string{secretParameter: clientSecret},
	}.Make(ctx, f.AWSConfig)
	if err != nil {
		return err
	}
	f.Writer = traffic.NewWriter(cloudwatchlogs.NewFromConfig(f.AWSConfig), &traffic.Subscription{
		Name:           "to-kinesis",
		DestinationARN: fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", localaws.DefaultRegion, localaws.DefaultAccount, Stream),
		RoleARN:        filterRole,
	}, f.logger)
	return nil
}

// Generator invents log events at a rate, which feed the stream.
func (f *Fleet) Generator(rate float64) (*traffic.Generator, error) {
	return traffic.NewGenerator(f.Writer, traffic.GeneratorConfig{
		Rate: rate, Seed: cmp.Or(f.options.Seed, 1), Account: localaws.DefaultAccount, Region: localaws.DefaultRegion, Logger: f.logger,
	})
}

func (f *Fleet) startTemporal(ctx context.Context) error {
	f.Temporal = newMember("temporal", 0, f.launchTemporal, f.options.Report)
	if err := f.Temporal.Start(); err != nil {
		return err
	}
	return f.connectTemporal(ctx)
}
