package envelope

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// collector is a handler that writes down what it is handed.
type collector struct {
	events  []string
	bodies  []string // envelope of each event
	faults  []Fault
	failure error
}

func (c *collector) HandleEvent(ev *Event) error {
	line := fmt.Sprintf("%s %s %s %s", ev.Header.LogGroup, ev.Header.LogStream, ev.ID, []byte(ev.Message))
	if ev.HasTime {
		line += fmt.Sprint(" ", ev.Millis)
	}
	if ev.Seconds {
		line += " s"
	}
	if len(ev.Account)+len(ev.Region) > 0 {
		line += fmt.Sprintf(" @%s/%s", ev.Account, ev.Region)
	}
	c.events = append(c.events, line)
	c.bodies = append(c.bodies, string(ev.AppendEnvelope(nil)))
	return c.failure
}

func (c *collector) HandleFault(f Fault) error {
	f.Data = bytes.Clone(f.Data)
	c.faults = append(c.faults, f)
	return nil
}

var testLimits = Limits{MaxInflatedBytes: 8 << 20, MaxInflateRatio: 200}

func decode(t *testing.T, data []byte) (*collector, Stats) {
	t.Helper()
	c := new(collector)
	stats, err := NewDecoder(testLimits).Decode(data, c)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Events != len(c.events) || stats.Faults != len(c.faults) {
		t.Errorf("stats %+v do not match %d events and %d faults", stats, len(c.events), len(c.faults))
	}
	return c, stats
}

func compress(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func compressZlib(t testing.TB, text string, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encode(text string) []byte { return base64.StdEncoding.AppendEncode(nil, []byte(text)) }

// data is an envelope of a log group with events of the given ids.
func data(group string, ids ...string) string {
	return head(group) + events(ids...) + `}`
}

func head(group string) string {
	return `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"` + group +
		`","logStream":"s","subscriptionFilters":["f"],"logEvents":`
}

func events(ids ...string) string {
	var list []string
	for _, id := range ids {
		list = append(list, `{"id":"`+id+`","timestamp":1725544035523,"message":"m`+id+`"}`)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// lines are the events of data as the collector writes them down.
func lines(group string, ids ...string) []string {
	var list []string
	for _, id := range ids {
		list = append(list, group+" s "+id+` "m`+id+`" 1725544035523`)
	}
	return list
}

const control = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"",` +
	`"subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1741312971934,` +
	`"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`

func TestDecodeEncodings(t *testing.T) {
	t.Parallel()
	text := data("g", "1", "2")
	want := lines("g", "1", "2")
	tests := map[string]struct {
		data []byte
		want []string
	}{
		"plain":                             {[]byte(text), want},
		"plain after blanks":                {[]byte(" \r\n\t" + text), want},
		"gzip":                              {compress(t, text), want},
		"gzip, two members":                 {compress(t, text, data("h", "3")), append(slices.Clone(want), lines("h", "3")...)},
		"gzip, cut inside a value":          {compress(t, text[:40], text[40:]), want},
		"zlib":                              {compressZlib(t, text, zlib.DefaultCompression), want},
		"zlib, no compression":              {compressZlib(t, text, zlib.NoCompression), want},
		"zlib, best compression":            {compressZlib(t, text, zlib.BestCompression), want},
		"zlib, best speed":                  {compressZlib(t, text, zlib.BestSpeed), want},
		"gzip twice":                        {compress(t, string(compress(t, text))), want},
		"gzip twice, two members":           {compress(t, string(compress(t, text)), string(compress(t, data("h", "3")))), append(slices.Clone(want), lines("h", "3")...)},
		"zlib in gzip":                      {compress(t, string(compressZlib(t, text, zlib.BestSpeed))), want},
		"gzip in zlib":                      {compressZlib(t, string(compress(t, text)), zlib.BestSpeed), want},
		"base64 of gzip":                    {encode(string(compress(t, text))), want},
		"base64 of gzip, broken into lines": {bytes.Join(slices.Collect(slices.Chunk(encode(string(compress(t, text))), 76)), []byte("\r\n")), want},
		"base64 of plain":                   {encode(text), want},
		"gzip of base64 of gzip":            {compress(t, string(encode(string(compress(t, text))))), want},
		"base64 of gzip, twice":             {encode(string(compress(t, string(encode(string(compress(t, text))))))), want},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, stats := decode(t, tt.data)
			if !slices.Equal(c.events, tt.want) || len(c.faults) > 0 {
				t.Errorf("events %q, faults %+v, want %q", c.events, c.faults, tt.want)
			}
			if stats.InflatedBytes < int64(len(text)) {
				t.Errorf("inflated %d bytes of at least %d", stats.InflatedBytes, len(text))
			}
		})
	}
}

func TestDecodeStream(t *testing.T) {
	t.Parallel()
	for name, separator := range map[string]string{
		"no separator": "", "newline": "\n", "carriage return": "\r\n", "blanks": "  \t ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, stats := decode(t, []byte(strings.Join([]string{data("a", "1"), control, data("b", "2"), data("c"), data("d", "3")}, separator)))
			if want := slices.Concat(lines("a", "1"), lines("b", "2"), lines("d", "3")); !slices.Equal(c.events, want) {
				t.Errorf("events %q, want %q", c.events, want)
			}
			if stats.ControlMessages != 1 || stats.ControlEnvelopes != 1 || stats.Envelopes != 5 || stats.Faults != 0 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

func TestDecodeEnvelopeForms(t *testing.T) {
	t.Parallel()
	const rest = `"owner":"123456789012","logGroup":"g","logStream":"s"`
	event := func(members string) string { return head("g") + `[{` + members + `}]}` }
	tests := map[string]struct {
		text string
		want []string
	}{
		"unknown members": {`{"entity":{"a":[1]},"messageType":"DATA_MESSAGE",` + rest +
			`,"policyLevel":"ACCOUNT_LEVEL_POLICY","x":null,"logEvents":` + events("1") + `,"y":{}}`, lines("g", "1")},
		"events before the header": {`{"logEvents":` + events("1", "2") + `,` + rest + `,"messageType":"DATA_MESSAGE"}`, lines("g", "1", "2")},
		"owner after the events":   {`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":` + events("1") + `,"owner":"1"}`, lines("g", "1")},
		"no owner":                 {`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":` + events("1") + `}`, lines("g", "1")},
		"logEvents null":           {head("g") + `null}`, nil},
		"logEvents empty":          {head("g") + `[]}`, nil},
		"logEvents missing":        {`{"messageType":"DATA_MESSAGE",` + rest + `}`, nil},
		"control with a group":     {strings.Replace(control, `"logGroup":""`, `"logGroup":"g"`, 1), nil},
		"timestamp as a string":    {event(`"id":"1","timestamp":"1725544035523","message":"m"`), []string{`g s 1 "m" 1725544035523`}},
		"timestamp in seconds":     {event(`"id":"1","timestamp":1725544035,"message":"m"`), []string{`g s 1 "m" 1725544035000 s`}},
		"timestamp with fraction":  {event(`"id":"1","timestamp":1725544035.25,"message":"m"`), []string{`g s 1 "m" 1725544035250 s`}},
		"timestamp as a float":     {event(`"id":"1","timestamp":1.725544035523e12,"message":"m"`), []string{`g s 1 "m" 1725544035523`}},
		"timestamp is no time":     {event(`"id":"1","timestamp":"today","message":"m"`), []string{`g s 1 "m"`}},
		"timestamp too large":      {event(`"id":"1","timestamp":99999999999999999,"message":"m"`), []string{`g s 1 "m"`}},
		"timestamp negative":       {event(`"id":"1","timestamp":-5,"message":"m"`), []string{`g s 1 "m"`}},
		"message is an object":     {event(`"id":"1","timestamp":1725544035523,"message":{"a":[1, 2]}`), []string{`g s 1 {"a":[1, 2]} 1725544035523`}},
		"message is an array":      {event(`"id":"1","message":[{"a":1}]`), []string{`g s 1 [{"a":1}]`}},
		"message is null":          {event(`"id":"1","message":null`), []string{`g s 1 `}},
		"event without members":    {event(``), []string{`g s  `}},
		"id as a number":           {event(`"id":12,"message":"m"`), []string{`g s 12 "m"`}},
		"extracted fields differ": {head("g") + `[{"id":"1","message":"m","extractedFields":{"@aws.account":"111","@aws.region":"us-east-1"}},` +
			`{"id":"2","extractedFields":{"@aws.region":"us-west-2"},"message":"n"},{"id":"3","message":"o","extractedFields":null}]}`,
			[]string{`g s 1 "m" @111/us-east-1`, `g s 2 "n" @/us-west-2`, `g s 3 "o"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := decode(t, []byte(tt.text))
			if !slices.Equal(c.events, tt.want) || len(c.faults) > 0 {
				t.Errorf("events %q, faults %+v, want %q", c.events, c.faults, tt.want)
			}
			// An event in an envelope of its own is the same event.
			for i, body := range c.bodies {
				if again, _ := decode(t, []byte(body)); !slices.Equal(again.events, c.events[i:i+1]) {
					t.Errorf("envelope of its own gives %q, want %q", again.events, c.events[i])
				}
			}
		})
	}
}

func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	before, after := data("a", "1"), data("z", "9")
	n := int64(len(before))
	gz := compress(t, before, after)
	badChecksum := bytes.Clone(gz)
	badChecksum[len(badChecksum)-6] ^= 0xff
	tests := map[string]struct {
		data    []byte
		reason  Reason
		offset  int64
		piece   string // "" for the record as stored
		counted int
		events  []string
	}{
		"empty":                {nil, ReasonEmptyRecord, 0, "", 0, nil},
		"blank":                {[]byte(" \n"), ReasonEmptyRecord, 0, "", 0, nil},
		"gzip of nothing":      {compress(t, ""), ReasonEmptyRecord, 0, "", 0, nil},
		"text":                 {[]byte("GET / 200"), ReasonUnknownEncoding, 0, "", 0, nil},
		"binary":               {[]byte{0, 1, 2, 3}, ReasonUnknownEncoding, 0, "", 0, nil},
		"aggregate":            {[]byte("\xf3\x89\x9a\xc2\x0a\x01"), ReasonAggregateChecksum, 0, "", 0, nil},
		"gzip header":          {[]byte{0x1f, 0x8b, 0x08}, ReasonCorruptCompression, 0, "", 0, nil},
		"gzip cut off":         {gz[:len(compress(t, before))+12], ReasonCorruptCompression, n, "", 0, lines("a", "1")},
		"gzip checksum":        {badChecksum, ReasonCorruptCompression, n + int64(len(after)), "", 0, append(lines("a", "1"), lines("z", "9")...)},
		"after gzip":           {append(compress(t, before), "junk"...), ReasonCorruptCompression, n, "", 0, lines("a", "1")},
		"gzip thrice":          {compress(t, string(compress(t, string(gz)))), ReasonInvalidJSON, 0, "", 0, nil},
		"base64 twice":         {encode(string(encode(string(gz)))), ReasonUnknownEncoding, 0, "", 0, nil},
		"base64 cut off":       {encode(string(gz))[:len(encode(string(compress(t, before))))+12], ReasonCorruptCompression, n, "", 0, lines("a", "1")},
		"base64 damaged":       {[]byte("H4sI!"), ReasonCorruptCompression, 0, "", 0, nil},
		"gzip of gzip cut off": {compress(t, string(gz[:len(compress(t, before))+12])), ReasonCorruptCompression, n, "", 0, lines("a", "1")},
		"gzip of text":         {compress(t, "GET / 200"), ReasonInvalidJSON, 0, "", 0, nil},
		"syntax":               {[]byte(before + `{"a":}` + after), ReasonInvalidJSON, n, "", 0, lines("a", "1")},
		"junk between":         {[]byte(before + `???` + after), ReasonInvalidJSON, n, "", 0, lines("a", "1")},
		"comma between":        {[]byte(before + `,` + after), ReasonInvalidJSON, n, "", 0, lines("a", "1")},
		"truncated":            {[]byte(before + after[:len(after)-10]), ReasonTruncatedJSON, n + int64(strings.Index(after, `{"id"`)), "", 0, lines("a", "1")},
		"bad event":            {[]byte(before + head("z") + `[{"id":"8","message":"m8"},{"id":tru},{"id":"9"}]}`), ReasonInvalidJSON, n + int64(len(head("z"))) + 27, "", 0, append(lines("a", "1"), `z s 8 "m8"`)},
		"no object":            {[]byte(before + ` "x" ` + after), ReasonNotAnEnvelope, n + 1, `"x"`, 0, append(lines("a", "1"), lines("z", "9")...)},
		"array":                {[]byte(before + `[1,{}]` + after), ReasonNotAnEnvelope, n, `[1,{}]`, 0, append(lines("a", "1"), lines("z", "9")...)},
		"no type":              {[]byte(before + `{"PRICE":57.53}` + after), ReasonMissingMessageType, n, `{"PRICE":57.53}`, 0, append(lines("a", "1"), lines("z", "9")...)},
		"type is null":         {[]byte(`{"messageType":null,"logEvents":` + events("1", "2") + `}`), ReasonMissingMessageType, 0, `{"messageType":null,"logEvents":` + events("1", "2") + `}`, 2, nil},
		"other type":           {[]byte(before + `{"messageType":"X","logEvents":[1,2,3]}` + after), ReasonUnknownMessageType, n, `{"messageType":"X","logEvents":[1,2,3]}`, 3, append(lines("a", "1"), lines("z", "9")...)},
		"no log group":         {[]byte(data("", "1", "2") + after), ReasonMissingLogGroup, 0, data("", "1", "2"), 2, lines("z", "9")},
		"no log stream":        {[]byte(strings.Replace(before, `"logStream":"s"`, `"logStream":""`, 1) + after), ReasonMissingLogStream, 0, strings.Replace(before, `"logStream":"s"`, `"logStream":""`, 1), 1, lines("z", "9")},
		"logEvents":            {[]byte(before + head("b") + `"x"}` + after), ReasonInvalidLogEvents, n, head("b") + `"x"}`, 0, append(lines("a", "1"), lines("z", "9")...)},
		"event":                {[]byte(head("s") + `["x"]}` + after), ReasonInvalidEvent, int64(len(head("s"))) + 1, `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"s","logStream":"s","subscriptionFilters":[],"logEvents":["x"]}`, 1, lines("z", "9")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, stats := decode(t, tt.data)
			if !slices.Equal(c.events, tt.events) {
				t.Errorf("events %q, want %q", c.events, tt.events)
			}
			if len(c.faults) != 1 {
				t.Fatalf("faults %+v, want one", c.faults)
			}
			f := c.faults[0]
			want := tt.piece
			if want == "" {
				want = string(tt.data)
			}
			if f.Reason != tt.reason || string(f.Data) != want || f.Stored != (tt.piece == "") || f.Events != tt.counted {
				t.Errorf("fault %+v with data %q, want %v with %q and %d events", f, f.Data, tt.reason, want, tt.counted)
			}
			if f.Offset != tt.offset {
				t.Errorf("offset %d, want %d", f.Offset, tt.offset)
			}
			if stats.FaultyEvents != tt.counted {
				t.Errorf("%d faulty events, want %d", stats.FaultyEvents, tt.counted)
			}
		})
	}
}

// A header must not leak into the next envelope of a reused decoder.
func TestDecodeReuse(t *testing.T) {
	t.Parallel()
	d := NewDecoder(testLimits)
	first, second := new(collector), new(collector)
	if _, err := d.Decode(compress(t, data("a", "1")), first); err != nil {
		t.Fatal(err)
	}
	text := `{"messageType":"DATA_MESSAGE","logEvents":` + events("2") + `}`
	if _, err := d.Decode([]byte(text), second); err != nil {
		t.Fatal(err)
	}
	if len(second.events) != 0 || len(second.faults) != 1 || second.faults[0].Reason != ReasonMissingLogGroup {
		t.Errorf("events %q, faults %+v", second.events, second.faults)
	}
	third := new(collector)
	if _, err := d.Decode([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"a","logStream":"s","logEvents":`+events("3")+`}`), third); err != nil {
		t.Fatal(err)
	}
	if len(third.bodies) != 1 || !strings.Contains(third.bodies[0], `"owner":""`) {
		t.Errorf("owner of an earlier envelope: %q", third.bodies)
	}
}

func TestDecodeHandlerError(t *testing.T) {
	t.Parallel()
	c := &collector{failure: errors.New("full")}
	stats, err := NewDecoder(testLimits).Decode([]byte(data("g", "1", "2")), c)
	if !errors.Is(err, c.failure) || len(c.events) != 1 || len(c.faults) != 0 {
		t.Errorf("error %v after %d events and %d faults, stats %+v", err, len(c.events), len(c.faults), stats)
	}
}

// An event that was put together elsewhere has its time in the unit it was given in, else it
// would be another one when it is decoded.
func TestAppendEnvelopeTime(t *testing.T) {
	t.Parallel()
	for _, ev := range []Event{
		{Millis: 1725544035523, HasTime: true},
		{Millis: 1725544035000, HasTime: true, Seconds: true},
		{Millis: 1725544035250, HasTime: true, Seconds: true},
		{Millis: 17570000, HasTime: true, Seconds: true},
		{Millis: 1, HasTime: true, Seconds: true},
		{},
	} {
		ev.Header, ev.ID, ev.Message = &Header{Owner: "1", LogGroup: "g", LogStream: "s"}, []byte("1"), []byte(`"m"`)
		want := new(collector)
		if err := want.HandleEvent(&ev); err != nil {
			t.Fatal(err)
		}
		if got, _ := decode(t, []byte(want.bodies[0])); !slices.Equal(got.events, want.events) {
			t.Errorf("%s gives %q, want %q", want.bodies, got.events, want.events)
		}
	}
}
