package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Time is a timestamp member. JSON carries it as seconds since the epoch with a fraction; the CBOR form that AWS
// uses carries tag 1 with integer milliseconds, which is not what RFC 8949 says tag 1 holds.
type Time struct{ time.Time }

// TimeOf returns t cut to the millisecond, the precision of every timestamp here.
func TimeOf(t time.Time) Time { return Time{t.Truncate(time.Millisecond)} }

// AppendEpochSeconds appends ms (milliseconds since the epoch) as decimal seconds.
func AppendEpochSeconds(dst []byte, ms int64) []byte {
	if ms < 0 {
		return strconv.AppendFloat(dst, float64(ms)/1000, 'f', 3, 64)
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if frac := ms % 1000; frac != 0 {
		dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return dst
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return AppendEpochSeconds(nil, t.UnixMilli()), nil }

// UnmarshalJSON implements json.Unmarshaler. It takes seconds as a number, and RFC 3339 text as the AWS CLI's
// users sometimes send through other tools.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return fmt.Errorf("timestamp %q is neither epoch seconds nor RFC 3339", s)
		}
		t.Time = v.Truncate(time.Millisecond)
		return nil
	}
	sec, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(sec) > 1e12 {
		return fmt.Errorf("timestamp %s is not epoch seconds", b)
	}
	t.Time = time.UnixMilli(int64(math.Round(sec * 1000)))
	return nil
}

const epochTag = 1

// MarshalCBOR implements cbor.Marshaler.
func (t Time) MarshalCBOR() ([]byte, error) {
	return cbor.Marshal(cbor.RawTag{Number: epochTag, Content: cborInt(t.UnixMilli())})
}

func cborInt(v int64) cbor.RawMessage {
	b, err := cbor.Marshal(v)
	if err != nil {
		panic(err) // an integer always encodes
	}
	return b
}

// UnmarshalCBOR implements cbor.Unmarshaler: milliseconds, with the tag or without.
func (t *Time) UnmarshalCBOR(b []byte) error {
	var raw cbor.RawTag
	if err := cbor.Unmarshal(b, &raw); err == nil {
		b = raw.Content
	}
	var ms int64
	if err := cbor.Unmarshal(b, &ms); err != nil {
		var f float64
		if cbor.Unmarshal(b, &f) != nil || math.IsNaN(f) || math.Abs(f) > 1e15 {
			return fmt.Errorf("timestamp is not a number of milliseconds: %w", err)
		}
		ms = int64(math.Round(f))
	}
	t.Time = time.UnixMilli(ms)
	return nil
}
