package config

import (
	"errors"
	"strings"
	"time"
)

// PositionType is a kind of [StartPosition]. The values are those of Kinesis' own
// ShardIteratorType.
type PositionType string

// The kinds of start position.
const (
	PositionTrimHorizon PositionType = "TRIM_HORIZON"
	PositionLatest      PositionType = "LATEST"
	PositionAtTimestamp PositionType = "AT_TIMESTAMP"
)

// StartPosition says where reading begins on a shard that was never read before.
// The zero value is the trim horizon.
type StartPosition struct {
	kind PositionType
	at   time.Time
}

// TrimHorizon starts at the oldest record that Kinesis still holds.
func TrimHorizon() StartPosition { return StartPosition{} }

// Latest starts after the newest record.
func Latest() StartPosition { return StartPosition{kind: PositionLatest} }

// AtTimestamp starts at the first record that arrived at t or later.
func AtTimestamp(t time.Time) StartPosition {
	return StartPosition{kind: PositionAtTimestamp, at: t.UTC().Round(0)}
}

// ParseStartPosition reads TRIM_HORIZON, LATEST or an RFC 3339 time.
func ParseStartPosition(text string) (StartPosition, error) {
	trimmed := strings.TrimSpace(text)
	switch PositionType(trimmed) {
	case PositionTrimHorizon:
		return TrimHorizon(), nil
	case PositionLatest:
		return Latest(), nil
	}
	at, err := time.Parse(time.RFC3339, trimmed)
	if year := at.UTC().Year(); err != nil || year < 1970 || year > 9999 {
		return StartPosition{}, errors.New("is no start position: use TRIM_HORIZON, LATEST or a time with its zone such as 2026-01-31T15:04:05Z")
	}
	return AtTimestamp(at), nil
}

// Type is the kind of the position.
func (p StartPosition) Type() PositionType {
	if p.kind == "" {
		return PositionTrimHorizon
	}
	return p.kind
}

// Time is the time in UTC to start from, and the zero time unless the type is
// [PositionAtTimestamp].
func (p StartPosition) Time() time.Time { return p.at }

// String is the form that [ParseStartPosition] reads.
func (p StartPosition) String() string {
	if p.kind == PositionAtTimestamp {
		return p.at.Format(time.RFC3339Nano)
	}
	return string(p.Type())
}

// UnmarshalText is [ParseStartPosition].
func (p *StartPosition) UnmarshalText(text []byte) error {
	parsed, err := ParseStartPosition(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// MarshalText is the form of [StartPosition.String].
func (p StartPosition) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
