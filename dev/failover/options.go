package failover

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Options of a measurement.
type Options struct {
	// Handovers and Recoveries are how often a starter is stopped and killed.
	Handovers, Recoveries int
	// Tip is how long windows at the tip are measured, undisturbed.
	Tip time.Duration
	// WindowMaxAge is the pipeline's setting of that name.
	WindowMaxAge time.Duration
	// Shards of the stream.
	Shards int
	// Rate of log events a second.
	Rate float64

	// Idle is how long a starter is measured that has nothing to do. If it is set, nothing
	// else is measured, and there is no traffic.
	Idle time.Duration

	// Temporal is the command line of "dev temporal", without flags.
	Temporal []string
	// Logpipe is the production binary; it is built where this is empty.
	Logpipe string
	// Out receives what a person reads.
	Out io.Writer
}

const maxShards = 500 // what the local AWS lets an account have

// Validate reports all that is wrong with the options, under the names of their flags.
func (o Options) Validate() error {
	var errs []error
	if o.Shards < 1 || o.Shards > maxShards {
		errs = append(errs, fmt.Errorf("--shards %d: want 1 to %d", o.Shards, maxShards))
	}
	if o.Rate <= 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate) {
		errs = append(errs, fmt.Errorf("--rate %v: want a number of events a second above 0", o.Rate))
	}
	for _, count := range []struct {
		flag  string
		value int
	}{{"--times", o.Handovers}, {"--recoveries", o.Recoveries}} {
		if count.value < 0 {
			errs = append(errs, fmt.Errorf("%s %d: want 0 or more", count.flag, count.value))
		}
	}
	for _, length := range []struct {
		flag   string
		value  time.Duration
		lowest time.Duration
	}{{"--tip", o.Tip, 0}, {"--idle", o.Idle, 0}, {"--window-max-age", o.WindowMaxAge, 100 * time.Millisecond}} {
		if length.value < length.lowest {
			errs = append(errs, fmt.Errorf("%s %s: want %s or more", length.flag, length.value, length.lowest))
		}
	}
	return errors.Join(errs...)
}
