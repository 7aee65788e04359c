package apigateway

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

// again is the record to format a quarantined part with.
func again(q Quarantined) Record {
	return Record{SequenceNumber: q.SequenceNumber, Arrival: arrival, Data: q.Data, Origin: q.Origin}
}

// bare is an envelope with log events that have no id and so are known by their place.
func bare(messages ...string) string {
	var list []string
	for _, m := range messages {
		list = append(list, fmt.Sprintf(`{"timestamp":1725544035523,"message":"%s"}`, m))
	}
	return `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":[],"logEvents":[` +
		strings.Join(list, ",") + `]}`
}

// What was quarantined and is formatted again, with settings that let it pass, gives what
// was missing: each event once, and as it would have been.
func TestQuarantinedIsFormattedAgain(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	plain := bare("a", long, "b", long, "c") + bare(long) + bare("d")
	small := Options{BatchMaxBytes: 2000}
	tests := map[string]struct {
		data   []byte
		first  Options
		mend   [2]string // text in a part, and what a later version would take it for
		pieces int
	}{
		"events too large":             {data: []byte(plain), first: small, pieces: 3},
		"events too large, with ids":   {data: envelopeOf(t, group, "a", long, "b"), first: small, pieces: 1},
		"inflated too far":             {data: compressed(t, []byte(plain)), first: Options{MaxInflatedBytes: 3500}, pieces: 1},
		"inflated too far at once":     {data: compressed(t, []byte(plain)), first: Options{MaxInflatedBytes: 10}, pieces: 1},
		"unknown kind of envelope":     {data: []byte(bare("a") + strings.Replace(bare("b", "c"), "DATA_", "DATB_", 1) + bare("d")), mend: [2]string{"DATB_", "DATA_"}, pieces: 1},
		"no event":                     {data: []byte(strings.Replace(bare("a", "b", "c"), `{"timestamp":1725544035523,"message":"b"}`, `"timestamp:1725544035523,message:'b'::::"`, 1)), mend: [2]string{`"timestamp:1725544035523,message:'b'::::"`, `{"timestamp":1725544035523,"message":"b"}`}, pieces: 1},
		"user records":                 {data: aggregatetest.Pack([]byte(bare("a")), []byte(plain), compressed(t, []byte(plain))), first: small, pieces: 6},
		"user records inflate too far": {data: aggregatetest.Pack([]byte(bare("a")), compressed(t, []byte(plain)), compressed(t, []byte(bare("a", "b")))), first: Options{MaxInflatedBytes: 3500}, pieces: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mended := record(bytes.ReplaceAll(tt.data, []byte(tt.mend[0]), []byte(tt.mend[1])))
			if tt.mend[0] == "" {
				mended = record(tt.data)
			}
			whole, _ := format(t, Options{}, mended)
			k, _ := format(t, tt.first, record(tt.data))
			if len(k.quarantined) != tt.pieces || len(whole.quarantined) != 0 {
				t.Fatalf("%d and %d quarantined", len(k.quarantined), len(whole.quarantined))
			}
			got := k.events
			for _, q := range k.quarantined {
				requireSameAgain(t, tt.first, q)
				r := again(q)
				if tt.mend[0] != "" {
					r.Data = bytes.ReplaceAll(r.Data, []byte(tt.mend[0]), []byte(tt.mend[1]))
				}
				late, summary := format(t, Options{}, r)
				if summary.Quarantined != 0 || summary.Events == 0 {
					t.Errorf("formatted again: %+v", summary)
				}
				got = append(got, late.events...)
			}
			requireSameEvents(t, got, whole.events)
		})
	}
}

// requireSameAgain formats a part again by the options that have put it into quarantine:
// it is there once more and as it was, and nothing is delivered a second time.
func requireSameAgain(t *testing.T, options Options, q Quarantined) {
	t.Helper()
	k, _ := format(t, options, again(q))
	if len(k.events) > 0 || len(k.quarantined) != 1 {
		t.Fatalf("%+v formatted again gives %d events and %d parts", q, len(k.events), len(k.quarantined))
	}
	if now := k.quarantined[0]; now.Origin != q.Origin || now.Offset != q.Offset || now.UserRecord != q.UserRecord || !bytes.Equal(now.Data, q.Data) {
		t.Fatalf("formatted again it is\n%+v, it was\n%+v", now, q)
	}
}

func requireSameEvents(t *testing.T, got, want []jsontext.Value) {
	t.Helper()
	compare := func(a, b jsontext.Value) int { return bytes.Compare(a, b) }
	got, want = slices.SortedFunc(slices.Values(got), compare), slices.SortedFunc(slices.Values(want), compare)
	if !slices.EqualFunc(got, want, func(a, b jsontext.Value) bool { return bytes.Equal(a, b) }) {
		t.Errorf("events are\n%s\nwant\n%s", got, want)
	}
}

// An aggregate in an aggregate is taken apart when it is formatted again. Its user
// records are not those of the outer one.
func TestNestedAggregateIsFormattedAgain(t *testing.T) {
	t.Parallel()
	inner := aggregatetest.Pack([]byte(bare("1")), []byte(bare("2")), aggregatetest.Pack([]byte(bare("3"))))
	k, _ := format(t, Options{}, record(aggregatetest.Pack([]byte(bare("a")), inner, []byte(bare("c")))))
	events := k.events
	for len(k.quarantined) > 0 {
		if len(k.quarantined) != 1 || k.quarantined[0].UserRecord != 2 {
			t.Fatalf("%+v", k.quarantined)
		}
		k, _ = format(t, Options{}, again(k.quarantined[0]))
		events = append(events, k.events...)
	}
	uids := map[string]bool{}
	for _, event := range events {
		_, uid, _ := strings.Cut(string(event), `"log.record.uid":"`)
		uids[uid[:64]] = true
	}
	if len(events) != 5 || len(uids) != 5 {
		t.Errorf("%d events with %d identities: %s", len(events), len(uids), events)
	}
}

// What is left of a record counts from where it was left, even if limits are lower now.
func TestLowerLimitsLoseNothing(t *testing.T) {
	t.Parallel()
	data := compressed(t, []byte(bare("a", "b")+bare(strings.Repeat("x", 3000), "c")))
	whole, _ := format(t, Options{}, record(data))
	k, _ := format(t, Options{MaxInflatedBytes: 1000}, record(data))
	lower, summary := format(t, Options{MaxInflatedBytes: 20}, again(k.quarantined[0]))
	if len(lower.events) > 0 || summary.Quarantined != 1 || lower.quarantined[0].Origin != k.quarantined[0].Origin {
		t.Fatalf("%+v: %+v", summary, lower.quarantined)
	}
	rest, summary := format(t, Options{}, again(lower.quarantined[0]))
	if summary.Repeated != 2 {
		t.Errorf("%+v", summary)
	}
	requireSameEvents(t, append(k.events, rest.events...), whole.events)
}
