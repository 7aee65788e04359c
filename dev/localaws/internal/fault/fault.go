// Package fault decides which requests to the local AWS go wrong, and how.
package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// Duration is a time.Duration that JSON carries as text such as "250ms".
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration %s: write it as text, such as \"250ms\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// Rule says which requests fail and how. Match fields left empty match everything; text matches without regard to
// case for Service, exactly for the others.
type Rule struct {
	// ID names the rule in listings and for deletion. It is set when the rule is added.
	ID string `json:"id,omitempty"`

	Service   string `json:"service,omitempty"`   // kinesis, ssm, logs or sts
	Operation string `json:"operation,omitempty"` // as in the API, for example GetRecords
	Stream    string `json:"stream,omitempty"`    // Kinesis stream name
	Shard     string `json:"shard,omitempty"`     // Kinesis shard id
	Name      string `json:"name,omitempty"`      // parameter name or log group

	// Error is the code to answer with, for example AccessDeniedException. Without one, nothing fails and only
	// Latency applies (or EmptyPage).
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
	// Status is the HTTP status; unless given 500 for internal failures, 503 for ServiceUnavailable, else 400.
	Status int `json:"status,omitempty"`

	// After carries the request out and fails the answer only, which leaves the caller in doubt.
	After bool `json:"after,omitempty"`
	// PerRecord fails single records inside PutRecords, each with probability Share, not the call.
	PerRecord bool `json:"perRecord,omitempty"`
	// EmptyPage lets GetRecords answer with no record and the same position, as Kinesis does now and then.
	EmptyPage bool `json:"emptyPage,omitempty"`

	Share   float64   `json:"share,omitempty"`   // probability in (0,1]; 1 unless given
	Count   int       `json:"count,omitempty"`   // ends after so many hits; unlimited unless given
	Latency Duration  `json:"latency,omitempty"` // waits so long before anything else
	Until   time.Time `json:"until,omitzero"`    // ends at this moment
	For     Duration  `json:"for,omitempty"`     // ends so long after the rule was added

	// Hits counts how often the rule has applied.
	Hits int `json:"hits"`
}

func (r *Rule) validate() error {
	var errs []error
	if r.Service != "" && !slices.Contains([]string{"kinesis", "ssm", "logs", "sts"}, strings.ToLower(r.Service)) {
		errs = append(errs, fmt.Errorf("service %q: want kinesis, ssm, logs or sts", r.Service))
	}
	if r.Share < 0 || r.Share > 1 {
		errs = append(errs, fmt.Errorf("share %v: want more than 0 and at most 1", r.Share))
	}
	if r.Count < 0 {
		errs = append(errs, fmt.Errorf("count %d: want 0 (unlimited) or more", r.Count))
	}
	if r.Status != 0 && (r.Status < 400 || r.Status > 599) {
		errs = append(errs, fmt.Errorf("status %d: want 400 to 599", r.Status))
	}
	if r.Latency < 0 || r.For < 0 {
		errs = append(errs, errors.New("latency and for: want a positive duration"))
	}
	if r.Error == "" && r.Latency == 0 && !r.EmptyPage {
		errs = append(errs, errors.New("rule has no effect: give error, latency or emptyPage"))
	}
	if r.Error == "" && (r.After || r.PerRecord) {
		errs = append(errs, errors.New("after and perRecord need an error"))
	}
	if r.PerRecord && r.Operation != "PutRecords" {
		errs = append(errs, errors.New("perRecord applies to operation PutRecords only"))
	}
	if r.EmptyPage && r.Operation != "GetRecords" {
		errs = append(errs, errors.New("emptyPage applies to operation GetRecords only"))
	}
	return errors.Join(errs...)
}

func (r *Rule) matches(service, operation string, t wire.Target, now time.Time) bool {
	return (r.Service == "" || strings.EqualFold(r.Service, service)) &&
		(r.Operation == "" || r.Operation == operation) &&
		(r.Stream == "" || r.Stream == t.Stream) &&
		(r.Shard == "" || r.Shard == t.Shard) &&
		(r.Name == "" || r.Name == t.Name) &&
		(r.Count == 0 || r.Hits < r.Count) &&
		(r.Until.IsZero() || now.Before(r.Until))
}

func (r *Rule) toError() *wire.Error {
	status := r.Status
	if status == 0 {
		switch r.Error {
		case "InternalFailure", "InternalFailureException", "InternalServerError":
			status = http.StatusInternalServerError
		case "ServiceUnavailable", "ServiceUnavailableException":
			status = http.StatusServiceUnavailable
		default:
			status = http.StatusBadRequest
		}
	}
	msg := r.Message
	if msg == "" {
		msg = "injected by fault rule " + r.ID
	}
	return &wire.Error{Code: r.Error, Message: msg, Status: status}
}

// Verdict is what the rules decide for one request.
type Verdict struct {
	Latency   time.Duration
	Before    *wire.Error // fail without doing anything
	After     *wire.Error // do it, then fail
	EmptyPage bool
}

// Set is the rules in force. Its zero value has none and is ready to use.
type Set struct {
	// Now is the clock for Until and For; time.Now when nil.
	Now func() time.Time

	mu    sync.Mutex
	rules []*Rule
	next  int
}

func (s *Set) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Add puts a rule in force and returns its id. The error names everything that is wrong with the rule.
func (s *Set) Add(r Rule) (string, error) {
	if err := r.validate(); err != nil {
		return "", fmt.Errorf("fault rule: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	r.ID = strconv.Itoa(s.next)
	r.Hits = 0
	if r.Share == 0 {
		r.Share = 1
	}
	if r.For > 0 {
		r.Until = s.now().Add(time.Duration(r.For))
	}
	s.rules = append(s.rules, &r)
	return r.ID, nil
}

// List returns the rules with their hits, ended ones included.
func (s *Set) List() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		out = append(out, *r)
	}
	return out
}

// Delete ends the rule with this id and reports whether there was one.
func (s *Set) Delete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(r *Rule) bool { return r.ID == id })
	return len(s.rules) < n
}

// Clear ends all rules.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Judge decides about one request. Latencies of several rules add up; of several errors the first rule's counts.
func (s *Set) Judge(service, operation string, t wire.Target) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	var v Verdict
	if len(s.rules) == 0 {
		return v
	}
	now := s.now()
	for _, r := range s.rules {
		if r.PerRecord || !r.matches(service, operation, t, now) || rand.Float64() >= r.Share {
			continue
		}
		if r.Error != "" && (v.Before != nil || v.After != nil) {
			continue
		}
		r.Hits++
		v.Latency += time.Duration(r.Latency)
		v.EmptyPage = v.EmptyPage || r.EmptyPage
		switch {
		case r.Error == "":
		case r.After:
			v.After = r.toError()
		default:
			v.Before = r.toError()
		}
	}
	return v
}

// JudgeRecord decides about one record of a PutRecords call: nil to accept it.
func (s *Set) JudgeRecord(stream, shard string) *wire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) == 0 {
		return nil
	}
	now := s.now()
	for _, r := range s.rules {
		if r.PerRecord && r.matches("kinesis", "PutRecords", wire.Target{Stream: stream, Shard: shard}, now) && rand.Float64() < r.Share {
			r.Hits++
			return r.toError()
		}
	}
	return nil
}
