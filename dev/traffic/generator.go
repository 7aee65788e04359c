package traffic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// GeneratorConfig configures a [Generator]. The zero value of a field selects its
// default.
type GeneratorConfig struct {
	Rate     float64       // log events a second, up to 50,000 in an Interval; required
	Limit    int64         // stop at the first whole request after this many log events; 0 is never
	Mix      Mix           // default Mixed
	Seed     uint64        // the same seed and mix give the same APIs, users and requests
	Interval time.Duration // between calls of PutLogEvents for one stream; default 200ms
	Account  string        // 12 digits; default 123456789012
	Region   string        // default eu-west-1
	Logger   *slog.Logger  // default slog.Default
}

const (
	defaultInterval = 200 * time.Millisecond

	// flushTime is how long the last calls may take after the generator was stopped.
	flushTime = 10 * time.Second

	// maxAtOnce is the most log events produced in one interval, to bound memory and
	// the time to stop where CloudWatch Logs is slower than the rate.
	maxAtOnce = 50_000

	// parallelPuts is the number of PutLogEvents calls at a time.
	parallelPuts = 4
)

// Generator writes invented API Gateway logs at a steady rate. A request is written
// whole and when it has ended, as API Gateway does it.
type Generator struct {
	config  GeneratorConfig
	writer  *Writer
	random  *rand.Rand
	line    []byte
	pending map[stream][]Event
	atOnce  float64 // maxAtOnce, apart from tests

	generated atomic.Int64
	behind    atomic.Int64
}

// NewGenerator checks the configuration.
func NewGenerator(w *Writer, c GeneratorConfig) (*Generator, error) {
	if c.Mix == "" {
		c.Mix = Mixed
	}
	if _, err := ParseMix(string(c.Mix)); err != nil {
		return nil, err
	}
	if c.Rate <= 0 || math.IsInf(c.Rate, 0) || math.IsNaN(c.Rate) {
		return nil, fmt.Errorf("traffic: rate %v must be above zero log events a second", c.Rate)
	}
	if c.Interval < 0 || c.Limit < 0 {
		return nil, errors.New("traffic: interval and limit must not be negative")
	}
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Account == "" {
		c.Account = "123456789012"
	}
	if c.Region == "" {
		c.Region = "eu-west-1"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Generator{
		config: c, writer: w,
		random:  rand.New(rand.NewPCG(c.Seed, 0x6c6f6770697065)),
		pending: map[stream][]Event{},
		atOnce:  maxAtOnce,
	}, nil
}

// Generated is the number of log events produced so far. What became of them is in
// the counts of the writer.
func (g *Generator) Generated() int64 { return g.generated.Load() }

// Behind is the number of log events by which the generator is behind its rate,
// because CloudWatch Logs takes them too slowly.
func (g *Generator) Behind() int64 { return g.behind.Load() }

// Run makes the log groups and streams and writes until ctx ends or the limit is
// reached, both without error. What was produced is put even after ctx has ended,
// for up to ten seconds.
func (g *Generator) Run(ctx context.Context) error {
	population := newPopulation(g.random, g.config.Mix, g.config.Account, g.config.Region, time.Now())
	for _, place := range population.streams() {
		if err := g.writer.Ensure(ctx, place.group, place.name); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	putCtx, cancel := lasting(ctx, flushTime)
	defer cancel()

	ticker := time.NewTicker(g.config.Interval)
	defer ticker.Stop()
	last, due := time.Now(), 0.0
	for !g.finished() {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Now()
		due += now.Sub(last).Seconds() * g.config.Rate
		due -= float64(g.produce(population, last, now, min(due, g.atOnce)))
		last = now
		g.behind.Store(int64(max(due, 0)))
		if err := g.put(putCtx); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) finished() bool {
	return g.config.Limit > 0 && g.generated.Load() >= g.config.Limit
}

// produce invents requests that were answered in the interval, until they have
// given the number of log events due. The last one may give some more, by which
// less is due the next time.
func (g *Generator) produce(p *population, from, to time.Time, due float64) int {
	n := 0
	for float64(n) < due && !g.finished() {
		answered := from.Add(time.Duration(float64(n) / due * float64(to.Sub(from))))
		added := g.add(p.newInteraction(g.random, answered))
		g.generated.Add(int64(added))
		n += added
	}
	return n
}

// add appends the log events of a request to their streams.
func (g *Generator) add(i *interaction) int {
	n := 0
	if i.api.level != executionOff {
		events := i.executionEvents()
		place := stream{i.api.executionGroup, i.api.executionStreams[i.stream]}
		g.pending[place] = append(g.pending[place], events...)
		n += len(events)
	}
	if i.api.template != nil {
		g.line = i.api.template.appendLine(g.line[:0], i)
		place := stream{i.api.accessGroup, i.api.accessStreams[i.stream]}
		g.pending[place] = append(g.pending[place], Event{Millis: i.started.Add(i.latency).UnixMilli(), Message: string(g.line)})
		n++
	}
	return n
}

// put writes what is pending, each stream in one go.
func (g *Generator) put(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelPuts)
	for place, events := range g.pending {
		if len(events) == 0 {
			continue
		}
		group.Go(func() error { return g.writer.Put(ctx, place.group, place.name, events) })
	}
	err := group.Wait()
	for place, events := range g.pending {
		clear(events)
		g.pending[place] = events[:0]
	}
	return err
}

// streams lists all log streams of the population, in order.
func (p *population) streams() []stream {
	var all []stream
	for _, a := range p.apis {
		for n := range streamsPerStage {
			if a.template != nil {
				all = append(all, stream{a.accessGroup, a.accessStreams[n]})
			}
			if a.level != executionOff {
				all = append(all, stream{a.executionGroup, a.executionStreams[n]})
			}
		}
	}
	slices.SortFunc(all, func(a, b stream) int {
		return strings.Compare(a.group+"\x00"+a.name, b.group+"\x00"+b.name)
	})
	return all
}

// lasting returns a context that ends some time after its parent.
func lasting(parent context.Context, more time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.NewTimer(more)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
