// Package pausing knows whether an operator has paused a pipeline: its reading, its
// delivery, or both. The pipeline's StreamReader workflow remembers it in its memo, where
// every process finds it, and the Web UI shows it, without a worker having to answer.
package pausing

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// What can be paused.
type What string

// Reading is the work of the starters: what they do not read stays in Kinesis. Delivery
// is the requests to the destination: what is not sent stays in the stage.
const (
	Reading  What = "reading"
	Delivery What = "delivery"
)

// ErrUnknown is wrapped by the error of Parse.
var ErrUnknown = errors.New("neither reading nor delivery")

// Parse is the What of a word.
func Parse(word string) (What, error) {
	switch what := What(word); what {
	case Reading, Delivery:
		return what, nil
	}
	return "", fmt.Errorf("%.50q: %w", word, ErrUnknown)
}

// Memo is the field of the StreamReader's memo that has the Pause, and is missing where
// there is none.
func (w What) Memo() string { return "paused_" + string(w) }

// Pause says who has paused something, when and why.
type Pause struct {
	// By is whoever paused it, as the command was told; empty where it was not.
	By string `json:"by,omitempty"`
	// Since is when, by Temporal's clock.
	Since time.Time `json:"since"`
	// Reason is the operator's own words, empty if none were given.
	Reason string `json:"reason,omitempty"`
}

// Request is the input of the StreamReader's signal set-paused.
type Request struct {
	What What `json:"what"`
	// Paused: it is to be paused; else it is to go on.
	Paused bool   `json:"paused"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// longestText bounds what an operator says, in bytes. It is shown on the page of every
// window that waits, in the summary of its timer, which may have 400 bytes with the rest.
const longestText = 120

// Text is what an operator has said, on one line and not too long.
func Text(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(s) <= longestText {
		return s
	}
	end := longestText - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Sentence says that what is paused, by whom, since when and why.
func (p Pause) Sentence(what What) string {
	var text strings.Builder
	text.WriteString(string(what) + " is paused")
	if p.By != "" {
		text.WriteString(" by " + p.By)
	}
	text.WriteString(" since " + p.Since.UTC().Format(time.RFC3339))
	if p.Reason != "" {
		text.WriteString(": " + p.Reason)
	}
	return text.String()
}

// Remedy is the command that ends the pause of what.
func Remedy(what What) string { return "logpipe resume " + string(what) }

// Of is the pause that a StreamReader's memo tells of, nil where there is none.
func Of(memo *commonpb.Memo, what What) (*Pause, error) {
	payload := memo.GetFields()[what.Memo()]
	if payload == nil || len(payload.GetData()) == 0 {
		return nil, nil
	}
	var p *Pause
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &p); err != nil {
		return nil, fmt.Errorf("read the memo %s: %w", what.Memo(), err)
	}
	return p, nil
}
