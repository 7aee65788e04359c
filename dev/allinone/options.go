package allinone

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// Options of a run.
type Options struct {
	// Rate of invented log events a second; not used with Inputs.
	Rate float64
	// Mix of the invented events.
	Mix traffic.Mix
	// Inputs are files to replay instead of inventing events; "-" is standard input.
	Inputs []string
	// InputGroup is the log group of lines that do not name theirs.
	InputGroup string
	// For is how long traffic runs, 0 until the context ends. A replay ends by itself.
	For time.Duration
	// Faults of the analytics API.
	Faults analytics.Faults
	// Seed makes traffic and faults repeatable.
	Seed uint64
	// Shards of the stream.
	Shards int
	// WindowMaxAge is the pipeline's setting of that name.
	WindowMaxAge time.Duration

	// UIListen, TemporalListen, AWSListen and APIListen are addresses to serve on;
	// empty takes a free port of 127.0.0.1.
	UIListen, TemporalListen, AWSListen, APIListen string

	// Stay keeps the servers after the reconciliation, for a look at the Web UI, until
	// the context ends.
	Stay bool

	// Out receives what a person reads.
	Out io.Writer
	// Verbose sends the processes' logs to Logs instead of a file.
	Verbose bool
	Logs    io.Writer

	// onStarted and onDrained let tests reach the servers when everything runs, and
	// when everything is delivered.
	onStarted, onDrained func(*stack)
	// patience is how long a run waits for events that are missing although nothing
	// is on its way; 0 is defaultPatience.
	patience time.Duration
}

// Validate reports all that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	if len(o.Inputs) == 0 && o.Rate <= 0 {
		errs = append(errs, fmt.Errorf("--rate %v: want more than 0 events a second", o.Rate))
	}
	if o.For < 0 {
		errs = append(errs, fmt.Errorf("--for %s: want a positive duration", o.For))
	}
	if o.Shards < 1 || o.Shards > maxShards {
		errs = append(errs, fmt.Errorf("--shards %d: want 1 to %d", o.Shards, maxShards))
	}
	return errors.Join(errs...)
}

// maxShards keeps a run on a laptop: each shard is polled up to five times a second.
const maxShards = 64
