package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

const (
	stream = "api-logs"
	// startLimit is for servers and processes to become healthy on a machine that does other things, too.
	startLimit = 3 * time.Minute
	// drainLimit is for everything to arrive once the traffic has ended.
	drainLimit = 3 * time.Minute
	// ecsStop is how long ECS waits between SIGTERM and SIGKILL.
	ecsStop = 30
	// steadyLooks in a row, a second apart, must each find more events at the API.
	steadyLooks = 5
	// beforeDeploy is how much before a deployment tells what a pause is without one. It is as long as events have been
	// arriving steadily.
	beforeDeploy = steadyLooks * time.Second
	// afterDeploy is how much of what follows a deployment counts as part of it.
	afterDeploy = 5 * time.Second
)

// What the file brings up where nobody says how many.
var (
	servers    = map[string]int{"temporal": 1, "aws": 1, "analytics": 1}
	processes  = map[string]int{"starter": 1, "worker": 2}
	scaled     = map[string]int{"starter": 2, "worker": 4}
	serviceSet = []string{"starter", "worker"}
)

type run struct {
	Options
	engine   *engine
	awsURL   string
	apiURL   string
	report   Report
	began    time.Time
	settings []string
}

// Run brings the file up, breaks and deploys, and takes everything down again. The error is about the run itself;
// whether all is well is in the report.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{Options: o, began: time.Now()}
	r.report.PauseLimit = o.PauseLimit.Seconds()
	ports := make([]string, 4)
	for i := range ports {
		if ports[i], err = freePort(ctx); err != nil {
			return Report{}, err
		}
	}
	r.awsURL, r.apiURL = "http://127.0.0.1:"+ports[2], "http://127.0.0.1:"+ports[3]
	r.engine = &engine{
		compose: o.Compose, file: o.File, project: "logpipe-proof-" + ports[0], log: o.Log,
		env: slices.Concat(o.Environment, []string{
			"TEMPORAL_PORT=" + ports[0], "TEMPORAL_UI_PORT=" + ports[1], "AWS_PORT=" + ports[2], "API_PORT=" + ports[3],
			"LOGPIPE_DEV_IMAGE=" + o.DevImage, "LOGPIPE_WINDOW_MAX_AGE=" + o.WindowAge.String(),
			"TRAFFIC_RATE=" + strconv.FormatFloat(o.Rate, 'g', -1, 64),
		}),
	}
	r.settings = []string{"LOGPIPE_IMAGE=" + o.Image}
	r.say("project %s, Web UI http://127.0.0.1:%s", r.engine.project, ports[1])
	defer func() { err = errors.Join(err, r.end(context.WithoutCancel(ctx), err)) }()
	for _, step := range []func(context.Context) error{
		r.up, r.traffic, r.kill, r.restartTemporal, r.scale, r.deploy, r.reconcile,
	} {
		if err := step(ctx); err != nil {
			return r.report, err
		}
	}
	r.report.TookInSeconds = time.Since(r.began).Seconds()
	r.report.Print(o.Out)
	return r.report, nil
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.Out, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// end takes everything down, with what the containers have said where something is wrong.
func (r *run) end(ctx context.Context, failed error) error {
	if failed != nil || !r.report.OK() {
		if err := r.engine.do(ctx, r.settings, "ps"); err == nil {
			all, _ := r.engine.containers(ctx) // what cannot be had is missing
			for _, c := range all {
				fmt.Fprintf(r.Log, "\n=== %s (%s, exit status %d)\n", c.Name, c.condition(), c.State.ExitCode)
				if text, err := r.engine.docker(ctx, "logs", "--tail", "60", c.ID); err == nil {
					fmt.Fprintln(r.Log, text)
				}
			}
		}
	}
	if r.Keep {
		return nil
	}
	return r.engine.do(ctx, r.settings, "--profile", "demo", "down", "-v", "-t", "10")
}

func (r *run) up(ctx context.Context) error {
	if err := r.engine.do(ctx, r.settings, "up", "-d", "--no-build"); err != nil {
		return err
	}
	for _, counts := range []map[string]int{servers, processes} {
		if err := r.engine.waitHealthy(ctx, counts); err != nil {
			return err
		}
	}
	r.say("up and healthy: Temporal, AWS, API, a starter, two workers")
	return r.inspect(ctx)
}

func (r *run) traffic(ctx context.Context) error {
	if err := r.engine.do(ctx, r.settings, "--profile", "demo", "up", "-d", "--no-build", "--no-recreate", "traffic"); err != nil {
		return err
	}
	if err := r.waitSteady(ctx); err != nil {
		return err
	}
	r.say("%v log events a second, and they arrive", r.Rate)
	return nil
}

// waitSteady waits until events arrive in each of several seconds.
func (r *run) waitSteady(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	deadline := time.After(startLimit)
	var last uint64
	for looks := 0; looks < steadyLooks; {
		stats, err := analytics.FetchStats(ctx, r.apiURL)
		if err != nil {
			return err
		}
		if looks++; stats.LogEvents <= last {
			looks = 0
		}
		last = stats.LogEvents
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("events do not arrive steadily: %d of them after %s", last, startLimit)
		case <-ticker.C:
		}
	}
	return nil
}

// kill ends a worker and the starter as the kernel does when memory is short. Whoever only asks Docker to kill a
// container tells it that it shall not be restarted.
func (r *run) kill(ctx context.Context) error {
	for _, service := range []string{"worker", "starter"} {
		all, err := r.engine.containers(ctx, service)
		if err != nil {
			return err
		}
		victim := all[0]
		if err := syscall.Kill(victim.State.Pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill process %d of %s: %w; the proof needs an engine on this machine, and root", victim.State.Pid, victim.Name, err)
		}
		err = wait(ctx, startLimit, func(ctx context.Context) (string, error) {
			all, err := r.engine.containers(ctx, service)
			for _, c := range all {
				if c.ID == victim.ID && c.RestartCount > victim.RestartCount && c.healthy() {
					return "", err
				}
			}
			return "the restart of " + victim.Name, err
		})
		if err != nil {
			return err
		}
		r.report.Restarts++
		r.say("killed %s, which is up again", strings.TrimPrefix(victim.Name, "/"))
	}
	return r.waitSteady(ctx)
}

func (r *run) restartTemporal(ctx context.Context) error {
	if err := r.engine.do(ctx, r.settings, "restart", "-t", strconv.Itoa(ecsStop), "temporal"); err != nil {
		return err
	}
	if err := r.engine.waitHealthy(ctx, servers); err != nil {
		return err
	}
	if err := r.engine.waitHealthy(ctx, processes); err != nil {
		return err
	}
	r.say("restarted Temporal")
	return r.waitSteady(ctx)
}

func (r *run) scale(ctx context.Context) error {
	for _, counts := range []map[string]int{scaled, processes} {
		if err := r.engine.do(ctx, r.settings, upTo(counts)...); err != nil {
			return err
		}
		if err := r.engine.waitHealthy(ctx, counts); err != nil {
			return err
		}
		if err := r.inspect(ctx); err != nil {
			return err
		}
		r.say("scaled to %d starters and %d workers", counts["starter"], counts["worker"])
	}
	return r.waitSteady(ctx)
}

func upTo(counts map[string]int) []string {
	args := []string{"up", "-d", "--no-build", "--no-recreate"}
	for service, n := range counts {
		args = append(args, "--scale", fmt.Sprintf("%s=%d", service, n))
	}
	return args
}

// deploy replaces the image as ECS does with a minimum of 100 % and a maximum of 200 %: the new ones start, and when all are
// healthy the old ones get SIGTERM, and SIGKILL after 30 s.
func (r *run) deploy(ctx context.Context) error {
	old, err := r.engine.containers(ctx, serviceSet...)
	if err != nil {
		return err
	}
	both := map[string]int{}
	for service, n := range processes {
		both[service] = 2 * n
	}
	r.report.deployed[0] = time.Now()
	r.settings = []string{"LOGPIPE_IMAGE=" + r.Next}
	if err := r.engine.do(ctx, r.settings, upTo(both)...); err != nil {
		return err
	}
	if err := r.engine.waitHealthy(ctx, both); err != nil {
		return err
	}
	r.say("the new image runs beside the old one")
	if err := r.stopAll(ctx, old); err != nil {
		return err
	}
	if err := r.engine.waitHealthy(ctx, processes); err != nil {
		return err
	}
	if err := r.waitSteady(ctx); err != nil {
		return err
	}
	r.report.deployed[1] = time.Now().Add(afterDeploy - steadyLooks*time.Second)
	left, err := r.engine.containers(ctx, serviceSet...)
	for _, c := range left {
		if c.Config.Image != r.Next {
			err = errors.Join(err, fmt.Errorf("%s runs %s after the deployment of %s", c.Name, c.Config.Image, r.Next))
		}
	}
	r.say("the old containers are gone, after %.1fs at most", r.report.DeployStop)
	return errors.Join(err, r.inspect(ctx))
}

func (r *run) stopAll(ctx context.Context, old []container) error {
	var mu sync.Mutex
	var errs []error
	var stopping sync.WaitGroup
	for _, c := range old {
		stopping.Go(func() {
			began := time.Now()
			_, err := r.engine.docker(ctx, "stop", "-t", strconv.Itoa(ecsStop), c.ID)
			took := time.Since(began)
			var status string
			if err == nil {
				status, err = r.engine.docker(ctx, "inspect", "-f", "{{.State.ExitCode}}", c.ID)
			}
			if err == nil {
				_, err = r.engine.docker(ctx, "rm", c.ID)
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			r.report.DeployStop = max(r.report.DeployStop, took.Seconds())
			if status = strings.TrimSpace(status); status != "0" {
				r.report.UncleanStops = append(r.report.UncleanStops, fmt.Sprintf("%s: exit status %s after %s", c.Name, status, took.Round(time.Millisecond)))
			}
		})
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// inspect looks for containers that run as root or may do more than they need, by their settings and by the processes that
// the kernel sees.
func (r *run) inspect(ctx context.Context) error {
	all, err := r.engine.containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		r.report.Containers++
		top, err := r.engine.docker(ctx, "top", c.ID, "-eo", "uid,pid,args")
		if err != nil {
			return err
		}
		if faults := c.faults(top); len(faults) > 0 {
			r.report.AsRoot = append(r.report.AsRoot, fmt.Sprintf("%s: %s", c.Name, strings.Join(faults, ", ")))
		}
	}
	return nil
}

// faults are what is wrong with a container, of which docker top has printed the user ids first.
func (c container) faults(top string) []string {
	var faults []string
	lines := strings.Split(strings.TrimSpace(top), "\n")
	if len(lines) < 2 {
		faults = append(faults, "no process is shown")
	}
	for _, line := range lines[1:] {
		if id, err := strconv.Atoi(strings.Fields(line)[0]); err != nil || id == 0 {
			faults = append(faults, "a process runs as root: "+line)
		}
	}
	user, _, _ := strings.Cut(c.Config.User, ":")
	if id, err := strconv.Atoi(user); err != nil || id == 0 {
		faults = append(faults, fmt.Sprintf("its user is %q", c.Config.User))
	}
	if !c.HostConfig.ReadonlyRootfs {
		faults = append(faults, "its root file system can be written")
	}
	if c.HostConfig.Privileged || len(c.HostConfig.CapAdd) > 0 || !slices.Contains(c.HostConfig.CapDrop, "ALL") {
		faults = append(faults, "it has capabilities")
	}
	if !slices.ContainsFunc(c.HostConfig.SecurityOpt, func(s string) bool { return strings.HasPrefix(s, "no-new-privileges") }) {
		faults = append(faults, "it can gain privileges")
	}
	return faults
}

// reconcile ends the traffic, waits until all of it has arrived, and compares.
func (r *run) reconcile(ctx context.Context) error {
	if err := r.engine.do(ctx, r.settings, "--profile", "demo", "stop", "-t", strconv.Itoa(ecsStop), "traffic"); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	client := kinesis.NewFromConfig(aws.Config{
		Region: localaws.DefaultRegion, BaseEndpoint: &r.awsURL,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	events, err := readStream(ctx, client, stream)
	if err != nil {
		return err
	}
	r.say("the traffic is over: %d log events", len(events))
	err = wait(ctx, drainLimit, func(ctx context.Context) (string, error) {
		stats, err := analytics.FetchStats(ctx, r.apiURL)
		if missing := len(events) - int(stats.LogEvents); err == nil && missing > 0 {
			return fmt.Sprintf("%d of %d events", missing, len(events)), nil
		}
		return "", err
	})
	if err != nil {
		r.say("%v", err) // what is lost is counted below
	}
	receipts, failed := analytics.FetchLogEvents(ctx, r.apiURL)
	arrived := maps.Collect(receipts)
	if err := failed(); err != nil {
		return err
	}
	r.compare(events, arrived)
	return nil
}

// flush waits until CloudWatch Logs has put everything into the stream.
func (r *run) flush(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.awsURL+"/_localaws/flush", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("flush the local AWS: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("flush the local AWS: %s", answer.Status)
	}
	return nil
}

func (r *run) compare(events []put, arrived map[analytics.ID]analytics.Receipt) {
	known := ledger.NewEvents()
	var deliveries []delivery
	for _, e := range events {
		known.AddAt(e.id, e.arrived)
		if receipt, ok := arrived[e.id]; ok {
			deliveries = append(deliveries, delivery{put: e, received: receipt.First})
		}
	}
	result := known.Compare(maps.All(arrived))
	rep := &r.report
	rep.Produced, rep.Delivered, rep.Lost, rep.Duplicates, rep.Strangers = result.Produced, result.Delivered, result.Lost, result.Duplicates, result.Strangers
	slices.Sort(result.Fresh)
	if n := len(result.Fresh); n > 0 {
		rep.FreshnessP50, rep.FreshnessP99 = result.Fresh[n/2].Seconds(), result.Fresh[n*99/100].Seconds()
	}
	rep.DeployPause = longestPause(deliveries, rep.deployed[0], rep.deployed[1]).Took.Seconds()
	rep.SteadyPause = longestPause(deliveries, rep.deployed[0].Add(-beforeDeploy), rep.deployed[0]).Took.Seconds()
	rep.WholePause = longestPause(deliveries, time.Time{}, time.Now()).Took.Seconds()
}

// freePort is one that nobody listens on.
func freePort(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
