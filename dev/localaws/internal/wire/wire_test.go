package wire_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

func TestTimeInJSON(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in  string
		ms  int64
		out string
	}{
		{"1459799926.480", 1459799926480, "1459799926.480"},
		{"1459799926", 1459799926000, "1459799926"},
		{"1.459799926048E9", 1459799926048, "1459799926.048"},
		{`"2016-04-04T19:58:46.480-00:00"`, 1459799926480, "1459799926.480"},
		{"0", 0, "0"},
	} {
		var v wire.Time
		if err := json.Unmarshal([]byte(tc.in), &v); err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		out, err := json.Marshal(v)
		if v.UnixMilli() != tc.ms || string(out) != tc.out || err != nil {
			t.Errorf("%s: %d ms, written as %s (%v); want %d ms, %s", tc.in, v.UnixMilli(), out, err, tc.ms, tc.out)
		}
	}
	for _, in := range []string{`"yesterday"`, `true`, `1e300`, `{}`} {
		if err := json.Unmarshal([]byte(in), new(wire.Time)); err == nil {
			t.Errorf("%s was taken as a timestamp", in)
		}
	}
}

func TestTimeInCBORIsMillisecondsUnderTagOne(t *testing.T) {
	t.Parallel()
	when := time.UnixMilli(1459799926480)
	b, err := cbor.Marshal(wire.TimeOf(when))
	if err != nil {
		t.Fatal(err)
	}
	var tag cbor.RawTag
	var ms int64
	if err := cbor.Unmarshal(b, &tag); err != nil || tag.Number != 1 {
		t.Fatalf("tag %d, %v", tag.Number, err)
	}
	if err := cbor.Unmarshal(tag.Content, &ms); err != nil || ms != 1459799926480 {
		t.Fatalf("content %d, %v", ms, err)
	}
	for _, form := range []any{wire.TimeOf(when), when.UnixMilli(), float64(when.UnixMilli())} {
		b, err := cbor.Marshal(form)
		if err != nil {
			t.Fatal(err)
		}
		var back wire.Time
		if err := cbor.Unmarshal(b, &back); err != nil || !back.Equal(when) {
			t.Errorf("%T reads back as %v, %v", form, back, err)
		}
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, words := range [][3]uint64{{}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1<<64 - 1, 1<<64 - 1, 1<<64 - 1}, {0, 0, 1e19}, {2 << 56, 77, 2}} {
		want := new(big.Int)
		for _, w := range words {
			want.Lsh(want, 64).Or(want, new(big.Int).SetUint64(w))
		}
		if got := wire.Decimal(words[0], words[1], words[2], 1); got != want.String() {
			t.Errorf("%x: got %s, want %s", words, got, want)
		}
		if got := wire.Decimal(words[0], words[1], words[2], 58); len(got) != 58 || strings.TrimLeft(got, "0") != strings.TrimLeft(want.String(), "0") {
			t.Errorf("%x: padded to %s", words, got)
		}
	}
}

func TestCodecRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	var in struct{ Limit int }
	for contentType, body := range map[string]string{
		"application/x-amz-json-1.1": `{"Limit":`,
		"application/x-amz-json-1.0": `{"Limit":"many"}`,
		"application/x-amz-cbor-1.1": "\xff",
	} {
		c, ok := wire.CodecFor(contentType)
		if !ok {
			t.Fatalf("%s is not known", contentType)
		}
		if err := c.Decode([]byte(body), &in); err == nil || !strings.HasPrefix(err.Error(), "SerializationException") {
			t.Errorf("%s: %v", contentType, err)
		}
	}
	if _, ok := wire.CodecFor("text/plain"); ok {
		t.Error("text/plain was taken for a protocol")
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("a \"quoted\" \\ line\nwith\ttabs \x00 and <html> \u2028 \xff")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		b := wire.AppendString(nil, s)
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, b, err)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var same string
		if err := json.Unmarshal(want, &same); err != nil || back != same {
			t.Fatalf("%q reads back as %q, want %q (%v)", s, back, same, err)
		}
	})
}
