package analytics

import (
	"maps"
	"strconv"
	"time"
)

// Stats are the counts since the server was made. Events of a replayed batch are
// in none of the event counts.
type Stats struct {
	Events       uint64 `json:"events"`        // accepted, each time one came: Distinct + Duplicates + Unidentified
	Distinct     uint64 `json:"distinct"`      // different ids
	Duplicates   uint64 `json:"duplicates"`    // accepted again after the first time
	LogEvents    uint64 `json:"log_events"`    // different log events that they were made from
	Unidentified uint64 `json:"unidentified"`  // accepted without a "log.record.uid"
	FailedEvents uint64 `json:"failed_events"` // in batches that were accepted without them
	Batches      uint64 `json:"batches"`       // accepted requests, replays not counted
	Bytes        uint64 `json:"bytes"`         // of accepted bodies after decompression
	Replays      uint64 `json:"replays"`       // requests that repeated a key and its body
	Conflicts    uint64 `json:"conflicts"`     // requests that repeated a key with another body

	Attempts    uint64            `json:"attempts"`     // ingest requests of every outcome
	Responses   map[string]uint64 `json:"responses"`    // answers of the ingest endpoint by status
	LostAnswers uint64            `json:"lost_answers"` // stored, but not answered on purpose
	Resets      uint64            `json:"resets"`       // connections reset by an outage, both endpoints

	TokenRequests  uint64            `json:"token_requests"`
	TokenGrants    uint64            `json:"token_grants"`
	TokenResponses map[string]uint64 `json:"token_responses"` // answers of the token endpoint by status
	TokensActive   int               `json:"tokens_active"`   // neither expired nor revoked
	TokensRevoked  uint64            `json:"tokens_revoked"`

	OutageActive  bool       `json:"outage_active"`
	Started       time.Time  `json:"started"`
	FirstReceived *time.Time `json:"first_received"` // acceptance of the first batch; nil before it
	LastReceived  *time.Time `json:"last_received"`
}

func (l *ledger) count(change func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.totals)
}

func (l *ledger) answered(endpoint map[int]uint64, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	endpoint[status]++
}

func (l *ledger) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.totals
	s.Started = l.epoch
	s.Responses, s.TokenResponses = byText(l.statuses), byText(l.tokens)
	if !l.first.IsZero() {
		first, last := l.first, l.last
		s.FirstReceived, s.LastReceived = &first, &last
	}
	return s
}

func byText(counts map[int]uint64) map[string]uint64 {
	texts := make(map[string]uint64, len(counts))
	for status, n := range maps.All(counts) {
		texts[strconv.Itoa(status)] = n
	}
	return texts
}
