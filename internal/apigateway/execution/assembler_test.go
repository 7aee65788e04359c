package execution

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

var testGroup = Group{Owner: "123456789012", Name: "API-Gateway-Execution-Logs_a1/prod", API: "a1", Stage: "prod"}

// folded is what the tests look at of an interaction.
type folded struct {
	request string
	lines   []string // texts, in order
	ids     []string
	count   int
	missing []Kind
	id      string
	members string
}

// collector collects interactions.
type collector struct {
	tb     testing.TB
	folded []folded
}

func (c *collector) take(in *Interaction) error {
	f := folded{
		request: string(in.RequestID()), count: in.Folded(), missing: slices.Clone(in.Missing()), id: fmt.Sprintf("%x", in.ID()),
	}
	for i := range in.Len() {
		l := ParseLine(in.Message(i))
		f.lines = append(f.lines, string(l.Text))
		f.ids = append(f.ids, string(in.Source(i).ID))
	}
	members, _, _ := in.AppendMembers([]byte(`{"a":1`), Shown{})
	members = append(members, '}')
	if !jsontext.Value(members).IsValid() {
		c.tb.Errorf("invalid JSON, or a name twice: %s", members)
	}
	f.members = string(members)
	again, _, _ := in.AppendMembers([]byte(`{"a":1`), Shown{})
	if string(again)+"}" != f.members {
		c.tb.Errorf("other members the second time:\n%s}\n%s", again, members)
	}
	c.folded = append(c.folded, f)
	return nil
}

// added is a line to be added: the number of its event, 0 for one without an id, and
// the number of its request.
type added struct {
	id, request int
	text        string
}

func requestID(n int) string { return fmt.Sprintf("%08d-afe6-11e8-b7eb-8d53f824f304", n) }

func (l added) message() []byte {
	if l.request == 0 {
		return []byte(l.text)
	}
	return []byte("(" + requestID(l.request) + ") " + l.text)
}

func (l added) source() *Source {
	s := &Source{Stream: "s", Millis: 1_700_000_000_000 + int64(l.id), HasTime: true, Record: "r", Offset: int64(l.id)}
	if l.id > 0 {
		s.ID = fmt.Appendf(nil, "%056d", l.id)
	}
	return s
}

// assemble adds lines and flushes. It returns the interactions and the lines that were
// not taken.
func assemble(tb testing.TB, maxBytes int64, lines ...added) (*collector, []added) {
	tb.Helper()
	c := &collector{tb: tb}
	a := NewAssembler(maxBytes, lots, c.take)
	var left []added
	for _, l := range lines {
		taken, err := a.Add(testGroup, l.source(), l.message())
		if err != nil {
			tb.Fatal(err)
		}
		if !taken {
			left = append(left, l)
		}
		if a.bytes > maxBytes || a.bytes+a.spare > maxBytes {
			tb.Fatalf("%d bytes held and %d spare, of %d", a.bytes, a.spare, maxBytes)
		}
	}
	if err := a.Flush(); err != nil {
		tb.Fatal(err)
	}
	if a.bytes != 0 || len(a.open) != 0 || a.running.first != nil || a.ended.first != nil {
		tb.Fatalf("%d bytes of %d requests are still held", a.bytes, len(a.open))
	}
	return c, left
}

func (c *collector) show() string {
	var b strings.Builder
	for _, f := range c.folded {
		n := strings.TrimLeft(f.request[:8], "0")
		fmt.Fprintf(&b, "%s: %s", n, strings.Join(f.lines, " | "))
		if f.count != len(f.lines) {
			fmt.Fprintf(&b, " (%d)", f.count)
		}
		b.WriteString("\n")
	}
	return b.String()
}

const lots = 1 << 20

func TestAssemble(t *testing.T) {
	t.Parallel()
	const (
		first  = "Extended Request Id: first="
		second = "Extended Request Id: second="
		start  = "HTTP Method: GET, Resource Path: /"
		done   = "Method completed with status: 200"
		xray   = "X-ray Tracing ID : 1-68baed60-290996dd9de5798121e8fa46"
	)
	for name, c := range map[string]struct {
		lines []added
		want  string
	}{
		"one request":                {[]added{{1, 1, first}, {2, 1, start}, {3, 1, done}}, "1: " + first + " | " + start + " | " + done},
		"interleaved":                {[]added{{1, 1, first}, {2, 2, second}, {3, 1, done}, {4, 2, done}}, "1: " + first + " | " + done + "\n2: " + second + " | " + done},
		"out of order":               {[]added{{3, 1, done}, {1, 1, first}, {2, 1, start}}, "1: " + first + " | " + start + " | " + done},
		"by number and not by text":  {[]added{{10, 1, done}, {9, 1, start}, {1, 1, first}}, "1: " + first + " | " + start + " | " + done},
		"without ids":                {[]added{{0, 1, first}, {0, 1, start}, {0, 1, done}}, "1: " + first + " | " + start + " | " + done},
		"trailing":                   {[]added{{1, 1, first}, {2, 1, done}, {3, 1, xray}, {4, 1, "unknown"}}, "1: " + first + " | " + done + " | " + xray + " | unknown"},
		"same line again":            {[]added{{1, 1, first}, {2, 1, done}, {1, 1, first}, {2, 1, done}, {2, 1, done}}, "1: " + first + " | " + done + " (5)"},
		"same id, other text":        {[]added{{1, 1, first}, {2, 1, done}, {2, 1, xray}}, "1: " + first + " | " + done + " | " + xray},
		"reused id":                  {[]added{{1, 1, first}, {2, 1, done}, {3, 1, xray}, {4, 1, second}, {5, 1, done}}, "1: " + first + " | " + done + " | " + xray + "\n1: " + second + " | " + done},
		"reused id, the later first": {[]added{{4, 1, second}, {5, 1, done}, {1, 1, first}, {2, 1, done}}, "1: " + first + " | " + done + "\n1: " + second + " | " + done},
		"reused id without ids":      {[]added{{0, 1, first}, {0, 1, done}, {0, 1, second}, {0, 1, done}}, "1: " + first + " | " + done + "\n1: " + second + " | " + done},
		"reused id, errors only":     {[]added{{1, 1, "Execution failed"}, {2, 1, done}, {3, 1, "Execution failed"}, {4, 1, done}}, "1: Execution failed | " + done + "\n1: Execution failed | " + done},
		"reused id after a refusal":  {[]added{{1, 1, "Unauthorized request: x"}, {2, 1, "Gateway response type: UNAUTHORIZED with status code: 401"}, {3, 1, start}}, "1: Unauthorized request: x | Gateway response type: UNAUTHORIZED with status code: 401\n1: " + start},
		"end before the rest":        {[]added{{0, 1, done}, {0, 1, first}, {0, 1, start}}, "1: " + done + " | " + first + " | " + start},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, left := assemble(t, lots, c.lines...)
			if got.show() != c.want+"\n" || len(left) > 0 {
				t.Errorf("got\n%swant\n%s\n%v left", got.show(), c.want, left)
			}
			for _, f := range got.folded {
				if f.id != got.folded[0].id && f.request == got.folded[0].request {
					t.Errorf("the ids of one request differ: %s, %s", f.id, got.folded[0].id)
				}
			}
		})
	}
}

func TestLinesWithoutRequestAreLeft(t *testing.T) {
	t.Parallel()
	got, left := assemble(t, lots, added{1, 0, "Method completed with status: 200"}, added{2, 1, "x"}, added{3, 0, ""})
	if len(got.folded) != 1 || len(left) != 2 {
		t.Errorf("%d interactions, left %v", len(got.folded), left)
	}
}

// The interaction's id comes from the request alone.
func TestID(t *testing.T) {
	t.Parallel()
	one, _ := assemble(t, lots, added{1, 1, "Extended Request Id: e="})
	other, _ := assemble(t, lots, added{7, 1, "Method completed with status: 200"})
	// printf '123456789012\0API-Gateway-Execution-Logs_a1/prod\0%s' 00000001-afe6-11e8-b7eb-8d53f824f304 | sha256sum
	const want = "f28e75d1fb7c0804406aeab4a4c875733e67386382be0331121497faa58ef8db"
	if one.folded[0].id != other.folded[0].id {
		t.Errorf("ids %s and %s", one.folded[0].id, other.folded[0].id)
	}
	if one.folded[0].id != want {
		t.Errorf("id %s", one.folded[0].id)
	}
}

// A request that grows without end is handed over in parts.
func TestRequestWithoutEnd(t *testing.T) {
	t.Parallel()
	c := &collector{tb: t}
	const maxRequest = 5000
	a := NewAssembler(lots, maxRequest, c.take)
	for n := range 100 {
		l := added{n + 1, 1, strings.Repeat("x", 1000)}
		if _, err := a.Add(testGroup, l.source(), l.message()); err != nil {
			t.Fatal(err)
		}
		for _, r := range a.open {
			if len(r.text) > maxRequest {
				t.Fatalf("%d bytes are held", len(r.text))
			}
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, f := range c.folded {
		total += f.count
	}
	if total != 100 || len(c.folded) != 20 {
		t.Errorf("%d lines in %d interactions", total, len(c.folded))
	}
}

// What has ended goes first when there is too much, then the oldest; what comes
// later makes a further interaction of the same id.
func TestBound(t *testing.T) {
	t.Parallel()
	const done = "Method completed with status: 200"
	long := strings.Repeat("x", 2000)
	lines := []added{
		{1, 1, "old " + long}, {2, 2, "ends " + long}, {3, 3, "ends too " + long}, {4, 3, done}, {5, 2, done},
		{6, 4, long}, {7, 5, long}, {8, 6, long}, {9, 7, long}, {10, 8, long}, {11, 1, "late"}, {12, 3, "X-ray Tracing ID : x"},
	}
	// Room for five requests of which each has a long line.
	one := NewAssembler(lots, lots, func(*Interaction) error { return nil })
	if _, err := one.Add(testGroup, lines[0].source(), lines[0].message()); err != nil {
		t.Fatal(err)
	}
	got, _ := assemble(t, 5*one.bytes, lines...)
	var order []string
	total := 0
	for _, f := range got.folded {
		order = append(order, strings.TrimLeft(f.request[:8], "0"))
		total += f.count
	}
	if want := "3 2 1 4 5 6 7 8 1 3"; strings.Join(order, " ") != want || total != len(lines) {
		t.Errorf("order is %s, want %s; %d lines", order, want, total)
	}

	// One request that is too large by itself.
	var many []added
	for i := range 100 {
		many = append(many, added{i + 1, 1, long})
	}
	got, _ = assemble(t, 20_000, many...)
	total = 0
	for _, f := range got.folded {
		total += f.count
	}
	if len(got.folded) < 10 || total != len(many) {
		t.Errorf("%d lines in %d interactions", total, len(got.folded))
	}
	got, _ = assemble(t, 0, many...)
	if len(got.folded) != len(many) {
		t.Errorf("%d interactions where nothing may be held", len(got.folded))
	}
}

func TestEmitFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	a := NewAssembler(lots, lots, func(*Interaction) error { return boom })
	line := added{1, 1, "x"}
	if _, err := a.Add(testGroup, line.source(), line.message()); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	a.Reset()
	if err := a.Flush(); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}

// Requests of the same id in other log groups or of other owners are others.
func TestGroups(t *testing.T) {
	t.Parallel()
	c := &collector{tb: t}
	a := NewAssembler(lots, lots, c.take)
	line := added{1, 1, "x"}
	for _, g := range []Group{testGroup, {Owner: "2", Name: testGroup.Name}, {Owner: testGroup.Owner, Name: "other"}, testGroup} {
		if _, err := a.Add(g, line.source(), line.message()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(c.folded) != 3 || c.folded[0].count != 2 || c.folded[0].id == c.folded[1].id || c.folded[1].id == c.folded[2].id {
		t.Errorf("%+v", c.folded)
	}
}

// What is handed over when does not depend on what an assembler was used for before:
// the same lines always give the same interactions.
func TestReusedAssembler(t *testing.T) {
	t.Parallel()
	var short, long []added
	for i := range 400 {
		short = append(short, added{i + 1, i%30 + i/60*30 + 1, "Starting execution for request: " + strings.Repeat("x", i%211)})
		long = append(long, added{i + 1, i%7 + 1, strings.Repeat("y", 900)})
	}
	feed := func(a *Assembler, lines []added) {
		for _, l := range lines {
			if _, err := a.Add(testGroup, l.source(), l.message()); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	const little = 256 << 10
	fresh, reused := collector{tb: t}, collector{tb: t}
	feed(NewAssembler(little, lots, fresh.take), short)
	a := NewAssembler(little, lots, reused.take)
	feed(a, long)
	a.Reset()
	if len(a.free) == 0 || a.bytes != 0 || a.excess != 0 {
		t.Fatalf("%d requests to be used again, %d bytes and %d of excess are held", len(a.free), a.bytes, a.excess)
	}
	reused.folded = nil
	feed(a, short)
	if fmt.Sprint(reused.folded) != fmt.Sprint(fresh.folded) {
		t.Errorf("%d interactions, at first %d", len(reused.folded), len(fresh.folded))
	}
}
