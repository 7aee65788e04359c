package fleet

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// launchTemporal starts Temporal on the address and the database of the one before it,
// and returns when it answers.
func (f *Fleet) launchTemporal(name string) (*Process, error) {
	listen, ui := f.temporalAddress, f.temporalUI
	if listen == "" {
		listen, ui = anyPort, anyPort
	}
	p, found, err := f.launch(command{
		name: name, env: f.systemEnvironment(),
		args: slices.Concat(f.options.Temporal, []string{"--data", f.path("temporal"), "--listen", listen, "--ui", ui}),
	}, temporalAnnounced)
	if err == nil && f.temporalAddress == "" {
		f.temporalAddress, f.temporalUI = found[0], found[1]
	}
	return p, err
}

var temporalAnnounced = regexp.MustCompile(`Temporal +(\S+)\nWeb UI +http://(\S+)\n`)

func (f *Fleet) connectTemporal(ctx context.Context) error {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: f.temporalAddress, Logger: telemetry.TemporalLogger(f.logger),
	})
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s: %w", f.temporalAddress, err)
	}
	f.Client = c
	return nil
}

// WebUI is the address of Temporal's Web UI.
func (f *Fleet) WebUI() string { return "http://" + f.temporalUI }
