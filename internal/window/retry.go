package window

import (
	"fmt"
	"strconv"
	"strings"
)

// Piece is a quarantined part of a window, as its stage key names it.
type Piece struct {
	// Window that the piece was cut out of.
	Window Range
	// Number of the piece in the window, from 0. What is left of a piece that was
	// formatted again has the same number and another digest.
	Number int
	// Digest of the piece and its place.
	Digest string
}

// QuarantinePrefix is the beginning of the stage keys of all quarantined pieces of a
// pipeline.
func QuarantinePrefix(pipeline string) string { return pipeline + "/quarantine/" }

// ParseQuarantineKey is the inverse of Range.QuarantineKey. Every other key is an error.
func ParseQuarantineKey(pipeline, key string) (Piece, error) {
	r, n, digest, ok := parseNumbered(QuarantinePrefix(pipeline), key)
	if !ok || r.QuarantineKey(pipeline, n, digest) != key {
		return Piece{}, notAKey(key, "quarantined piece")
	}
	return Piece{Window: r, Number: n, Digest: digest}, nil
}

// RetrySize is how many pieces are formatted again together at most. Their keys are in
// the history of one workflow several times.
const RetrySize = 500

// Retry returns which pieces this one is formatted again with.
func (p Piece) Retry() Retry { return Retry{Window: p.Window, Group: p.Number / RetrySize} }

// Retry names what is formatted again by one workflow: pieces of one window whose
// numbers, divided by RetrySize, give Group. A piece is in one Retry whoever asks for it
// and with which others, so that no two workflows have it at a time.
type Retry struct {
	Window Range
	Group  int
}

// RetryPrefix begins the workflow ids of all retries of a pipeline, and the stage keys of
// their batches. No id and no key of a window of the chain does.
func RetryPrefix(pipeline string) string { return pipeline + "/retry/" }

// WorkflowID is the id of the workflow that formats the pieces again.
func (r Retry) WorkflowID(pipeline string) string {
	return fmt.Sprintf("%s%s/%d", RetryPrefix(pipeline), r.Window.key(), r.Group)
}

// BatchKey is the stage key of the nth batch (from 0), as Range.BatchKey.
func (r Retry) BatchKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s/%04d-%s", r.WorkflowID(pipeline), n, digest)
}

// IdempotencyKey identifies the nth batch (from 0) to the destination, as
// Range.IdempotencyKey. A batch that is made of the same pieces a second time has the
// same key.
func (r Retry) IdempotencyKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s/%d-%s", r.WorkflowID(pipeline), n, digest)
}

// ParseRetryBatchKey returns the retry whose batch the key names, and fails for every
// key that Retry.BatchKey does not make.
func ParseRetryBatchKey(pipeline, key string) (Retry, error) {
	name, ok := strings.CutPrefix(key, RetryPrefix(pipeline))
	parts := strings.Split(name, "/") // shard, ends, group, batch
	if !ok || len(parts) != 4 {
		return Retry{}, notAKey(key, "batch of a retry")
	}
	window, err := parseRange(parts[0] + "/" + parts[1])
	if err != nil {
		return Retry{}, notAKey(key, "batch of a retry")
	}
	group, err := strconv.Atoi(parts[2])
	number, digest, _ := strings.Cut(parts[3], "-")
	n, numberErr := strconv.Atoi(number)
	r := Retry{Window: window, Group: group}
	if err != nil || numberErr != nil || group < 0 || n < 0 || digest == "" || r.BatchKey(pipeline, n, digest) != key {
		return Retry{}, notAKey(key, "batch of a retry")
	}
	return r, nil
}
