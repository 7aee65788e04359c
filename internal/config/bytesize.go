package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. In text it is a whole number with an optional
// unit: 1000000, 1MB and 1000 kB are the same.
type ByteSize int64

// Units of a [ByteSize]: powers of 1000, and powers of 1024 with an i.
const (
	Byte ByteSize = 1
	KB            = 1000 * Byte
	KiB           = 1024 * Byte
	MB            = 1000 * KB
	MiB           = 1024 * KiB
	GB            = 1000 * MB
	GiB           = 1024 * MiB
)

// byteUnits goes from large to small, so that String finds the shortest form.
var byteUnits = []struct {
	name string
	size ByteSize
}{
	{"GiB", GiB},
	{"GB", GB},
	{"MiB", MiB},
	{"MB", MB},
	{"KiB", KiB},
	{"kB", KB},
	{"B", Byte},
}

// ParseByteSize reads a size such as 1000000, 512KiB or 1 MB. Units are read in any
// case; a bare k or M is refused because it does not tell 1000 from 1024.
func ParseByteSize(text string) (ByteSize, error) {
	trimmed := strings.TrimSpace(text)
	digits := strings.TrimRight(trimmed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errTooManyBytes
	}
	if err != nil {
		return 0, errors.New("is not a byte size: write a whole number with or without a unit, such as 1000000, 512KiB or 1MB")
	}
	if n < 0 {
		return 0, errors.New("is negative: write a byte size such as 1MB")
	}
	unit, err := parseByteUnit(trimmed[len(digits):])
	if err != nil {
		return 0, err
	}
	if n > math.MaxInt64/int64(unit) {
		return 0, errTooManyBytes
	}
	return ByteSize(n) * unit, nil
}

var errTooManyBytes = errors.New("is too large to be a number of bytes")

func parseByteUnit(name string) (ByteSize, error) {
	if name == "" {
		return Byte, nil
	}
	for _, unit := range byteUnits {
		if strings.EqualFold(unit.name, name) {
			return unit.size, nil
		}
	}
	return 0, fmt.Errorf("has the unknown unit %q: use kB or MB (powers of 1000), or KiB or MiB (powers of 1024)", name)
}

// String uses the largest unit that leaves no fraction; [ParseByteSize] reads it back.
func (b ByteSize) String() string {
	for _, u := range byteUnits[:len(byteUnits)-1] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// UnmarshalText is [ParseByteSize].
func (b *ByteSize) UnmarshalText(text []byte) error {
	parsed, err := ParseByteSize(string(text))
	if err != nil {
		return err
	}
	*b = parsed
	return nil
}

// MarshalText is the form of [ByteSize.String].
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
