package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// TestFailedItems: what an answer of success says of single events.
func TestFailedItems(t *testing.T) {
	t.Parallel()
	type failed = delivery.FailedItem
	byDefault := &delivery.FailedItems{List: "/result/failed", Index: "/index", Status: "/status"}
	const refused, partly = delivery.Refused, delivery.PartlyAccepted
	for name, c := range map[string]struct {
		status int
		items  *delivery.FailedItems
		answer string
		want   delivery.Verdict
		failed []failed
		says   string
	}{
		"none asked for":      {status: 200, answer: `{"result":{"failed":[0]}}`, want: delivery.Accepted},
		"207, none asked for": {status: 207, answer: `{"result":{"failed":[0]}}`, want: refused, says: "set destination_failed_items"},
		"no answer":           {status: 204, items: byDefault, want: delivery.Accepted},
		"no JSON":             {status: 200, items: byDefault, answer: "OK", want: delivery.Accepted},
		"no list":             {status: 200, items: byDefault, answer: `{"accepted":3}`, want: delivery.Accepted},
		"null":                {status: 200, items: byDefault, answer: `{"result":{"failed":null}}`, want: delivery.Accepted},
		"empty":               {status: 207, items: byDefault, answer: `{"result":{"failed":[]}}`, want: delivery.Accepted},
		"207 without":         {status: 207, items: byDefault, answer: `{"accepted":3}`, want: refused, says: "lists no events where destination_failed_items says"},
		"207 and no JSON":     {status: 207, items: byDefault, answer: `OK`, want: refused, says: "lists no events"},
		"indices":             {status: 200, items: byDefault, answer: `{"result":{"failed":[2,0]}}`, want: partly, failed: []failed{{Index: 0}, {Index: 2}}},
		"objects": {status: 207, items: byDefault, answer: `{"x":[{}],"result":{"failed":[{"index":1,"status":429},{"index":0,"status":422,"why":"parakeet"}]}}`,
			want: partly, failed: []failed{{Index: 0, Status: 422}, {Index: 1, Status: 429, Retry: true}}},
		"text": {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":"2","status":"503"}]}}`,
			want: partly, failed: []failed{{Index: 2, Status: 503, Retry: true}}},
		"odd status": {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":2,"status":"parakeet"}]}}`,
			want: partly, failed: []failed{{Index: 2}}},
		"token, for one": {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":2,"status":401}]}}`,
			want: partly, failed: []failed{{Index: 2, Status: 401}}},
		"passed ones are listed, too": {status: 207, items: byDefault, answer: `{"result":{"failed":[{"index":0,"status":201},{"index":1,"status":400}]}}`,
			want: partly, failed: []failed{{Index: 1, Status: 400}}},
		"by their order": {status: 207, items: byDefault, answer: `{"result":{"failed":[{"status":201},{"status":500},{"status":409}]}}`,
			want: partly, failed: []failed{{Index: 1, Status: 500, Retry: true}, {Index: 2, Status: 409}}},
		"all passed":       {status: 207, items: byDefault, answer: `{"result":{"failed":[{"status":201},{"status":200},{"status":202}]}}`, want: delivery.Accepted},
		"too few in order": {status: 207, items: byDefault, answer: `{"result":{"failed":[{"status":500}]}}`, want: refused, says: "without an index"},
		"listed twice": {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":1,"status":500},{"index":1,"status":400}]}}`,
			want: partly, failed: []failed{{Index: 1, Status: 400}}},
		"none could be taken": {status: 207, items: byDefault, answer: `{"result":{"failed":[{"index":0,"status":500},{"index":1,"status":429},{"index":2,"status":503}]}}`,
			want: partly, failed: []failed{{Index: 0, Status: 500, Retry: true}, {Index: 1, Status: 429, Retry: true}, {Index: 2, Status: 503, Retry: true}}},
		"each was refused": {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":0,"status":400},1,2]}}`,
			want: partly, failed: []failed{{Index: 0, Status: 400}, {Index: 1}, {Index: 2}}},
		"not in the batch": {status: 200, items: byDefault, answer: `{"result":{"failed":[3]}}`, want: refused, says: "not in the batch"},
		"below zero":       {status: 200, items: byDefault, answer: `{"result":{"failed":[-1]}}`, want: refused, says: "not in the batch"},
		"a half":           {status: 200, items: byDefault, answer: `{"result":{"failed":[1.5]}}`, want: refused, says: "no list of indices"},
		"words":            {status: 200, items: byDefault, answer: `{"result":{"failed":["parakeet"]}}`, want: refused, says: "no list of indices"},
		"index of words":   {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":"parakeet"}]}}`, want: refused, says: "an index is no number"},
		"an object":        {status: 200, items: byDefault, answer: `{"result":{"failed":{"0":"parakeet"}}}`, want: refused, says: "is no list"},
		"too many":         {status: 200, items: byDefault, answer: `{"result":{"failed":[0,0,0,0,0,0,0,0]}}`, want: refused, says: "more than the 3 events"},
		"cut off":          {status: 200, items: byDefault, answer: `{"result":{"failed":[{"index":0}`, want: refused, says: "the answer is no JSON"},
		"too long":         {status: 200, items: byDefault, answer: `{"result":{"failed":[1]},"x":"` + strings.Repeat("x", 1<<20) + `"}`, want: refused, says: "longer than 1048576 bytes"},
		"an answer that is the list": {status: 207, items: &delivery.FailedItems{Index: "/at/0", Status: "/error/code"}, answer: `[{"at":[1],"error":{"code":502}}]`,
			want: partly, failed: []failed{{Index: 1, Status: 502, Retry: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := deliver(t, delivery.Options{URL: answering(t, response(c.status, "Retry-After: 7\r\n", c.answer)), FailedItems: c.items})
			require.Equal(t, c.want, a.Verdict, a.Reason)
			require.Equal(t, c.status, a.Status)
			require.Equal(t, c.failed, a.Failed)
			require.Contains(t, a.Reason, c.says)
			if c.want == partly {
				require.Equal(t, 7*time.Second, a.RetryAfter)
			}
		})
	}
}

func FuzzFailedItems(f *testing.F) {
	f.Add(`{"errors":[{"index":1,"status":429},{"index":0}]}`, 3)
	f.Add(`{"errors":[0,1,"2"]}`, 3)
	f.Add(`{"errors":[{"status":201},{"status":500}]}`, 2)
	f.Add(`{"a":{"errors":[[]]},"errors":[{"index":"1","index":2}]} x`, 9)
	f.Fuzz(func(t *testing.T, answer string, events int) {
		events = max(1, min(events, 1000))
		failed, err := delivery.FailedItems{List: "/errors", Index: "/index", Status: "/status"}.Find([]byte(answer), events)
		if err != nil {
			if failed != nil || len(err.Error()) > 200 {
				t.Errorf("%d items with the error %v", len(failed), err)
			}
			return
		}
		last := -1
		for _, item := range failed {
			if item.Index <= last || item.Index >= events {
				t.Errorf("index %d after %d of %d", item.Index, last, events)
			}
			if item.Status >= 200 && item.Status < 300 || item.Retry && delivery.Judge(item.Status) != delivery.Unavailable {
				t.Errorf("%+v", item)
			}
			last = item.Index
		}
	})
}

func FuzzExcerpt(f *testing.F) {
	f.Add(`{"error":"invalid_json","message":"field 'tenantId' at events[3]"}`, "a log line")
	f.Add(`user not found: user not found`, `{"m":"user\nnot found"}`)
	f.Add("\x00\xff…ü", "ü")
	f.Fuzz(func(t *testing.T, answer, sent string) {
		got := delivery.Excerpt([]byte(answer), []byte(sent))
		if len(got) > 1000 {
			t.Errorf("%d bytes", len(got))
		}
		inSent := strings.ToLower(sent)
		words := strings.FieldsFunc(got, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		for _, word := range words {
			word = strings.ToLower(word)
			if !delivery.Known(word) && strings.Trim(word, "0123456789") != "" && strings.Contains(inSent, word) && !strings.ContainsAny(sent, `\`) {
				t.Errorf("%q was sent, and shows in %q", word, got)
			}
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r > '~' && r != '…' }); i >= 0 {
			t.Errorf("%q has %q", got, fmt.Sprint(got[i]))
		}
	})
}
