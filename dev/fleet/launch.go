package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// serverStart is how long a server may take to say where it listens, on a machine that
// does other things, too.
const serverStart = time.Minute

// launch starts a server and returns when it has announced itself, with the parts of
// the announcement.
func (f *Fleet) launch(c command, announced *regexp.Regexp) (p *Process, found []string, err error) {
	ready := newAnnouncement(announced)
	c.stdout = ready
	p, err = f.start(c)
	if err != nil {
		return nil, nil, err
	}
	timer := time.NewTimer(serverStart)
	defer timer.Stop()
	select {
	case <-ready.made:
		return p, ready.found, nil
	case <-p.done:
		return nil, nil, fmt.Errorf("%s ended before it answered (%s): %s", c.name, p.Outcome(), p.lastLine())
	case <-timer.C:
		return nil, nil, errors.Join(fmt.Errorf("%s did not answer within %s: %s", c.name, serverStart, p.lastLine()), p.Kill())
	}
}

// announcement reads from the output of a server where it listens.
type announcement struct {
	pattern *regexp.Regexp
	found   []string // its groups, for after made is closed
	made    chan struct{}

	mu   sync.Mutex
	text []byte
	done bool
}

func newAnnouncement(pattern *regexp.Regexp) *announcement {
	return &announcement{pattern: pattern, made: make(chan struct{})}
}

// Write implements io.Writer.
func (a *announcement) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return len(b), nil
	}
	a.text = append(a.text, b...)
	if m := a.pattern.FindStringSubmatch(string(a.text)); m != nil {
		a.found, a.done, a.text = m[1:], true, nil
		close(a.made)
	}
	return len(b), nil
}

// shardLimit is more shards than anybody asks for.
const shardLimit = "2000"

var (
	awsAnnounced = regexp.MustCompile(`local AWS on (http://\S+)\n`)
	apiAnnounced = regexp.MustCompile(`analytics API +(http://\S+)\n`)
)

// launchAWS starts the local AWS as a process.
func (f *Fleet) launchAWS() error {
	p, found, err := f.launch(command{
		name: "aws", env: f.systemEnvironment(),
		args: slices.Concat(f.options.Dev, []string{"aws", "--listen", anyPort, "--shard-limit", shardLimit, fmt.Sprintf("--throttle=%t", f.options.Throttle)}),
	}, awsAnnounced)
	if err != nil {
		return err
	}
	f.AWSProcess, f.awsURL = p, found[0]
	return nil
}

// launchAPI starts the analytics API as a process.
func (f *Fleet) launchAPI() error {
	args := []string{"analytics", "--listen", anyPort, "--client-id", clientID, "--client-secret", clientSecret, "--recent", "-1"}
	if f.options.TokenLife > 0 {
		args = append(args, "--token-life", f.options.TokenLife.String())
	}
	p, found, err := f.launch(command{
		name: "api", env: f.systemEnvironment(), args: slices.Concat(f.options.Dev, args),
	}, apiAnnounced)
	if err != nil {
		return err
	}
	f.APIProcess, f.apiURL = p, found[0]
	return nil
}

// APIURL is the address of the analytics API.
func (f *Fleet) APIURL() string { return f.apiURL }

// adminTimeout bounds a request to the local AWS about itself.
const adminTimeout = 10 * time.Second

// SetAWSClock puts the clock of AWS behind, or right with 0.
func (f *Fleet) SetAWSClock(ctx context.Context, behind time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.awsURL+"/_localaws/clock?behind="+behind.String(), nil)
	if err != nil {
		return fmt.Errorf("set the clock of the local AWS: %w", err)
	}
	answer, err := f.AWSConfig.HTTPClient.Do(request)
	if err != nil {
		return fmt.Errorf("set the clock of the local AWS: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("set the clock of the local AWS: %s", answer.Status)
	}
	return nil
}
