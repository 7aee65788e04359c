package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

const (
	// lookInterval is how often the run looks whether all is delivered.
	lookInterval = time.Second
	// sayInterval is how often it says what it waits for.
	sayInterval = 5 * time.Second
	// callTimeout bounds a call of Temporal while that comes back.
	callTimeout = 10 * time.Second
	// quietLooks in a row must find nothing to wait for: visibility is a little behind.
	quietLooks = 3
	// settledAfter is when parked windows are all that is left: nothing has moved for
	// longer than any pause between two attempts.
	settledAfter = 90 * time.Second
)

// progress is how far delivery has come.
type progress struct {
	missing  int // events that are not at the API
	open     int // windows that are not finished
	parked   int // of these, waiting for an operator
	attempts uint64
}

func (p progress) done() bool { return p.missing <= 0 && p.open == 0 }

func (p progress) String() string {
	text := fmt.Sprintf("%d events and %d open windows", max(p.missing, 0), p.open)
	if p.parked > 0 {
		text += fmt.Sprintf(", %d of them parked", p.parked)
	}
	return text
}

// drain waits until everything is delivered, and reports whether it is.
func (r *run) drain(ctx context.Context) bool {
	deadline := time.Now().Add(r.options.Patience)
	var last progress
	var said time.Time
	moved := time.Now()
	for quiet := 0; quiet < quietLooks; {
		now, err := r.progress(ctx)
		switch {
		case err != nil:
			quiet = 0
			r.say("waiting for Temporal: %v", err)
		case now.done():
			quiet++
		default:
			quiet = 0
			if now != last {
				last, moved = now, time.Now()
			}
			if time.Since(said) > sayInterval {
				said = time.Now()
				r.say("waiting for %s", now)
			}
		}
		stuck := last.parked > 0 && last.parked == last.open && time.Since(moved) > settledAfter
		if stuck || time.Now().After(deadline) {
			r.say("gave up waiting for %s", last)
			r.diagnose(ctx)
			return false
		}
		wait(ctx, lookInterval)
	}
	r.say("all is delivered")
	return true
}

func (r *run) progress(ctx context.Context) (progress, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	open, parked, err := r.fleet.OpenWindows(ctx)
	if err != nil {
		return progress{}, err
	}
	stats := r.fleet.API.Stats()
	return progress{
		missing: r.fleet.Events.Count() - int(stats.LogEvents), open: open, parked: parked, attempts: stats.Attempts,
	}, nil
}

// diagnosed bounds what is said of what still runs.
const diagnosed = 20

// diagnose says what everything that still runs is doing.
func (r *run) diagnose(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	running, err := r.fleet.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running'", PageSize: diagnosed,
	})
	if err != nil {
		r.say("what still runs cannot be told: %v", err)
		return
	}
	for _, info := range running.GetExecutions() {
		id := info.GetExecution().GetWorkflowId()
		described, err := r.fleet.Client.DescribeWorkflowExecution(ctx, id, info.GetExecution().GetRunId())
		if err != nil {
			r.say("%s cannot be described: %v", id, err)
			continue
		}
		var doing []string
		for _, a := range described.GetPendingActivities() {
			doing = append(doing, fmt.Sprintf("%s attempt %d %s on %s: %s", a.GetActivityType().GetName(), a.GetAttempt(),
				a.GetState(), a.GetLastWorkerIdentity(), a.GetLastFailure().GetMessage()))
		}
		if task := described.GetPendingWorkflowTask(); task != nil {
			doing = append(doing, fmt.Sprintf("workflow task attempt %d %s", task.GetAttempt(), task.GetState()))
		}
		r.say("%s runs: %s", id, strings.Join(doing, "; "))
	}
}
