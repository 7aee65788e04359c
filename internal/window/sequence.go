package window

import (
	"cmp"
	"fmt"
	"math/big"
	"strings"
)

// SequenceNumber is the sequence number of a Kinesis record: a decimal integer
// of usually 56 digits, unique in its shard and increasing along it. The empty
// string means "none" and sorts before every number.
type SequenceNumber string

// shortWidth is the number of base-36 digits that hold every 56-digit decimal
// number: 36^36 > 10^56. All short forms of such numbers have this width, so
// they sort as text in the order of the numbers.
const shortWidth = 36

// maxSequenceDigits is the longest sequence number the Kinesis API allows.
const maxSequenceDigits = 129

// ParseSequenceNumber checks that s is a sequence number as the Kinesis API
// defines it: 0, or up to 129 decimal digits without a leading zero.
func ParseSequenceNumber(s string) (SequenceNumber, error) {
	if s == "" || len(s) > maxSequenceDigits || (s[0] == '0' && len(s) > 1) ||
		strings.Trim(s, "0123456789") != "" {
		return "", fmt.Errorf("sequence number %.140q: want 1 to %d decimal digits without a leading zero", s, maxSequenceDigits)
	}
	return SequenceNumber(s), nil
}

// Compare orders sequence numbers numerically: negative when s comes before t
// in the shard, positive when it comes after, zero when they are the same.
func (s SequenceNumber) Compare(t SequenceNumber) int {
	// Without leading zeros the longer number is the larger one.
	if c := cmp.Compare(len(s), len(t)); c != 0 {
		return c
	}
	return strings.Compare(string(s), string(t))
}

// Short is a lossless form of s that fits one line of the Temporal Web UI:
// base 36, padded with zeros to 36 digits. ParseShort turns it back. Text that
// is no sequence number is returned as it is.
func (s SequenceNumber) Short() string {
	n, ok := new(big.Int).SetString(string(s), 10)
	if !ok || n.Sign() < 0 {
		return string(s)
	}
	short := n.Text(36)
	if pad := shortWidth - len(short); pad > 0 {
		short = strings.Repeat("0", pad) + short
	}
	return short
}

// ParseShort is the inverse of SequenceNumber.Short.
func ParseShort(short string) (SequenceNumber, error) {
	n, ok := new(big.Int).SetString(short, 36)
	if !ok || n.Sign() < 0 {
		return "", fmt.Errorf("short sequence number %.60q: want base-36 digits", short)
	}
	return SequenceNumber(n.String()), nil
}
