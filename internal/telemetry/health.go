package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Where a process tells how it is, beside [MetricsPath].
const (
	// HealthPath is answered by every process that is alive.
	HealthPath = "/healthz"
	// ReadyPath is answered with status 200 by a process that does its work, and with 503
	// by one that has not begun, has stopped, or cannot.
	ReadyPath = "/readyz"
)

const (
	// checkTimeout bounds the checks for one answer, and answerLife is for how long the
	// answer holds for all who ask.
	checkTimeout = 3 * time.Second
	answerLife   = time.Second
)

// Check says in a few words how something is that the process cannot do without, or why that
// is not well. It quotes no log line and no secret.
type Check func(ctx context.Context) (string, error)

// Health is how a process is. The zero value is one that has not begun.
type Health struct {
	mu     sync.Mutex
	phase  phase
	checks []namedCheck

	asking sync.Mutex // held by who makes an answer; guards what follows
	answer readiness
	at     time.Time
}

// phase of a process.
type phase int

const (
	starting phase = iota
	running
	stopping
)

type namedCheck struct {
	name  string
	check Check
}

// readiness is an answer to who asks at ReadyPath.
type readiness struct {
	ready bool
	text  string
}

// Add adds something that has to be well.
func (h *Health) Add(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, namedCheck{name, check})
}

// Begin tells that everything has been started.
func (h *Health) Begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = max(h.phase, running)
}

// Drain tells that the process is about to stop: it is not ready any more.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = stopping
}

// Ready reports whether the process does its work, and how everything is, a line for each.
func (h *Health) Ready(ctx context.Context) (bool, string) {
	h.mu.Lock()
	phase, checks := h.phase, h.checks
	h.mu.Unlock()
	switch phase {
	case starting:
		return false, "not ready: starting\n"
	case stopping:
		return false, "not ready: stopping\n"
	}
	h.asking.Lock()
	defer h.asking.Unlock()
	if h.at.IsZero() || time.Since(h.at) >= answerLife {
		h.answer = ask(ctx, checks)
		h.at = time.Now()
	}
	return h.answer.ready, h.answer.text
}

func ask(ctx context.Context, checks []namedCheck) readiness {
	// The answer is for others, too: that this one has gone says nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	lines := make([]string, len(checks))
	faults := make([]bool, len(checks))
	var all sync.WaitGroup
	for n, c := range checks {
		all.Go(func() {
			says, err := c.check(ctx)
			if err != nil {
				says, faults[n] = "not well: "+err.Error(), true
			}
			lines[n] = fmt.Sprintf("%s: %s\n", c.name, strings.ReplaceAll(says, "\n", " "))
		})
	}
	all.Wait()
	first := "ready\n"
	ready := true
	for _, fault := range faults {
		if fault {
			first, ready = "not ready\n", false
		}
	}
	return readiness{ready, first + strings.Join(lines, "")}
}

// register has the health served.
func (h *Health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+HealthPath, func(w http.ResponseWriter, _ *http.Request) {
		tell(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, r *http.Request) {
		ready, text := h.Ready(r.Context())
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		tell(w, status, text)
	})
}

func tell(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // who asked has gone
}
