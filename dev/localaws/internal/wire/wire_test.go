package wire_test

import (
	"bytes"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

func TestTimeInJSON(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in  string
		ms  int64
		out string
	}{
		{"1459799926.480", 1459799926480, "1459799926.48"},
		{"1459799926", 1459799926000, "1459799926"},
		{"1.459799926048E9", 1459799926048, "1459799926.048"},
		{`"2016-04-04T19:58:46.480-00:00"`, 1459799926480, "1459799926.48"},
		{"0", 0, "0"},
		{"-1.5", -1500, "-1.5"},
		{"253402300799.999", 253402300799999, "253402300799.999"},
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
	for _, in := range []string{`"yesterday"`, `true`, `1e300`, `1e999`, `{}`, `[]`, ``} {
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

// members are of every kind that requests and responses here have.
type members struct {
	Text  string
	Blob  []byte
	Count *int64
	When  *wire.Time
	List  []members
}

func TestCodecReadsWhatClientsSend(t *testing.T) {
	t.Parallel()
	c, _ := wire.CodecFor("application/x-amz-json-1.1")
	seven := int64(7)
	for body, want := range map[string]members{
		``:                              {},
		` `:                             {},
		`{"Text":null,"Blob":null}`:     {},
		`{"Other":{"a":[1]},"Count":7}`: {Count: &seven},
		`{"text":"x","COUNT":1}`:        {},
		`{"Text":"a","Text":"b"}`:       {Text: "b"},
		` { "Text" : "\"\u00e9\ud83d\ude00\/\n" } `:  {Text: "\"é😀/\n"},
		`{"Text":"\ud83d"}`:                          {Text: "\ufffd"},
		"{\"Text\":\"\xff\"}":                        {Text: "\ufffd"},
		`{"List":[{"Blob":""},{"Blob":"YmxvYg=="}]}`: {List: []members{{Blob: []byte{}}, {Blob: []byte("blob")}}},
	} {
		var got members
		if err := c.Decode([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s reads as %+v, %v; want %+v", body, got, err, want)
		}
	}
}

func TestCodecWritesWhatClientsRead(t *testing.T) {
	t.Parallel()
	c, _ := wire.CodecFor("application/x-amz-json-1.1")
	b := bytes.NewBufferString("before ")
	if err := c.Encode(b, &struct {
		Text    string
		Blob    []byte
		When    wire.Time
		List    []string
		Omitted string `json:",omitempty"`
	}{Text: "<a & \"b\">\n\u2028\xff", Blob: []byte("blob"), When: wire.TimeOf(time.UnixMilli(1459799926048))}); err != nil {
		t.Fatal(err)
	}
	const want = `before {"Text":"<a & \"b\">\n` + "\u2028\ufffd" + `","Blob":"YmxvYg==","When":1459799926.048,"List":[]}`
	if b.String() != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

func TestCodecRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ contentType, body, names string }{
		{"application/x-amz-json-1.1", `{"Count":`, "unexpected EOF"},
		{"application/x-amz-json-1.0", `{"Count":"many"}`, "/Count"},
		{"application/x-amz-json-1.1", `{"Count":1.5}`, "/Count"},
		{"application/x-amz-json-1.1", `{"Count":01}`, "offset 10"},
		{"application/x-amz-json-1.1", `{"Blob":"YQ"}`, "/Blob"},
		{"application/x-amz-json-1.1", `{"Blob":"Y\nQ="}`, "/Blob"},
		{"application/x-amz-json-1.1", `{"When":"soon"}`, "soon"},
		{"application/x-amz-json-1.1", "{\"Text\":\"a\nb\"}", "/Text"},
		{"application/x-amz-json-1.1", `{} {}`, "after top-level value"},
		{"application/x-amz-cbor-1.1", "\xff", ""},
	} {
		c, ok := wire.CodecFor(tc.contentType)
		if !ok {
			t.Fatalf("%s is not known", tc.contentType)
		}
		err := c.Decode([]byte(tc.body), new(members))
		if err == nil || !strings.HasPrefix(err.Error(), "SerializationException") || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("%s: %v, want a SerializationException that names %s", tc.body, err, tc.names)
		}
	}
	if _, ok := wire.CodecFor("text/plain"); ok {
		t.Error("text/plain was taken for a protocol")
	}
}

// Whatever body a codec takes, it writes and reads again as the same.
func FuzzCodec(f *testing.F) {
	f.Add(false, []byte(`{"Text":"\ud83d\ude00 \ud83d <html>","Blob":"YmxvYg==","Count":-1,"When":1459799926.480,"List":[{}]}`))
	f.Add(false, []byte(`{"When":"2016-04-04T19:58:46.480Z","Text":"a","Text":"b","Other":[{}]}`))
	f.Add(true, []byte("\xa2\x64Text\x61a\x64When\xc1\x1b\x00\x00\x01\x53\xe2\xb5\xd4\x90"))
	f.Fuzz(func(t *testing.T, binary bool, body []byte) {
		contentType := "application/x-amz-json-1.1"
		if binary {
			contentType = "application/x-amz-cbor-1.1"
		}
		c, _ := wire.CodecFor(contentType)
		var in, back members
		if err := c.Decode(body, &in); err != nil {
			if !strings.HasPrefix(err.Error(), "SerializationException") {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		var first, second bytes.Buffer
		if err := c.Encode(&first, in); err != nil {
			t.Fatalf("%q was read as %+v, which does not encode: %v", body, in, err)
		}
		if err := c.Decode(first.Bytes(), &back); err != nil {
			t.Fatalf("%q became %q, which does not decode: %v", body, first.Bytes(), err)
		}
		if err := c.Encode(&second, back); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("%q became %q, then %q (%v)", body, first.Bytes(), second.Bytes(), err)
		}
	})
}
