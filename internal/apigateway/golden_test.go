package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

var update = flag.Bool("update", false, "write the golden files anew")

// keeper is a sink that keeps what it is given, and checks what every sink may
// rely on.
type keeper struct {
	tb        testing.TB
	maxBytes  int
	maxEvents int

	batches     []string
	events      []jsontext.Value
	quarantined []Quarantined
}

var _ Sink = (*keeper)(nil)

func (k *keeper) Batch(_ context.Context, b Batch) error {
	k.tb.Helper()
	if b.Index != len(k.batches) {
		k.tb.Errorf("batch %d comes after %d", b.Index, len(k.batches))
	}
	if len(b.Body) > k.maxBytes || b.Events > k.maxEvents || b.Events == 0 {
		k.tb.Errorf("batch %d has %d bytes and %d events", b.Index, len(b.Body), b.Events)
	}
	var events []json.RawMessage
	if err := json.Unmarshal(b.Body, &events); err != nil {
		k.tb.Fatalf("batch %d is no JSON array: %v: %q", b.Index, err, b.Body)
	}
	// Strict: valid UTF-8, no name twice.
	if !jsontext.Value(b.Body).IsValid() {
		k.tb.Errorf("batch %d is not interoperable JSON: %q", b.Index, b.Body)
	}
	if len(events) != b.Events {
		k.tb.Errorf("batch %d has %d events and says %d", b.Index, len(events), b.Events)
	}
	for _, event := range events {
		checkSchema(k.tb, event)
		if err := json.Unmarshal(event, new(any)); err != nil {
			k.tb.Errorf("not every parser can read %s: %v", event, err)
		}
		k.events = append(k.events, jsontext.Value(event))
	}
	k.batches = append(k.batches, string(b.Body))
	return nil
}

func (k *keeper) Quarantine(_ context.Context, q Quarantined) error {
	q.Data = bytes.Clone(q.Data)
	k.quarantined = append(k.quarantined, q)
	return nil
}

// format formats records and checks that the summary accounts for all.
func format(tb testing.TB, options Options, records ...Record) (*keeper, Summary) {
	tb.Helper()
	formatter, err := New(options)
	if err != nil {
		tb.Fatal(err)
	}
	k := &keeper{tb: tb, maxBytes: formatter.options.BatchMaxBytes, maxEvents: formatter.options.BatchMaxEvents}
	summary, err := formatter.Format(tb.Context(), sequence(records...), k)
	if err != nil {
		tb.Fatal(err)
	}
	kinds, reasons, quarantinedEvents, bytes := 0, 0, 0, int64(0)
	for _, n := range summary.Kinds {
		kinds += n
	}
	for _, n := range summary.Reasons {
		reasons += n
	}
	for _, q := range k.quarantined {
		quarantinedEvents += q.Events
	}
	for _, b := range k.batches {
		bytes += int64(len(b))
	}
	if summary.Records != len(records) || summary.Events != len(k.events) || kinds != len(k.events) ||
		summary.Batches != len(k.batches) || summary.BatchBytes != bytes ||
		summary.Quarantined != len(k.quarantined) || reasons != len(k.quarantined) || summary.QuarantinedEvents != quarantinedEvents {
		tb.Errorf("summary %+v does not match %d events in %d batches of %d bytes and %d quarantined with %d events",
			summary, len(k.events), len(k.batches), bytes, len(k.quarantined), quarantinedEvents)
	}
	return k, summary
}

var arrival = time.Date(2024, 9, 5, 13, 48, 0, 250e6, time.UTC)

func record(data []byte) Record {
	return Record{SequenceNumber: "49590338271490256608559692538361571095921575989136588898", Arrival: arrival, Data: data}
}

// goldenOptions has templates for the log groups of one fixture.
var goldenOptions = Options{Region: "eu-west-2", AccessLogTemplates: map[string]string{
	"/templates/renamed": `{"rid":"$context.requestId","xid":"$context.extendedRequestId","st":"$context.status",` +
		`"http":{"line":"$context.httpMethod $context.path $context.protocol"},"who":"$context.authorizer.principalId",` +
		`"tenant":"$context.authorizer.tenantId","app":"orders","err":$context.error.messageString,"ms":$context.responseLatency}`,
	"/templates/text/*": "$context.requestId|$context.status|$context.requestTime|$context.identity.userAgent|" +
		"$context.domainName$context.path|$stageVariables.tier|$context.newVariable\n",
}}

func TestGolden(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			k, summary := format(t, goldenOptions, record(data))
			requireGolden(t, name, render(t, k, summary))

			again, _ := format(t, goldenOptions, record(data))
			if !slices.Equal(again.batches, k.batches) {
				t.Error("the same record gives other bytes the second time")
			}
		})
	}
}

// requireGolden compares with a golden file, or writes it.
func requireGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (-update writes it):\n%s", golden, got)
	}
}

// render shows events with one member a line, then quarantine and summary.
func render(t *testing.T, k *keeper, summary Summary) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, event := range k.events {
		if err := event.Indent(jsontext.WithIndent("  ")); err != nil {
			t.Fatal(err)
		}
		out.Write(append(event, '\n'))
	}
	for _, q := range k.quarantined {
		out.WriteString("quarantined: ")
		line, err := json.Marshal(struct {
			UserRecord int `json:",omitempty"`
			Offset     int64
			Reason     Reason
			Events     int
			Stored     bool
			Data       string
		}{q.UserRecord, q.Offset, q.Reason, q.Events, q.Stored, string(q.Data)})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	total, err := json.MarshalIndent(summary, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("summary: ")
	out.Write(append(total, '\n'))
	return out.Bytes()
}
