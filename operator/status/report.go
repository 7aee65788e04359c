package status

import (
	"time"
)

// Health is the summary of a report.
type Health string

// The values of Health, the worst last.
const (
	// Healthy: logs arrive, in time.
	Healthy Health = "healthy"
	// Behind: logs are late, or will be; it mends by itself when its cause is over.
	Behind Health = "behind"
	// Stuck: something goes on only when a person has done something.
	Stuck Health = "stuck"
	// Unknown: Temporal could not be asked.
	Unknown Health = "unknown"
)

// Severity is what a problem means for the health.
type Severity string

// The severities, the worst last.
const (
	// Warning: nothing is late for it, yet somebody should look.
	Warning Severity = "warning"
	// Late is the severity of what makes a pipeline Behind.
	Late Severity = "behind"
	// Blocked is the severity of what makes a pipeline Stuck.
	Blocked Severity = "stuck"
)

// Report is how a pipeline was at one time. Its JSON is documented in docs/operations.md;
// fields are added to it and never change their meaning.
type Report struct {
	Pipeline string `json:"pipeline"`
	// TakenAt is by the clock of this process, as are all ages.
	TakenAt time.Time `json:"taken_at"`
	Health  Health    `json:"health"`
	// Problems are the causes, the worst first; empty in a healthy pipeline.
	Problems []Problem `json:"problems"`
	// PausedReading and PausedDelivery say that an operator has paused the one or the
	// other; empty where nobody has.
	PausedReading  string `json:"paused_reading,omitempty"`
	PausedDelivery string `json:"paused_delivery,omitempty"`

	Stream     string     `json:"stream,omitempty"`
	Shards     Shards     `json:"shards"`
	Windows    Windows    `json:"windows"`
	Token      *Token     `json:"token"`
	Throughput Throughput `json:"throughput"`
	// Oldest is the oldest window that is not delivered, null where all are.
	Oldest *Oldest `json:"oldest_undelivered"`
	// Starters and Workers are the processes that have asked Temporal for work in the last
	// minutes.
	Starters []Process `json:"starters"`
	Workers  []Process `json:"workers"`
	// Incomplete says what could not be asked; what depends on it is missing above.
	Incomplete []string `json:"incomplete"`
}

// Problem is one thing that is wrong.
type Problem struct {
	// Code is the type of an error as docs/operations.md lists it, or one of the codes of
	// this package.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// Summary says what is wrong in one line, and Detail what was met: mostly the message
	// of the last failure.
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	// Count is how many windows or shards have it, and Shards which, if it is about shards.
	Count  int64    `json:"count,omitempty"`
	Shards []string `json:"shards,omitempty"`
	// Since is when it began, as far as that is known.
	Since *time.Time `json:"since,omitempty"`
	// Advice is what to do, and Next are commands to type.
	Advice string   `json:"advice"`
	Next   []string `json:"next"`
}

// Shards are those of the stream that are being read.
type Shards struct {
	// Total have a ShardReader that runs. Looked of them were looked at for this report;
	// what is shown of others is older, or missing.
	Total  int `json:"total"`
	Looked int `json:"looked"`
	// Held are read by a starter now, of all rows.
	Held int     `json:"held"`
	Rows []Shard `json:"rows"`
}

// Shard is one shard, and who reads it.
type Shard struct {
	// ID is the short one.
	ID string `json:"id"`
	// State is reading, waiting (the shard is leased and not read), unowned (no starter has
	// it), failing, gap or starting.
	State ShardState `json:"state"`
	// Owner is the identity of the starter that holds the shard, empty where none does.
	Owner string `json:"owner,omitempty"`
	// BehindSeconds is how far the last read was behind the tip of the shard, by Kinesis;
	// null where that is not known.
	BehindSeconds *float64 `json:"behind_seconds"`
	// CompleteUntil: everything that arrived before is in a window. LagSeconds is the time
	// since, for a shard that is behind or not read, and 0 at the tip; null where that is not
	// known.
	CompleteUntil *time.Time `json:"complete_until"`
	LagSeconds    *float64   `json:"lag_seconds"`
	// Records and Windows were accepted by all leases together.
	Records int64 `json:"records"`
	Windows int64 `json:"windows"`
	// Reason is why the shard is not read, if it is not.
	Reason string `json:"reason,omitempty"`
	// Open, Parked and Retrying are windows; Open are all of them.
	Open     int64 `json:"open"`
	Parked   int64 `json:"parked"`
	Retrying int64 `json:"retrying"`
	// Gaps that reading has met since the ShardReader was started.
	Gaps int `json:"gaps"`
	// LastFlush is when the last window was delivered; null where that is not known.
	LastFlush *time.Time `json:"last_flush"`
	// LookedAt is when all this was so.
	LookedAt time.Time `json:"looked_at"`
}

// ShardState is what becomes of a shard.
type ShardState string

// The states of a shard.
const (
	ShardReading  ShardState = "reading"
	ShardWaiting  ShardState = "waiting"
	ShardUnowned  ShardState = "unowned"
	ShardFailing  ShardState = "failing"
	ShardGap      ShardState = "gap"
	ShardStarting ShardState = "starting"
)

// Windows are the open ones.
type Windows struct {
	Open     int64 `json:"open"`
	Parked   int64 `json:"parked"`
	Retrying int64 `json:"retrying"`
	// Events are in those of the listed windows that are formatted.
	Events int64 `json:"events"`
	// Listed of the open ones were listed for the numbers by shard; fewer than Open where
	// there are more than one report lists.
	Listed int64 `json:"listed"`
}

// Token is that of the destination.
type Token struct {
	Parameter string     `json:"parameter,omitempty"`
	Version   int64      `json:"version"`
	ExpiresAt *time.Time `json:"expires_at"`
	Expired   bool       `json:"expired"`
	// ObtainedAt is when it was last replaced, RefreshAt when it is next.
	ObtainedAt *time.Time `json:"obtained_at"`
	RefreshAt  *time.Time `json:"refresh_at"`
	// Error is why it cannot be replaced, null where it can. LastError is what was over last.
	Error     *TokenError `json:"error"`
	LastError *TokenError `json:"last_error"`
	// From says whether the workflow has answered, or its history was read because no
	// worker did: query or history.
	From string `json:"from"`
}

// TokenError is why a token was not replaced.
type TokenError struct {
	Type     string     `json:"type"`
	Message  string     `json:"message"`
	Since    *time.Time `json:"since"`
	Attempts int        `json:"attempts"`
	NextAt   *time.Time `json:"next_at"`
}

// Throughput is what was delivered lately.
type Throughput struct {
	// Seconds until the report that it is about.
	Seconds float64 `json:"seconds"`
	Windows int64   `json:"windows"`
	Events  int64   `json:"events"`
	// Bytes are those of the batches before compression.
	Bytes           int64   `json:"bytes"`
	EventsPerSecond float64 `json:"events_per_second"`
	BytesPerSecond  float64 `json:"bytes_per_second"`
	// Estimated: there were more windows than one report lists, and Events and Bytes are
	// scaled up from the latest of them.
	Estimated bool `json:"estimated"`
	// Quarantined windows have ended in the last hour with pieces that could not be read.
	Quarantined int64 `json:"quarantined_windows"`
}

// Oldest is the oldest event that is known not to be delivered.
type Oldest struct {
	// ArrivedAt is when Kinesis took in the first record of its window.
	ArrivedAt  time.Time `json:"arrived_at"`
	AgeSeconds float64   `json:"age_seconds"`
	WorkflowID string    `json:"workflow_id"`
	Status     string    `json:"status"`
}

// Process is a starter or a worker.
type Process struct {
	Identity string `json:"identity"`
	// LastSeen is when it last asked Temporal for work, by Temporal's clock.
	LastSeen time.Time `json:"last_seen"`
	// Gone: that is longer ago than a process which runs leaves between two times.
	Gone bool `json:"gone"`
	// Shards that it holds, if it is a starter.
	Shards int `json:"shards,omitempty"`
}
