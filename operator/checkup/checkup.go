package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Status is how grave a finding is.
type Status string

// The statuses.
const (
	// OK is as it should be.
	OK Status = "ok"
	// Note is worth knowing, or was not tried.
	Note Status = "note"
	// Warn works, and may not for long, or is unwise.
	Warn Status = "warn"
	// Fail keeps the pipeline from working.
	Fail Status = "fail"
)

// Finding is what was found out about one thing. It holds no secret.
type Finding struct {
	// Name is that of the check, a slash, and what was looked at: stream/get-records.
	Name   string
	Status Status
	// Message says what is so.
	Message string
	// Remedy says what to do about it; empty where there is nothing to do, or the message
	// says it.
	Remedy string
}

// Check looks at one dependency, step by step.
type Check struct {
	// Name is one of Names.
	Name string
	// Run reports what it finds. It ends when ctx does.
	Run func(ctx context.Context, r *Report)
}

// Names of the checks, in the order in which their findings are told.
func Names() []string {
	return []string{nameSettings, nameTemporal, nameStream, nameStage, nameParameters, nameToken, nameDestination, nameClock}
}

const (
	nameSettings    = "settings"
	nameTemporal    = "temporal"
	nameStream      = "stream"
	nameStage       = "stage"
	nameParameters  = "parameters"
	nameToken       = "token"
	nameDestination = "destination"
	nameClock       = "clock"
)

// Report takes the findings of one check.
type Report struct {
	check string
	ctx   context.Context //nolint:containedctx // of the check: it tells whether a fault is only that the time was over

	mu       sync.Mutex
	findings []Finding
	closed   bool // what comes later is of a check that was given up
}

func (r *Report) add(what string, status Status, message, remedy string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.findings = append(r.findings, Finding{Name: r.check + "/" + what, Status: status, Message: oneLine(message), Remedy: oneLine(remedy)})
	}
}

// ok, note, warn and fail report a finding.
func (r *Report) ok(what, format string, args ...any) {
	r.add(what, OK, fmt.Sprintf(format, args...), "")
}

func (r *Report) note(what, format string, args ...any) {
	r.add(what, Note, fmt.Sprintf(format, args...), "")
}

func (r *Report) warn(what, remedy, format string, args ...any) {
	r.add(what, Warn, fmt.Sprintf(format, args...), remedy)
}

func (r *Report) fail(what, remedy string, err error) {
	message := err.Error()
	if over, ok := errors.AsType[*timeoutError](context.Cause(r.ctx)); ok && !strings.Contains(message, over.Error()) {
		message = over.Error() + ": " + message
	}
	r.add(what, Fail, message, remedy)
}

// untried says why things were not looked at.
func (r *Report) untried(why string, whats ...string) {
	for _, what := range whats {
		r.note(what, "not tried: %s", why)
	}
}

// timeoutError ends a check that takes too long.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", e.after) }

// Run runs the checks side by side, each for no longer than timeout, and hands on their
// findings in the order of the checks. It returns how many there are of each status.
func Run(ctx context.Context, checks []Check, timeout time.Duration, found func(Finding)) map[Status]int {
	running := make([]chan []Finding, len(checks))
	for i, check := range checks {
		done := make(chan []Finding, 1)
		running[i] = done
		go func() { done <- run(ctx, check, timeout) }()
	}
	counts := map[Status]int{}
	for _, done := range running {
		for _, f := range <-done {
			counts[f.Status]++
			found(f)
		}
	}
	return counts
}

func run(ctx context.Context, check Check, timeout time.Duration) []Finding {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &timeoutError{timeout})
	defer cancel()
	r := &Report{check: check.Name, ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		check.Run(ctx, r)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		// Most that waits obeys the context, and says best what it has waited for.
		select {
		case <-ended:
		case <-time.After(grace):
			r.add("unfinished", Fail, context.Cause(ctx).Error(), "look at what this check needs, or give it more time with --timeout")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.findings
}

// grace is how long a check may take to notice that its time is over. A file system that
// hangs does not notice at all.
const grace = time.Second

// Select returns the checks whose findings any of the names names: that of a check, or of
// one finding. None selects all. A name that is neither is an error.
func Select(checks []Check, names []string) ([]Check, func(Finding) bool, error) {
	if len(names) == 0 {
		return checks, func(Finding) bool { return true }, nil
	}
	for _, name := range names {
		if !slices.Contains(Names(), group(name)) {
			return nil, nil, fmt.Errorf("no check is called %q: there are %s", name, strings.Join(Names(), ", "))
		}
	}
	var selected []Check
	for _, check := range checks {
		if slices.ContainsFunc(names, func(name string) bool { return group(name) == check.Name }) {
			selected = append(selected, check)
		}
	}
	return selected, func(f Finding) bool {
		return slices.Contains(names, group(f.Name)) || slices.Contains(names, f.Name)
	}, nil
}

// group is the check that a name belongs to.
func group(name string) string {
	check, _, _ := strings.Cut(name, "/")
	return check
}

// oneLine keeps what libraries say on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
