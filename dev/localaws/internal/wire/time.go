package wire

import (
	"fmt"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// Time is a timestamp member. JSON carries it as seconds since the epoch with a fraction; the CBOR form that AWS
// uses carries tag 1 with integer milliseconds, which is not what RFC 8949 says tag 1 holds.
// It is not for encoding/json, which would find the methods of time.Time.
type Time struct{ time.Time }

// TimeOf returns t cut to the millisecond, the precision of every timestamp here.
func TimeOf(t time.Time) Time { return Time{t.Truncate(time.Millisecond)} }

// MarshalJSONTo implements json.MarshalerTo.
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.Float(float64(t.UnixMilli()) / 1000))
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. It takes seconds as a number, and RFC 3339 text as the AWS
// CLI's users sometimes send through other tools.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case jsontext.KindNull:
		*t = Time{}
	case jsontext.KindString:
		v, err := time.Parse(time.RFC3339Nano, tok.String())
		if err != nil {
			return fmt.Errorf("timestamp %q is neither epoch seconds nor RFC 3339", tok.String())
		}
		*t = TimeOf(v)
	case jsontext.KindNumber:
		sec, err := tok.Float()
		if err != nil || math.Abs(sec) > 1e12 {
			return fmt.Errorf("timestamp %s is not epoch seconds", tok)
		}
		*t = Time{time.UnixMilli(int64(math.Round(sec * 1000)))}
	default:
		return fmt.Errorf("timestamp is a JSON %s, neither epoch seconds nor RFC 3339", tok.Kind())
	}
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
