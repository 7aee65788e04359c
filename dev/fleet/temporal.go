package fleet

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// temporalStart is how long Temporal may take to answer, on a machine that does other
// things, too.
const temporalStart = time.Minute

// launchTemporal starts Temporal on the address and the database of the one before it,
// and returns when it answers.
func (f *Fleet) launchTemporal(name string) (*Process, error) {
	listen, ui := f.temporalAddress, f.temporalUI
	if listen == "" {
		listen, ui = anyPort, anyPort
	}
	ready := newAnnouncement()
	args := append([]string{}, f.options.Temporal...)
	p, err := f.start(command{
		name: name, env: f.systemEnvironment(), stdout: ready,
		args: append(args, "--data", f.path("temporal"), "--listen", listen, "--ui", ui),
	})
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(temporalStart)
	defer timer.Stop()
	select {
	case <-ready.made:
		if f.temporalAddress == "" {
			f.temporalAddress, f.temporalUI = ready.address, ready.ui
		}
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it answered (%s): %s", name, p.Outcome(), p.lastLine())
	case <-timer.C:
		return nil, errors.Join(fmt.Errorf("%s did not answer within %s: %s", name, temporalStart, p.lastLine()), p.Kill())
	}
}

// announcement reads from the output of "dev temporal" where it listens.
type announcement struct {
	address, ui string // for after made is closed
	made        chan struct{}

	mu   sync.Mutex
	text []byte
	done bool
}

var announced = regexp.MustCompile(`Temporal +(\S+)\nWeb UI +http://(\S+)\n`)

func newAnnouncement() *announcement { return &announcement{made: make(chan struct{})} }

// Write implements io.Writer.
func (a *announcement) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return len(b), nil
	}
	a.text = append(a.text, b...)
	if m := announced.FindSubmatch(a.text); m != nil {
		a.address, a.ui, a.done, a.text = string(m[1]), string(m[2]), true, nil
		close(a.made)
	}
	return len(b), nil
}

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
