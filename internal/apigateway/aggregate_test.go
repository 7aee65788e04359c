package apigateway

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAggregateGolden: an aggregate with all that a user record can be.
func TestAggregateGolden(t *testing.T) {
	t.Parallel()
	rest, err := os.ReadFile("testdata/access-rest.json")
	if err != nil {
		t.Fatal(err)
	}
	k, summary := format(t, Options{Region: "eu-west-2"}, record(aggregatetest.Pack(
		compressed(t, rest),
		nil,
		envelopeOf(t, "plain", "a", "b"),
		[]byte("GET / 200"),
		slices.Concat(envelopeOf(t, "g", "before"), []byte(`{"PRICE":57.53}`), envelopeOf(t, "g", "after")),
		aggregatetest.Pack([]byte("nested")),
		envelopeOf(t, "last", "z"),
	)))
	requireGolden(t, "aggregate", render(t, k, summary))
}

// TestAggregateIsTransparent: packed together or not, records give the same events.
func TestAggregateIsTransparent(t *testing.T) {
	t.Parallel()
	parts := [][]byte{envelopeOf(t, "g", "a", "b"), compressed(t, envelopeOf(t, "h", "c")), envelopeOf(t, group, accessLine(1))}
	var records []Record
	for _, part := range parts {
		records = append(records, record(part))
	}
	apart, _ := format(t, Options{}, records...)
	packed, summary := format(t, Options{}, record(aggregatetest.Pack(parts...)))
	if !slices.Equal(apart.batches, packed.batches) {
		t.Errorf("apart %s\npacked %s", apart.batches, packed.batches)
	}
	if summary.Records != 1 || summary.Events != 4 {
		t.Errorf("%+v", summary)
	}
}

// TestAggregateUID: events without an id are told apart by the user record, too.
func TestAggregateUID(t *testing.T) {
	t.Parallel()
	part := []byte(`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"timestamp":1725544035523,"message":"m"}]}`)
	k, _ := format(t, Options{}, record(aggregatetest.Pack(part, part)), record(part))
	uids := make(map[string]bool)
	for _, event := range k.events {
		_, rest, _ := strings.Cut(string(event), `"log.record.uid":"`)
		uids[rest[:64]] = true
	}
	if len(k.events) != 3 || len(uids) != 3 {
		t.Errorf("%d events with %d uids", len(k.events), len(uids))
	}
}

// TestAggregateTooLarge: what is too large for a batch says where it was.
func TestAggregateTooLarge(t *testing.T) {
	t.Parallel()
	k, _ := format(t, Options{BatchMaxBytes: 700}, record(aggregatetest.Pack(
		envelopeOf(t, "g", "a"), envelopeOf(t, "g", strings.Repeat("b", 1000)), envelopeOf(t, "g", "c"))))
	if len(k.events) != 2 || len(k.quarantined) != 1 || k.quarantined[0].Reason != ReasonEventTooLarge || k.quarantined[0].UserRecord != 2 {
		t.Errorf("%d events, quarantined %+v", len(k.events), k.quarantined)
	}
}

// TestAggregateDamaged: of a damaged aggregate all is kept and nothing delivered.
func TestAggregateDamaged(t *testing.T) {
	t.Parallel()
	sound := aggregatetest.Pack(envelopeOf(t, "g", "a"), envelopeOf(t, "g", "b"))
	damaged := bytes.Clone(sound)
	damaged[len(damaged)/2] ^= 1
	malformed := aggregatetest.Seal(sound[4 : len(sound)-17])
	for name, c := range map[string]struct {
		data   []byte
		reason Reason
	}{
		"checksum":  {damaged, envelope.ReasonAggregateChecksum},
		"cut off":   {sound[:len(sound)-1], envelope.ReasonAggregateChecksum},
		"malformed": {malformed, envelope.ReasonAggregateMalformed},
		"empty":     {aggregatetest.Pack(), envelope.ReasonEmptyRecord},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, summary := format(t, Options{}, record(envelopeOf(t, "g", "before")), record(c.data), record(envelopeOf(t, "g", "after")))
			if summary.Events != 2 || len(k.quarantined) != 1 {
				t.Fatalf("%+v", summary)
			}
			q := k.quarantined[0]
			if q.Reason != c.reason || !bytes.Equal(q.Data, c.data) || !q.Stored || q.Offset != 0 || q.UserRecord != 0 {
				t.Errorf("%+v", q)
			}
		})
	}
}
