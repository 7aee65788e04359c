package cwlogs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	const access = `{"status":500,"method":"GET","latency":12.5,"ok":true,"user":null,"path":"/orders/17","tags":["a","b"],"ctx":{"stage":"prod"}}`
	for _, tc := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{"anything", access}, nil},
		{"  ", []string{"anything"}, nil},
		{"ERROR", []string{"an ERROR here"}, []string{"an error here"}},
		{"ERROR timeout", []string{"timeout ERROR"}, []string{"ERROR"}},
		{"?ERROR ?WARN", []string{"WARN x", "ERROR y"}, []string{"INFO"}},
		{"ERROR -Exiting", []string{"ERROR"}, []string{"ERROR Exiting"}},
		{`"GET /a?b"`, []string{"x GET /a?b y"}, []string{"GET /a"}},
		{`-"health check"`, []string{"x"}, []string{"a health check"}},
		{`"say \"hi\""`, []string{`say "hi"`}, []string{"say hi"}},
		{`{ $.status = 500 }`, []string{access}, []string{`{"status":"500"}`, `{"status":200}`, "status 500", `{}`}},
		{`{$.status>=500&&$.status<600}`, []string{access}, []string{`{"status":404}`}},
		{`{ $.status != 200 }`, []string{access}, []string{`{"status":200}`, `{}`}},
		{`{ $.method = "GET" || $.method = POST }`, []string{access, `{"method":"POST"}`}, []string{`{"method":"PUT"}`}},
		{`{ ($.status = 1 || $.status = 500) && $.ctx.stage = "pr*" }`, []string{access}, []string{`{"status":500,"ctx":{"stage":"dev"}}`}},
		{`{ $.path = "/orders/*" }`, []string{access}, []string{`{"path":"/users/1"}`}},
		{`{ $.path != "*7" }`, []string{`{"path":"x"}`}, []string{access, `{}`}},
		{`{ $.tags[1] = "b" }`, []string{access}, []string{`{"tags":["b"]}`}},
		{`{ $.user IS NULL }`, []string{access}, []string{`{}`, `{"user":1}`}},
		{`{ $.ok IS TRUE }`, []string{access}, []string{`{"ok":false}`}},
		{`{ $.nope NOT EXISTS }`, []string{access}, []string{`{"nope":null}`}},
		{`{ $.latency > 12 }`, []string{access}, []string{`{"latency":12}`}},
	} {
		p, err := parsePattern(tc.pattern)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
			continue
		}
		for _, m := range tc.yes {
			if !p.matches(m) {
				t.Errorf("%s does not match %s", tc.pattern, m)
			}
		}
		for _, m := range tc.no {
			if p.matches(m) {
				t.Errorf("%s matches %s", tc.pattern, m)
			}
		}
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`[ip, user, ...]`, `%5[0-9]{2}%`, `"open`, `""`, `a.b`, `?a b`, `-`, `?`, `{`, `{}`, `{ $.a }`, `{ $.a = }`, `{ $.a = %x% }`,
		`{ $.* = 1 }`, `{ $.a[*] = 1 }`, `{ $.a < "x" }`, `{ $.a = 1 } x`, `{ $.a = 1 && }`, `{ ($.a = 1 }`, `{ $.a IS MAYBE }`,
		`{ $.a = "x }`, strings.Repeat("x", 1025), `{` + strings.Repeat("(", 40) + `$.a=1` + strings.Repeat(")", 40) + `}`,
	} {
		if _, err := parsePattern(text); err == nil {
			t.Errorf("%s was taken", text)
		} else if !strings.HasPrefix(err.Error(), "InvalidParameterException") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{ ($.a = 1 || $.b.c[2] != "x*") && $.d IS NULL }`, `{"a":1}`)
	f.Add(`?a ?"b c"`, "a")
	f.Fuzz(func(_ *testing.T, text, message string) {
		if p, err := parsePattern(text); err == nil {
			p.matches(message)
		}
	})
}

func TestEventIDs(t *testing.T) {
	t.Parallel()
	previous := ""
	for _, tc := range []struct {
		ts    int64
		batch uint64
		index int
	}{{1_000, 5, 0}, {1_454_600_000_000, 7, 3}, {1_790_000_000_000, 7, 0}, {1_790_000_000_000, 7, 1}, {1_790_000_000_000, 8, 0}, {1_790_000_000_001, 8, 9999}} {
		id := makeID(tc.ts, tc.batch, 0xdeadbeefcafef00d, tc.index)
		n, ok := new(big.Int).SetString(id, 10)
		if len(id) != 56 || !ok {
			t.Fatalf("id %s", id)
		}
		if ts := new(big.Int).Rsh(n, 144).Int64(); ts != tc.ts {
			t.Errorf("%s holds time %d, want %d", id, ts, tc.ts)
		}
		if index := new(big.Int).And(n, big.NewInt(0xffff)).Int64(); int(index) != tc.index {
			t.Errorf("%s holds index %d, want %d", id, index, tc.index)
		}
		if id <= previous {
			t.Errorf("%s does not follow %s", id, previous)
		}
		previous = id
	}
}

func TestAcceptTellsWhatItRejects(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_790_000_000_000)
	at := func(offsets ...time.Duration) []inputEvent {
		var out []inputEvent
		for _, o := range offsets {
			ts := now.Add(o).UnixMilli()
			out = append(out, inputEvent{Timestamp: &ts})
		}
		return out
	}
	const day = 24 * time.Hour
	one := func(n int) *int { return &n }
	for name, tc := range map[string]struct {
		events    []inputEvent
		retention int
		from, to  int
		rejected  *rejectedOut
		fails     bool
		any       bool
	}{
		"all":        {events: at(-time.Hour, 0), to: 2},
		"too old":    {events: at(-15*day, -14*day-time.Second, -time.Hour), from: 2, to: 3, rejected: &rejectedOut{TooOldLogEventEndIndex: one(2)}},
		"too new":    {events: at(0, 2*time.Hour+time.Second), to: 1, rejected: &rejectedOut{TooNewLogEventStartIndex: one(1)}},
		"expired":    {events: at(-4*day, -time.Hour), retention: 3, from: 1, to: 2, rejected: &rejectedOut{ExpiredLogEventEndIndex: one(1)}},
		"span":       {events: at(-25*time.Hour, 0), fails: true},
		"replayed":   {events: at(-1000*day, -1000*day+time.Hour), to: 2, any: true},
		"span stays": {events: at(-1000*day, 0), fails: true, any: true},
	} {
		s := &Service{cfg: Config{AcceptOldEvents: tc.any}}
		from, to, rejected, err := s.accept(tc.events, tc.retention, now)
		if (err != nil) != tc.fails {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !tc.fails && (from != tc.from || to != tc.to || !reflect.DeepEqual(rejected, tc.rejected)) {
			t.Errorf("%s: [%d,%d) %+v, want [%d,%d) %+v", name, from, to, rejected, tc.from, tc.to, tc.rejected)
		}
	}
}

func TestEnvelopesAreCutToFit(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	e := envelope{MessageType: dataMessage, Owner: "123456789012", LogGroup: "g", LogStream: "s", SubscriptionFilters: []string{"f"}}
	for i := range 64 {
		noise := make([]rune, 600)
		for j := range noise {
			noise[j] = rune(0x4e00 + rng.IntN(0x5000))
		}
		e.LogEvents = append(e.LogEvents, event{ID: makeID(int64(i), 1, 2, i), Timestamp: int64(i), Message: string(noise)})
	}
	const limit = 10_000
	records, tooLarge, err := e.pack(limit)
	if err != nil || len(tooLarge) > 0 || len(records) < 2 {
		t.Fatalf("%d records, %d events left out, %v", len(records), len(tooLarge), err)
	}
	next := 0
	for _, r := range records {
		if len(r.data) > limit {
			t.Errorf("a record of %d bytes", len(r.data))
		}
		if head := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}; !bytes.HasPrefix(r.data, head) {
			t.Errorf("header % x, want % x", r.data[:10], head)
		}
		zr, err := gzip.NewReader(bytes.NewReader(r.data))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			LogEvents []struct {
				Timestamp int
				Message   string
			}
		}
		if err := json.Unmarshal(plain, &m); err != nil {
			t.Fatal(err)
		}
		if len(m.LogEvents) != r.events {
			t.Errorf("record says %d events, holds %d", r.events, len(m.LogEvents))
		}
		for _, ev := range m.LogEvents {
			if ev.Timestamp != next || ev.Message != e.LogEvents[next].Message {
				t.Fatalf("event %d comes where %d should", ev.Timestamp, next)
			}
			next++
		}
	}
	if next != len(e.LogEvents) {
		t.Errorf("%d of %d events", next, len(e.LogEvents))
	}
	if _, tooLarge, _ := e.pack(100); len(tooLarge) != len(e.LogEvents) {
		t.Errorf("%d events left out of records of 100 bytes, want all", len(tooLarge))
	}
}
