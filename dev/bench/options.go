package bench

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/internal/config"
)

// Options of a measurement.
type Options struct {
	// Events of the backlog that is drained. They are ignored where Rate is set.
	Events int
	// Rate of log events a second, to measure how fresh they are; 0 drains a backlog.
	Rate float64
	// For is how long the rate is held, and how long it is measured that windows wait.
	For time.Duration
	// Find looks for the highest rate at which freshness stays within Allowance, and
	// begins with Rate.
	Find bool
	// Waiting is how many windows there are while the API is away, each of one record of a
	// few events, to measure what they take for For; 0 is no outage.
	Waiting int
	// Settle is how long all of them have waited before that is measured.
	Settle time.Duration

	Mix          traffic.Mix
	Seed         uint64
	RecordEvents int // log events of a Kinesis record of a backlog, at least

	// Shards, Starters and Workers are how many of each there are.
	Shards, Starters, Workers int
	// WindowAge and WindowBytes are the pipeline's settings window_max_age and
	// window_max_bytes; zero values are its defaults.
	WindowAge   time.Duration
	WindowBytes string
	// Settings are any others of the pipeline, by their names in the environment.
	Settings map[string]string

	// Repeat is how many runs there are; the report has their medians.
	Repeat int
	// Patience is how long the run waits without progress.
	Patience time.Duration
	// Profiles is a directory for a CPU profile of each process; empty is none.
	Profiles string

	// Dev is the command line of "dev", whose subcommands are the servers.
	Dev []string
	// Environment is what all processes find beside the settings.
	Environment map[string]string
	// Logpipe is the production binary; it is built where this is empty.
	Logpipe string
	// Out receives what a person reads.
	Out io.Writer
}

// Limits of what one machine can do.
const (
	maxProcesses = 64
	maxShards    = 1000
	maxRate      = 1_000_000
)

// Allowance is how much older than its window's age an event may be when it arrives, at
// a rate that counts as sustained.
const Allowance = 2 * time.Second

// Validate reports all that is wrong with the options, under the names of their flags.
func (o Options) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, count := range []struct {
		flag            string
		value, min, max int
	}{
		{"--events", o.Events, 1, 1 << 30}, {"--record-events", o.RecordEvents, 1, traffic.MaxRecordEvents},
		{"--shards", o.Shards, 1, maxShards}, {"--starters", o.Starters, 1, maxProcesses}, {"--workers", o.Workers, 1, maxProcesses},
		{"--repeat", o.Repeat, 1, 1000},
	} {
		if count.value < count.min || count.value > count.max {
			wrong("%s %d: want %d to %d", count.flag, count.value, count.min, count.max)
		}
	}
	if math.IsNaN(o.Rate) || o.Rate < 0 || o.Rate > maxRate {
		wrong("--rate %v: want up to %d events a second, or 0 to drain a backlog", o.Rate, maxRate)
	}
	if o.Find && o.Rate == 0 {
		wrong("--find: needs a --rate to begin with")
	}
	if o.Find && o.Repeat > 1 {
		wrong("--find: cannot be repeated: measure the rate that it finds with --rate and --repeat")
	}
	if o.Rate > 0 && o.For < time.Second {
		wrong("--for %s: want 1s or more", o.For)
	}
	if o.Profiles != "" && o.Logpipe != "" {
		wrong("--cpuprofile: needs a binary of its own, leave out --logpipe")
	}
	if o.Patience <= 0 {
		wrong("--patience %s: want a positive duration", o.Patience)
	}
	if _, err := traffic.ParseMix(string(o.Mix)); err != nil {
		wrong("--mix: %w", err)
	}
	if o.WindowAge != 0 && (o.WindowAge < 100*time.Millisecond || o.WindowAge > time.Hour) {
		wrong("--window-age %s: want 100ms to 1h", o.WindowAge)
	}
	for name := range o.Settings {
		if !strings.HasPrefix(name, "LOGPIPE_") {
			wrong("--set %s: want the name of a setting in the environment, such as LOGPIPE_BATCH_MAX_BYTES", name)
		}
	}
	return errors.Join(errs...)
}

// windowAge is the age that the pipeline goes by.
func (o Options) windowAge() time.Duration {
	if o.WindowAge > 0 {
		return o.WindowAge
	}
	return config.Default().WindowMaxAge
}

// settings are those of the starters and workers.
func (o Options) settings() map[string]string {
	s := map[string]string{}
	if o.Shards > config.Default().MaxShards {
		// A starter that may not hold every shard would leave some unread.
		s["LOGPIPE_MAX_SHARDS"] = strconv.Itoa(o.Shards)
	}
	if o.WindowAge > 0 {
		s["LOGPIPE_WINDOW_MAX_AGE"] = o.WindowAge.String()
	}
	if o.WindowBytes != "" {
		s[windowBytesSetting] = o.WindowBytes
	}
	if o.Waiting > 0 {
		s[windowRecordsSetting] = "1"
		if ceiling := 2 * o.Waiting; ceiling > config.Default().MaxOpenWindows {
			s[openWindowsSetting] = strconv.Itoa(ceiling)
		}
	}
	maps.Copy(s, o.Settings)
	return s
}
