package envelope

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

// FuzzDecode feeds anything as a record's data and holds the decoder to its
// account: what it counts is what an independent reading of the same data
// finds, and what it sets apart can be decoded again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "{", data("g", "1", "2"), control + data("g", "1"), data("", "1"),
		`{"logEvents":` + events("1") + `,"owner":"o","logGroup":"g","logStream":"s","messageType":"DATA_MESSAGE"}`,
		head("g") + `["x",{"id":1,"timestamp":"5","message":{"a":"\ud800"},"extractedFields":{"@aws.account":"1"}}]}`,
		head("g") + `[{"message":"` + strings.Repeat(`\u00e9`, 3000) + `"}]}{"messageType":"X"}[1]"y"`,
		data("g", "1")[:150], "\x1f\x8b\x08\x00", "\x78\x9c\x03",
		head("g\xff") + `[{"id":"\xff","message":"\xff"}]}`,
		`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{}],"logEvents":[{}],"owner":"a","owner":"b"}`,
	} {
		f.Add([]byte(seed))
		f.Add(compress(f, seed))
		f.Add(compress(f, string(compress(f, seed))))
		f.Add(encode(string(compress(f, seed))))
		f.Add(aggregatetest.Pack([]byte(seed), compress(f, seed)))
		f.Add(aggregatetest.Seal([]byte(seed)))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		c := new(collector)
		d := NewDecoder(Limits{MaxInflatedBytes: 1 << 20, MaxInflateRatio: 200})
		stats, err := d.Decode(stored, c)
		if err != nil {
			t.Fatalf("data caused an error: %v", err)
		}
		checkPacked(t, d, stored, c, stats)
		faulty := 0
		for _, fault := range c.faults {
			faulty += fault.Events
			checkFault(t, fault, stored)
		}
		if stats.Events != len(c.events) || stats.Faults != len(c.faults) || stats.FaultyEvents != faulty {
			t.Fatalf("stats %+v do not match %d events, %d faults with %d events", stats, len(c.events), len(c.faults), faulty)
		}
		if len(c.events)+len(c.faults)+stats.ControlEnvelopes == 0 && stats.Envelopes == 0 {
			t.Fatal("nothing accounts for the record")
		}
		for i, body := range c.bodies {
			again := new(collector)
			if _, err := d.Decode([]byte(body), again); err != nil || !slices.Equal(again.events, c.events[i:i+1]) {
				t.Fatalf("event %q in an envelope of its own gives %q, %+v, %v", c.events[i], again.events, again.faults, err)
			}
		}
		if n, ok := countEvents(stored); ok && n != stats.Events+stats.FaultyEvents+stats.ControlMessages {
			t.Fatalf("%d log events by another reading, stats %+v", n, stats)
		}
	})
}

// checkPacked packs the record into an aggregate, between neighbours: they must not
// suffer, and it must be decoded as it was alone. Only how far a broken record was
// read ahead, and so which of two faults in it is met first, depends on the size that
// the decoder's buffer has by then.
func checkPacked(t *testing.T, d *Decoder, stored []byte, alone *collector, stats Stats) {
	t.Helper()
	packed := new(collector)
	packedStats, err := d.Decode(aggregatetest.Pack([]byte(data("a", "1")), stored, []byte(data("z", "9"))), packed)
	if err != nil {
		t.Fatal(err)
	}
	events, faults := alone.events, alone.faults
	if _, err := aggregate.Open(stored); err == nil {
		events, faults = nil, []Fault{{Reason: ReasonAggregateNested, Data: stored, Stored: true}}
	} else if want := stats.InflatedBytes + int64(2*len(data("a", "1"))); packedStats.InflatedBytes != want && len(faults) == 0 {
		t.Fatalf("%d inflated bytes in an aggregate, want %d", packedStats.InflatedBytes, want)
	}
	if want := slices.Concat(lines("a", "1"), events, lines("z", "9")); !slices.Equal(packed.events, want) {
		t.Fatalf("in an aggregate %q, want %q", packed.events, want)
	}
	if !slices.EqualFunc(packed.faults, faults, func(p, a Fault) bool {
		return p.UserRecord == 2 && (p.Reason == a.Reason || a.Stored) && p.Offset == a.Offset && p.Stored == a.Stored && p.Events == a.Events && bytes.Equal(p.Data, a.Data)
	}) {
		t.Fatalf("in an aggregate %+v, want %+v", packed.faults, faults)
	}
}

func checkFault(t *testing.T, fault Fault, stored []byte) {
	t.Helper()
	if fault.Reason.Code == "" || fault.Reason.Text == "" || fault.Offset < 0 {
		t.Fatalf("incomplete fault %+v", fault)
	}
	if fault.Stored && fault.UserRecord > 0 {
		if !bytes.Contains(stored, fault.Data) {
			t.Fatal("the user record as stored is no part of what was given")
		}
		return
	}
	if fault.Stored {
		if !bytes.Equal(fault.Data, stored) {
			t.Fatal("the record as stored is not what was given")
		}
		return
	}
	if !jsontext.Value(fault.Data).IsValid(decodeOptions) {
		t.Fatalf("part is no JSON value: %q", fault.Data)
	}
	if fault.Reason == ReasonNotAnEnvelope {
		return // alone it is not even taken for JSON
	}
	again := new(collector)
	if _, err := NewDecoder(testLimits).Decode(fault.Data, again); err != nil ||
		len(again.events) != 0 || len(again.faults) != 1 || again.faults[0].Reason != fault.Reason {
		t.Fatalf("part %q decoded again gives %q, %+v, want %v", fault.Data, again.events, again.faults, fault.Reason)
	}
}

// countEvents counts the log events of plain data, as far as that needs no
// judgement: every value well-formed and no name twice.
func countEvents(text []byte) (n int, ok bool) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return 0, false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		value, err := dec.ReadValue()
		if errors.Is(err, io.EOF) {
			return n, true
		}
		if err != nil {
			return 0, false
		}
		var members map[string]jsontext.Value
		if value.Kind() != jsontext.KindBeginObject {
			continue
		}
		if err := json.Unmarshal(value, &members); err != nil {
			return 0, false
		}
		var list []jsontext.Value
		if members["logEvents"].Kind() == jsontext.KindBeginArray && json.Unmarshal(members["logEvents"], &list) == nil {
			n += len(list)
		}
	}
}
