package envelope

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

// transcript is a handler that writes down all that it is handed, to the last member.
type transcript struct {
	entries []string
	faults  []Fault
	texts   int
	fails   int // at which event
	wrong   error
}

var errEnough = errors.New("enough")

func (c *transcript) HandleEvent(ev *Event) error {
	c.entries = append(c.entries, fmt.Sprintf("%q %q %d %v %v %q %q %q %q %v %d %d %d %q",
		*ev.Header, ev.ID, ev.Millis, ev.HasTime, ev.Seconds, short(ev.Message), short(ev.ExtractedFields), ev.Account, ev.Region, ev.OnlySystemFields,
		ev.UserRecord, ev.Offset, ev.EnvelopeShift(), short(ev.AppendEnvelope(nil))))
	if ev.Text != nil {
		c.texts++
		if text, err := jsontext.AppendUnquote(nil, ev.Message); err != nil || !bytes.Equal(text, ev.Text) || bytes.Contains(ev.Message, []byte(`\u`)) {
			c.wrong = fmt.Errorf("%q has the text %q, %w", ev.Message, ev.Text, err)
		}
	}
	if c.fails--; c.fails == 0 {
		return errEnough
	}
	return nil
}

// short stands for what is too long to be written down.
func short(b []byte) []byte {
	if len(b) < 10_000 {
		return b
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

func (c *transcript) HandleFault(f Fault) error {
	f.Data = bytes.Clone(f.Data)
	c.faults = append(c.faults, f)
	c.entries = append(c.entries, fmt.Sprintf("fault at %d", f.Offset))
	return nil
}

// sameFaults allows for one thing only: what is wrong with a record that is broken in two places
// depends on how far it was read ahead.
func sameFaults(a, b Fault) bool {
	reasons := a.Reason == b.Reason || a.Stored && ofSource(a.Reason) != ofSource(b.Reason)
	return reasons && a.UserRecord == b.UserRecord && a.Offset == b.Offset && a.Shift == b.Shift &&
		bytes.Equal(a.Data, b.Data) && a.Stored == b.Stored && a.Events == b.Events
}

func ofSource(r Reason) bool {
	return slices.Contains([]Reason{ReasonCorruptCompression, ReasonInflatedLimit, ReasonRatioLimit, ReasonValueLimit}, r)
}

// decodeBoth requires of a decoder what one says that reads everything with jsontext.
func decodeBoth(t *testing.T, usual, plain *Decoder, stored []byte, fails int) (texts int) {
	t.Helper()
	got, want := &transcript{fails: fails}, &transcript{fails: fails}
	stats, err := usual.Decode(stored, got)
	wantStats, wantErr := plain.Decode(stored, want)
	if got.wrong != nil {
		t.Fatal(got.wrong)
	}
	if !slices.Equal(got.entries, want.entries) || !slices.EqualFunc(got.faults, want.faults, sameFaults) {
		t.Fatalf("%.2000q gives\n%.300q, %.300v, want\n%.300q, %.300v", stored, got.entries, got.faults, want.entries, want.faults)
	}
	if !errors.Is(err, wantErr) || err == nil && wantErr != nil {
		t.Fatalf("error %v, want %v", err, wantErr)
	}
	if len(want.faults) > 0 || wantErr != nil { // then it depends on how far was read ahead
		stats.InflatedBytes, wantStats.InflatedBytes = 0, 0
	}
	if stats != wantStats {
		t.Fatalf("stats %+v, want %+v", stats, wantStats)
	}
	return got.texts
}

// usualSeeds are envelopes, as usual and not quite.
func usualSeeds() []string {
	seeds := []string{
		"", "[", data("g"), data("g", "1", "2", "3"), data("g", "1") + "\n" + data("h", "2") + control + data("g", "3"),
		data("g", "1") + "," + data("g", "2"), data("g", "1") + "]", data("g", "1") + `"x"` + data("g", "2"), data("g", "1")[:170],
		`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{}],"logEvents":[{}],"owner":"a","owner":"b"}`,
		`{"logEvents":` + events("1", "2") + `,"owner":"1","logGroup":"g","logStream":"s","messageType":"DATA_MESSAGE","logEvents":` + events("3") + `}`,
		head("g\xff") + `[{"id":"\xff","message":"` + "\xff" + `"},{"message":"é€` + "\xc3" + `\n"}]}`,
		head("g") + `[{"message":"` + strings.Repeat(`{\"a\":\"b\\\"\"}`, 300) + `"},{"message":"` + strings.Repeat("x", 5000) + `"}]}`,
	}
	for _, elements := range []string{
		``, `{}`, ` { } , { } `, `1`, `{},1`, `{},"x",{}`, `{},`, `,{}`, `{} {}`, `{};{}`, `null`, `{},[{}]`, `{"id":"1",}`, `{"id"}`, `{"id":}`, `{id:1}`, `{1:1}`, `{"id" : "1" , "message" : "m" }`,
		`{"id":1,"timestamp":"5","message":{"a":"\ud800"},"extractedFields":{"@aws.account":"1","b":[1]}}`,
		`{"message":"m","id":"1","timestamp":1725544035.5}`, `{"message":"m","message":{"a":1}}`, `{"message":{"a":1},"message":"m"}`, `{"message":"m","message":null}`,
		`{"message":"\ud83d\ude00"},{"message":"\\u0041"},{"message":"\\\\n"},{"message":"\u0041"}`, `{"message":"\x"}`, `{"message":"` + "\x01" + `"}`,
		`{"id":"1","id":null,"id":"2","timestamp":1,"timestamp":"x","timestamp":1725544035523}`, `{"x":{"y":[1,2,{}]},"id":"1","message":"m"}`, `{"id":"\u0031","message":"a\nb\tc\\\"\/\b\f\r"}`,
		`{"extractedFields":{"@aws.account":"1","@aws.region":"r"},"message":"m"},{"extractedFields":null}`, `{"\u0069d":"1"}`, `{"id":01}`, `{"id":tru}`, `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
		`{"a":` + strings.Repeat("[", 20000),
	} {
		for _, end := range []string{"]}", " ] \n}", `],"x":1}`, `],"logEvents":1}`, `],"logEvents":` + events("8") + `}`, "]", "}", ""} {
			seeds = append(seeds, head("g")+"["+elements+end, head("g")+"[\t"+elements+end+data("z", "9"))
		}
	}
	return seeds
}

// Wherever it is cut, and however little is ahead, a record means the same.
func TestDecodeUsual(t *testing.T) {
	t.Parallel()
	seeds := usualSeeds()
	var long []string
	for _, n := range []int{lookAhead - 60, lookAhead / 2, lookAhead, 3 * lookAhead, 10} {
		long = append(long, strings.Repeat("7", n))
	}
	seeds = append(seeds, data("g", long...)+data("h", "1"), data("g", slices.Repeat([]string{"1234567"}, 1000)...)+data("h", "1")+"]")
	stored := make([][]byte, len(seeds))
	for i, seed := range seeds {
		stored[i] = compress(t, seed[:len(seed)/2], seed[len(seed)/2:])
	}
	texts := 0
	for _, size := range []int{1, 100, 333, lookAhead} {
		usual, plain := newBoth(testLimits, size)
		for i, seed := range seeds {
			texts += decodeBoth(t, usual, plain, []byte(seed), 0)
			texts += decodeBoth(t, usual, plain, stored[i], 2)
			texts += decodeBoth(t, usual, plain, stored[i][:len(stored[i])-3], 0)
		}
		cut := data("g", "1", "2") + data("h", "3", "4")
		for n := range cut {
			texts += decodeBoth(t, usual, plain, []byte(cut[:n]), 0)
			texts += decodeBoth(t, usual, plain, []byte(cut[:n]+"\x00"+cut[n:]), 3)
		}
	}
	if texts == 0 {
		t.Error("no event was read as usual")
	}
}

// What is as long as it may be, and what is longer, is told apart to the byte.
func TestDecodeUsualLong(t *testing.T) {
	t.Parallel()
	limits := Limits{MaxInflatedBytes: 64 << 20, MaxInflateRatio: 10_000}
	least := len(`,{"message":""}`)
	for _, n := range []int{maxEvent - least, maxEvent - least + 1} {
		for _, before := range []string{`{}`, strings.Repeat(`{"message":"m"},`, 5_000) + `{}`} {
			usual, plain := newBoth(limits, lookAhead)
			text := head("g") + `[` + before + `,{"message":"` + strings.Repeat("x", n) + `"},{"message":"m"}]}` + data("z", "9")
			decodeBoth(t, usual, plain, []byte(text), 0)
			c := new(transcript)
			if _, err := NewDecoder(limits).Decode([]byte(text), c); err != nil || len(c.faults) > 0 != (n+least > maxEvent) {
				t.Errorf("%d bytes: %d faults, %v", n+least, len(c.faults), err)
			}
		}
	}
}

func newBoth(limits Limits, ahead int) (usual, plain *Decoder) {
	usual, plain = NewDecoder(limits), NewDecoder(limits)
	usual.src.lookAhead, plain.src.lookAhead = ahead, 0
	return usual, plain
}

// FuzzDecodeUsual holds what is looked for ahead against a decoder that looks for nothing: the
// same events and faults in the same places, byte for byte.
func FuzzDecodeUsual(f *testing.F) {
	for i, seed := range usualSeeds() {
		if len(seed) < 20_000 {
			f.Add([]byte(seed), uint16(i*37), uint16(1<<15), uint8(i%4))
			f.Add(compress(f, seed), uint16(1<<15), uint16(i*37), uint8(0))
			f.Add(aggregatetest.Pack([]byte(data("a", "1")), []byte(seed), compress(f, seed)), uint16(512), uint16(1<<15), uint8(0))
		}
	}
	f.Fuzz(func(t *testing.T, stored []byte, ahead, limit uint16, fails uint8) {
		usual, plain := newBoth(Limits{MaxInflatedBytes: int64(limit) + 1, MaxInflateRatio: 200}, int(ahead))
		decodeBoth(t, usual, plain, stored, int(fails))
		decodeBoth(t, usual, plain, stored, 0)
		text := []byte(data("a", "1", "2") + string(stored))
		decodeBoth(t, usual, plain, text, 0)
		decodeBoth(t, usual, plain, []byte(head("a")+`[{"message":"m"},`+string(stored)+`,{"message":"n"}]}`+data("z", "9")), int(fails))
	})
}
