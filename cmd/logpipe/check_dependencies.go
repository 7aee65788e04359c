package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/log-event-pipeline/logpipe/internal/awsclock"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/reach"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
	"github.com/log-event-pipeline/logpipe/worker"
)

// dependencies opens what the checks look at, each when it is first needed: one that
// cannot be opened must not keep the others from being looked at.
type dependencies struct {
	config config.Config
	logger *slog.Logger

	aws         func(context.Context) (aws.Config, error)
	stage       func(context.Context) (*stage.Stage, error)
	destination func() (*delivery.Client, error)

	mu      sync.Mutex
	closers []func()
}

func newDependencies(cfg config.Config) *dependencies {
	// What the SDKs would log is in the findings.
	d := &dependencies{config: cfg, logger: slog.New(slog.DiscardHandler)}
	d.aws = once(connect.AWS)
	d.stage = once(func(ctx context.Context) (*stage.Stage, error) {
		s, err := stage.Open(ctx, cfg.StageURL)
		if err == nil {
			d.later(func() { _ = s.Close() }) // nothing is left to be written
		}
		return s, err
	})
	d.destination = sync.OnceValues(func() (*delivery.Client, error) {
		c, err := worker.NewDestination(cfg, nil, 1)
		if err == nil {
			d.later(c.Close)
		}
		return c, err
	})
	return d
}

// once opens something once, with the context of who asks first; the others wait.
func once[T any](open func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var opened T
	var err error
	done := false
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			opened, err = open(ctx)
			done = true
		}
		return opened, err
	}
}

func (d *dependencies) later(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closers = append(d.closers, f)
}

func (d *dependencies) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.closers {
		f()
	}
}

// checks are those of a role.
func (d *dependencies) checks(role config.Role, requestToken bool, probe string) []checkup.Check {
	cfg := d.config
	checks := []checkup.Check{checkup.Settings(cfg, role), d.temporalCheck(role)}
	if role&config.RoleStarter != 0 {
		checks = append(checks, checkup.Stream(checkup.StreamCheck{
			Name: cfg.Stream, MaxShards: cfg.MaxShards, Oldest: d.oldest, Now: time.Now,
			Open: func(ctx context.Context) (checkup.Reading, error) {
				c, err := d.kinesis(ctx)
				if err != nil {
					return nil, err
				}
				return kinesis.NewStream(c, cfg.Stream), nil
			},
		}))
	}
	checks = append(checks, checkup.Stage(checkup.StageCheck{
		URL: cfg.StageURL, Prefix: cfg.Pipeline + "/check/", Probe: probe,
		Open: func(ctx context.Context) (checkup.Objects, error) {
			s, err := d.stage(ctx)
			if err != nil {
				return nil, err // not a nil *stage.Stage in an interface
			}
			return s, nil
		},
	}))
	if role&config.RoleWorker != 0 {
		checks = append(checks,
			checkup.Parameters(checkup.ParametersCheck{Config: cfg, Open: d.parameters}),
			checkup.Token(checkup.TokenCheck{
				Config: cfg, Request: requestToken, Now: time.Now,
				Endpoint: func(ctx context.Context) (reach.Answer, error) { return worker.ProbeTokenEndpoint(ctx, cfg) },
				Open: func(ctx context.Context) (checkup.TokenStore, checkup.TokenSource, error) {
					parameters, err := d.parameters(ctx)
					if err != nil {
						return nil, nil, err
					}
					store, source := worker.NewTokens(cfg, parameters)
					return store, source, nil
				},
			}),
			checkup.Destination(checkup.DestinationCheck{Config: cfg, Probe: d.probe, Now: time.Now}))
	}
	return append(checks, checkup.Clocks(d.clocks(role), time.Now))
}

func (d *dependencies) temporalCheck(role config.Role) checkup.Check {
	place, placeErr := connect.TemporalPlace()
	return checkup.Temporal(checkup.TemporalCheck{
		Place: place, Pipeline: d.config.Pipeline, Role: role, Oldest: d.oldest, Now: time.Now,
		Open: func(ctx context.Context) (checkup.Service, error) {
			if placeErr != nil {
				return nil, placeErr
			}
			c, err := connect.Dial(ctx, d.logger)
			if err != nil {
				return nil, err
			}
			d.later(c.Close)
			return checkup.NewService(c, place.Namespace), nil
		},
	})
}

func (d *dependencies) kinesis(ctx context.Context) (*awskinesis.Client, error) {
	sdk, err := d.aws(ctx)
	if err != nil {
		return nil, err
	}
	return awskinesis.NewFromConfig(sdk, func(o *awskinesis.Options) {
		o.HTTPClient = kinesis.HTTPClient(sdk.HTTPClient)
		o.Protocol = kinesis.Protocol(o.Protocol)
	}), nil
}

func (d *dependencies) parameters(ctx context.Context) (token.Parameters, error) {
	sdk, err := d.aws(ctx)
	if err != nil {
		return nil, err
	}
	return ssm.NewFromConfig(sdk), nil
}

func (d *dependencies) probe(ctx context.Context) (reach.Answer, error) {
	c, err := d.destination()
	if err != nil {
		return reach.Answer{}, err
	}
	return c.Probe(ctx)
}

// oldest is when the shard was read that was read longest ago, by the markers in the
// stage. Drained shards are read no more.
func (d *dependencies) oldest(ctx context.Context) (at time.Time, ok bool, err error) {
	s, err := d.stage(ctx)
	if err != nil {
		return time.Time{}, false, errors.New("the stage, where it is noted, cannot be opened")
	}
	markers, err := marker.Store{Stage: s, Pipeline: d.config.Pipeline}.All(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	for _, m := range markers {
		if !m.Drained && (!ok || m.WrittenAt.Before(at)) {
			at, ok = m.WrittenAt, true
		}
	}
	return at, ok, nil
}

// clocks are all that tell the time to a role.
func (d *dependencies) clocks(role config.Role) []checkup.Clock {
	var clocks []checkup.Clock
	if role&config.RoleStarter != 0 {
		clocks = append(clocks, checkup.Clock{Name: "kinesis", Ask: func(ctx context.Context) (time.Time, error) {
			c, err := d.kinesis(ctx)
			if err != nil {
				return time.Time{}, err
			}
			return kinesis.NewStream(c, d.config.Stream).Clock(ctx)
		}})
	}
	if role&config.RoleWorker != 0 {
		clocks = append(clocks, checkup.Clock{Name: "parameter-store", Ask: func(ctx context.Context) (time.Time, error) {
			sdk, err := d.aws(ctx)
			if err != nil {
				return time.Time{}, err
			}
			out, err := ssm.NewFromConfig(sdk).GetParameter(ctx, &ssm.GetParameterInput{Name: &d.config.TokenParameter})
			if err != nil {
				out = &ssm.GetParameterOutput{}
			}
			return awsclock.Of(out.ResultMetadata, err)
		}}, checkup.Clock{Name: "destination", Ask: func(ctx context.Context) (time.Time, error) {
			answer, err := d.probe(ctx)
			return answer.Date, err
		}})
		if d.config.TokenSource != config.TokenFromOthers && !sameHost(d.config.TokenURL, d.config.DestinationURL) {
			clocks = append(clocks, checkup.Clock{Name: "token-endpoint", Ask: func(ctx context.Context) (time.Time, error) {
				answer, err := worker.ProbeTokenEndpoint(ctx, d.config)
				return answer.Date, err
			}})
		}
	}
	return clocks
}

func sameHost(a, b string) bool {
	first, err1 := url.Parse(a)
	second, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && first.Host == second.Host
}
