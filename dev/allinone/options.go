package allinone

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/temporal"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/internal/config"
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
	// Settings are any others of the pipeline, by their names in the environment. The
	// addresses and parameters of the run are its own.
	Settings map[string]string

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
	// configure changes the settings of the pipeline, nil for none.
	configure func(*config.Config)
	// patience is how long a run waits for events that are missing although nothing
	// is on its way; 0 is defaultPatience.
	patience time.Duration
	// suggestContinueAsNew is [temporal.Options.SuggestContinueAsNew].
	suggestContinueAsNew int
	// awsNow is the clock of the local AWS, that of the machine if nil.
	awsNow func() time.Time
	// onAWS is told each request to the local AWS, nil for nobody.
	onAWS func(localaws.Request)
}

// Validate reports all that is wrong with the options, under the names of the flags
// of dev, and looks for the input files.
func (o Options) Validate() error {
	var errs []error
	if len(o.Inputs) == 0 && (o.Rate <= 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate)) {
		errs = append(errs, fmt.Errorf("--rate %v: want a number of events a second above 0", o.Rate))
	}
	if o.For < 0 {
		errs = append(errs, fmt.Errorf("--for %s: want a positive duration", o.For))
	}
	if o.Shards < 1 || o.Shards > maxShards {
		errs = append(errs, fmt.Errorf("--shards %d: want 1 to %d", o.Shards, maxShards))
	}
	errs = append(errs, checkWindowMaxAge(o.WindowMaxAge), o.checkSettings())
	for _, path := range o.Inputs {
		if err := checkInput(path); err != nil {
			errs = append(errs, fmt.Errorf("--input %s: %w", path, err))
		}
	}
	if err := (traffic.ReplayOptions{LogGroup: o.InputGroup}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("--log-group: %w", err))
	}
	for _, listen := range []struct {
		flag string
		err  error
	}{
		{"--ui", temporal.Options{UIListen: o.UIListen}.Validate()},
		{"--temporal", temporal.Options{Listen: o.TemporalListen}.Validate()},
		{"--analytics", checkListen(o.APIListen)},
		{"--aws", checkListen(o.AWSListen)},
	} {
		if listen.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", listen.flag, listen.err))
		}
	}
	return errors.Join(errs...)
}

// checkWindowMaxAge leaves the limits to the setting that the option stands for.
func checkWindowMaxAge(age time.Duration) error {
	cfg := config.Default()
	cfg.WindowMaxAge = age
	if cfg.Validate(config.RoleNone) == nil {
		return nil
	}
	settings := config.Describe()
	setting := settings[slices.IndexFunc(settings, func(s config.Setting) bool { return s.Key == "window_max_age" })]
	return fmt.Errorf("--window-max-age %s: want %s to %s", age, setting.Lowest, setting.Highest)
}

// ownSettings are those that a run makes itself.
var ownSettings = []string{
	"LOGPIPE_PIPELINE", "LOGPIPE_STREAM", "LOGPIPE_STAGE_URL", "LOGPIPE_DESTINATION_URL", "LOGPIPE_TOKEN_URL", "LOGPIPE_TOKEN_PARAMETER",
	"LOGPIPE_CLIENT_ID", "LOGPIPE_CLIENT_SECRET_PARAMETER", "LOGPIPE_WINDOW_MAX_AGE", config.FileVariable,
}

func (o Options) checkSettings() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		switch {
		case slices.Contains(ownSettings, name):
			errs = append(errs, fmt.Errorf("--set %s: a run makes this setting itself", name))
		case !strings.HasPrefix(name, "LOGPIPE_"):
			errs = append(errs, fmt.Errorf("--set %s: want the name of a setting in the environment, such as LOGPIPE_BATCH_FORMAT", name))
		}
	}
	if len(errs) == 0 {
		if _, err := config.Load(config.RoleNone, "", environ(o.Settings)); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				errs = append(errs, errors.New("--set: "+line))
			}
		}
	}
	return errors.Join(errs...)
}

// environ is what [os.Environ] would say of the variables.
func environ(variables map[string]string) []string {
	var list []string
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}

// checkInput finds out whether a file can be replayed. A pipe is not opened: what is
// in it can be read only once.
func checkInput(path string) error {
	if path == "-" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("is a directory, name the files in it")
	case info.Mode().IsRegular():
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}
	return nil
}

func checkListen(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:8080", address)
	}
	return nil
}

// maxShards keeps a run on a laptop: each shard is polled up to five times a second.
const maxShards = 64
