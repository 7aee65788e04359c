package apigateway

import "time"

// Kind is what an event was made from.
type Kind string

// The kinds of events.
const (
	// KindAccess is an access log.
	KindAccess Kind = "access"
	// KindInteraction is the execution log of a request, KindExecution a single line of
	// one.
	KindInteraction Kind = "interaction"
	KindExecution   Kind = "execution"
	// KindLambda is a line of a Lambda function.
	KindLambda Kind = "lambda"
	// KindJSON is any other JSON object.
	KindJSON Kind = "json"
	// KindText is any other message.
	KindText Kind = "text"
)

// Kinds are all kinds of events.
func Kinds() []Kind {
	return []Kind{KindAccess, KindInteraction, KindExecution, KindLambda, KindJSON, KindText}
}

// Summary tells what a call of [Formatter.Format] did. Every log event found in
// the records is counted once, in what [Summary.LogEvents] returns or in
// QuarantinedEvents; control messages are counted apart.
type Summary struct {
	// Records counts the records that were formatted.
	Records int `json:"records"`
	// StoredBytes is the size of the records' data as stored, InflatedBytes
	// after decompression.
	StoredBytes   int64 `json:"stored_bytes"`
	InflatedBytes int64 `json:"inflated_bytes"`
	// ControlRecords counts the records with nothing but control messages,
	// ControlMessages the messages that CloudWatch Logs sends to check its
	// destination. They are not delivered.
	ControlRecords  int `json:"control_records"`
	ControlMessages int `json:"control_messages"`
	// Events counts the events in the batches, Kinds by what they were made from.
	Events int          `json:"events"`
	Kinds  map[Kind]int `json:"kinds,omitempty"`
	// Interactions counts the events that were made of the execution logs of a request,
	// IncompleteInteractions those of them that lack lines, FoldedLines the lines in
	// them.
	Interactions           int `json:"interactions,omitempty"`
	IncompleteInteractions int `json:"incomplete_interactions,omitempty"`
	FoldedLines            int `json:"folded_lines,omitempty"`
	// Redacted counts the secrets that were replaced in the events.
	Redacted int `json:"redacted,omitempty"`
	// Batches and BatchBytes count the batches and their bodies' bytes.
	Batches    int   `json:"batches"`
	BatchBytes int64 `json:"batch_bytes"`
	// Quarantined counts the parts in quarantine, QuarantinedEvents the log
	// events known to be in them, Reasons the parts by the code of the reason.
	Quarantined       int            `json:"quarantined"`
	QuarantinedEvents int            `json:"quarantined_events"`
	Reasons           map[string]int `json:"reasons,omitempty"`
	// Repeated counts the log events that were left out because they stand in a part
	// that was delivered when the data was formatted first, see [Origin].
	Repeated int `json:"repeated,omitempty"`
	// FirstEvent and LastEvent are the earliest and the latest timestamp of
	// the events; zero if there are none.
	FirstEvent time.Time `json:"first_event,omitzero"`
	LastEvent  time.Time `json:"last_event,omitzero"`
}

// LogEvents is the number of log events that the events were made from.
func (s *Summary) LogEvents() int { return s.Events - s.Interactions + s.FoldedLines }

// count adds an event that is in a batch.
func (s *Summary) count(event writtenEvent) {
	s.Events++
	s.Redacted += event.redacted
	if s.Kinds == nil {
		s.Kinds = make(map[Kind]int)
	}
	s.Kinds[event.kind]++
	t := time.UnixMilli(event.millis).UTC()
	if s.Events == 1 || t.Before(s.FirstEvent) {
		s.FirstEvent = t
	}
	if s.Events == 1 || t.After(s.LastEvent) {
		s.LastEvent = t
	}
}
