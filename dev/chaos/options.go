package chaos

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Options of a run.
type Options struct {
	// For is how long things go wrong.
	For time.Duration
	// Seed decides what happens when.
	Seed uint64
	// Starters and Workers are how many of each there are, Shards how many the stream has
	// at the beginning.
	Starters, Workers, Shards int
	// Rate of log events a second.
	Rate float64
	// Patience is how long the run waits afterwards for everything to be delivered.
	Patience time.Duration

	// Temporal is the command line of "dev temporal", without flags.
	Temporal []string
	// Logpipe is the production binary; it is built where this is empty.
	Logpipe string
	// Out receives what a person reads.
	Out io.Writer
}

// shortestRun has room for one action with what follows from it.
const shortestRun = 10 * time.Second

// Limits of what one machine can do.
const (
	maxProcesses = 16
	maxShards    = 64
)

// Validate reports all that is wrong with the options, under the names of their flags.
func (o Options) Validate() error {
	var errs []error
	if o.For < shortestRun {
		errs = append(errs, fmt.Errorf("--for %s: want %s or more", o.For, shortestRun))
	}
	if o.Patience <= 0 {
		errs = append(errs, fmt.Errorf("--patience %s: want a positive duration", o.Patience))
	}
	if o.Rate <= 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate) {
		errs = append(errs, fmt.Errorf("--rate %v: want a number of events a second above 0", o.Rate))
	}
	for _, count := range []struct {
		flag       string
		value, max int
	}{
		{"--starters", o.Starters, maxProcesses}, {"--workers", o.Workers, maxProcesses}, {"--shards", o.Shards, maxShards},
	} {
		if count.value < 1 || count.value > count.max {
			errs = append(errs, fmt.Errorf("%s %d: want 1 to %d", count.flag, count.value, count.max))
		}
	}
	return errors.Join(errs...)
}

// The settings of the pipeline are as short as they may be, so that minutes hold many
// windows, leases and failovers.
const (
	heartbeatTimeout = 5 * time.Second
	requestTimeout   = 2 * time.Second
	tokenLife        = 20 * time.Second
)

func settings() map[string]string {
	return map[string]string{
		"LOGPIPE_WINDOW_MAX_AGE":      "1500ms",
		"LOGPIPE_WINDOW_MAX_BYTES":    "64kB",
		"LOGPIPE_BATCH_MAX_BYTES":     "64kB",
		"LOGPIPE_POLL_LEASE":          "10s",
		"LOGPIPE_HEARTBEAT_TIMEOUT":   heartbeatTimeout.String(),
		"LOGPIPE_DESTINATION_TIMEOUT": requestTimeout.String(),
	}
}

func (o Options) cast() Cast {
	return Cast{
		Starters: o.Starters, Workers: o.Workers, Shards: o.Shards,
		HeartbeatTimeout: heartbeatTimeout, RequestTimeout: requestTimeout,
	}
}
