package compose

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options of a run.
type Options struct {
	// Compose is the command line of compose, such as docker compose or docker-compose.
	Compose []string
	// File is docker-compose.yml.
	File string
	// Image is what runs first, and Next what is deployed over it.
	Image, Next string
	// DevImage has the servers.
	DevImage string
	// Environment is what the commands find: the PATH and what docker needs.
	Environment []string
	// Rate is log events a second.
	Rate float64
	// WindowAge is the setting window_max_age: a pause is longer by about as much.
	WindowAge time.Duration
	// PauseLimit is the longest pause during the deployment that is accepted.
	PauseLimit time.Duration
	// Keep leaves everything running at the end.
	Keep bool
	// Out receives what a person should know, Log what the commands say.
	Out, Log io.Writer
}

// Validate reports all faults at once.
func (o Options) Validate() error {
	var errs []error
	for flag, value := range map[string]string{"--file": o.File, "--image": o.Image, "--next": o.Next, "--dev-image": o.DevImage} {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is not set", flag))
		}
	}
	if len(o.Compose) == 0 {
		errs = append(errs, errors.New("--compose: want a command, such as docker compose"))
	}
	if !(o.Rate >= 1 && o.Rate <= 10_000) {
		errs = append(errs, fmt.Errorf("--rate %v: want a number of events a second from 1 to 10000", o.Rate))
	}
	if o.WindowAge < 100*time.Millisecond || o.WindowAge > time.Minute {
		errs = append(errs, fmt.Errorf("--window-age %s: want 100ms to 1m", o.WindowAge))
	}
	return errors.Join(errs...)
}
