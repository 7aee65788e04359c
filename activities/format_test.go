package activities_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const rawKey = "p/raw/1/window"

func aWindow() workflows.FlushWindowInput {
	return workflows.FlushWindowInput{
		Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001",
		FirstSequenceNumber: "10", LastSequenceNumber: "12", Records: 3, StageKey: rawKey,
	}
}

func format(t *testing.T, f *activities.Format) (workflows.FormatLogsResult, error) {
	t.Helper()
	return execute(t, f.FormatLogs, workflows.FormatLogsInput{Window: aWindow()})
}

// staged returns a stage with a window of the records' data.
func staged(data ...[]byte) *fakeStage {
	var records []window.Record
	for i, d := range data {
		records = append(records, window.Record{
			SequenceNumber: window.SequenceNumber(fmt.Sprint(10 + i)), Arrival: now.Add(time.Duration(i) * time.Second), Data: d,
		})
	}
	s := newFakeStage()
	s.objects[rawKey] = window.Append(nil, records)
	return s
}

// envelope is what a subscription filter writes: gzip of the JSON envelope.
func envelope(t *testing.T, messages ...string) []byte {
	t.Helper()
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []event
	for i, m := range messages {
		events = append(events, event{fmt.Sprintf("%056d", i), now.UnixMilli() + int64(i), m})
	}
	body, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "api", "logStream": "stream",
		"subscriptionFilters": []string{"f"}, "logEvents": events,
	})
	require.NoError(t, err)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	_, err = zipped.Write(body)
	require.NoError(t, err)
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func newFormatter(t *testing.T, o apigateway.Options) *apigateway.Formatter {
	t.Helper()
	f, err := apigateway.New(o)
	require.NoError(t, err)
	return f
}

func TestFormatLogs(t *testing.T) {
	t.Parallel()
	const access = `{"requestId":"5c1d3f1e","ip":"203.0.113.7","httpMethod":"GET","path":"/pets","status":"200","protocol":"HTTP/1.1","note":"` + logCanary + `"}`
	s := staged(envelope(t, access, "plain "+logCanary), envelope(t, access), []byte("no envelope "+logCanary))
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{BatchMaxEvents: 2}), Concurrency: 3}
	out, err := format(t, f)
	require.NoError(t, err)

	require.Equal(t, 3, out.Events)
	require.Equal(t, 3, out.Concurrency)
	require.Len(t, out.Batches, 2)
	var bytesOfAll int64
	seen := map[string]bool{}
	for i, b := range out.Batches {
		body := s.objects[b.StageKey]
		require.Len(t, body, b.Bytes, "batch %d", i)
		bytesOfAll += int64(len(body))
		var events []map[string]any
		require.NoError(t, json.Unmarshal(body, &events))
		require.Len(t, events, b.Events)
		for _, e := range events {
			uid, _ := e["log.record.uid"].(string)
			require.Len(t, uid, 64)
			seen[uid] = true
		}
	}
	// Both envelopes begin with the event of the same id.
	require.Len(t, seen, 2)
	require.Equal(t, bytesOfAll, out.Bytes)
	require.NotEqual(t, out.Batches[0].IdempotencyKey, out.Batches[1].IdempotencyKey)

	require.Equal(t, 1, out.QuarantinedTotal)
	require.Len(t, out.Quarantined, 1)
	require.Equal(t, window.SequenceNumber("12"), out.Quarantined[0].SequenceNumber)
	require.NotEmpty(t, out.Quarantined[0].Reason)
	require.Contains(t, string(s.objects[out.Quarantined[0].StageKey]), logCanary, "what cannot be delivered is kept")

	result, err := json.Marshal(out)
	require.NoError(t, err)
	require.NotContains(t, string(result), logCanary, "a result is in history")
}

func TestFormatLogsCountsInteractions(t *testing.T) {
	t.Parallel()
	line := func(id, text string) string { return "(00000000-afe6-11e8-b7eb-8d53f824f30" + id + ") " + text }
	lines := []string{line("1", "Extended Request Id: a="), line("2", "Extended Request Id: b="), line("1", "Method completed with status: 200")}
	window := func(lines ...string) []byte {
		t.Helper()
		return bytes.ReplaceAll(unzip(t, envelope(t, lines...)), []byte(`"api"`), []byte(`"API-Gateway-Execution-Logs_a1/prod"`))
	}
	f := &activities.Format{Stage: staged(window(lines...), envelope(t, "plain")), Formatter: newFormatter(t, apigateway.Options{}), Concurrency: 1}
	out, err := format(t, f)
	require.NoError(t, err)
	require.Equal(t, []int{3, 2, 1, 3}, []int{out.Events, out.Interactions, out.IncompleteInteractions, out.FoldedLines})
}

func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	text, err := io.ReadAll(zipped)
	require.NoError(t, err)
	return text
}

func TestFormatLogsTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "a", "b", "c"), envelope(t, "d", "e"))
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{BatchMaxEvents: 2}), Concurrency: 1}
	first, err := format(t, f)
	require.NoError(t, err)
	before := s.keys("")
	again, err := format(t, f)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, before, s.keys(""), "a second attempt writes the same objects")

	// Other settings cut other batches: these must not share a key with the first ones.
	f.Formatter = newFormatter(t, apigateway.Options{BatchMaxEvents: 1})
	other, err := format(t, f)
	require.NoError(t, err)
	require.Equal(t, first.Events, other.Events)
	require.Len(t, other.Batches, first.Events)
	for _, a := range first.Batches {
		for _, b := range other.Batches {
			if a.IdempotencyKey == b.IdempotencyKey || a.StageKey == b.StageKey {
				require.Equal(t, a, b)
			}
		}
	}
}

func TestFormatLogsFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("the bucket does not answer")
	for name, c := range map[string]struct {
		prepare func(*fakeStage)
		kind    string
		retried bool
		says    string
	}{
		"object missing": {func(s *fakeStage) { delete(s.objects, rawKey) }, workflows.ErrorStageObject, false, rawKey},
		"object cut short": {func(s *fakeStage) { s.objects[rawKey] = s.objects[rawKey][:40] },
			workflows.ErrorStageObject, false, "damaged"},
		"a bit flipped in the last byte": {func(s *fakeStage) { s.objects[rawKey][len(s.objects[rawKey])-1] ^= 1 },
			workflows.ErrorStageObject, false, "checksum"},
		"object of another kind": {func(s *fakeStage) { s.objects[rawKey] = []byte(logCanary) },
			workflows.ErrorStageObject, false, "damaged"},
		"stage down":              {func(s *fakeStage) { s.brokenGet = broken }, activities.ErrorStageUnavailable, true, broken.Error()},
		"stage down while read":   {func(s *fakeStage) { s.brokenGet, s.brokenAfter = broken, 40 }, activities.ErrorStageUnavailable, true, broken.Error()},
		"stage not to be written": {func(s *fakeStage) { s.brokenPut = broken }, activities.ErrorStageUnavailable, true, broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := staged(envelope(t, logCanary), envelope(t, logCanary))
			c.prepare(s)
			_, err := format(t, &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{})})
			requireFailure(t, err, c.kind, c.retried)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestFormatLogsOfAnEmptyWindow(t *testing.T) {
	t.Parallel()
	out, err := format(t, &activities.Format{Stage: staged(), Formatter: newFormatter(t, apigateway.Options{}), Concurrency: 2})
	require.NoError(t, err)
	require.Equal(t, workflows.FormatLogsResult{Concurrency: 2}, out)
}

// TestFormatLogsTakesAggregatesApart, and says which user record cannot be read.
func TestFormatLogsTakesAggregatesApart(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "a"), aggregatetest.Pack(envelope(t, "b"), []byte("no envelope"), envelope(t, "c")))
	out, err := format(t, &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{})})
	require.NoError(t, err)
	require.Equal(t, 3, out.Events)
	require.Len(t, out.Quarantined, 1)
	q := out.Quarantined[0]
	require.Equal(t, workflows.Quarantined{StageKey: q.StageKey, SequenceNumber: "11", UserRecord: 2, Reason: "unknown_encoding"}, q)
	header, data, err := quarantine.Parse(s.objects[q.StageKey])
	require.NoError(t, err)
	require.Equal(t, "no envelope", string(data))
	require.Equal(t, quarantine.Header{
		SequenceNumber: "11", Arrival: now.Add(time.Second), UserRecord: "2", Reason: "unknown_encoding", Stored: true,
	}, header)
}

// TestFormatLogsListsTheFirstQuarantined: a result has a limit of 2 MB in Temporal,
// a window has none for what is wrong in it.
func TestFormatLogsListsTheFirstQuarantined(t *testing.T) {
	t.Parallel()
	const pieces = 130
	var data [][]byte
	for i := range pieces {
		data = append(data, fmt.Appendf(nil, "no envelope %d", i))
	}
	s := staged(data...)
	out, err := format(t, &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{})})
	require.NoError(t, err)
	require.Equal(t, pieces, out.QuarantinedTotal)
	require.Len(t, out.Quarantined, 100)
	require.Len(t, s.keys("p/quarantine/"), pieces, "all of them are kept")
	for _, q := range out.Quarantined {
		require.Contains(t, s.objects, q.StageKey)
	}
}

// plain hands every record on as one batch, and remembers the records.
type plain struct{ records []string }

func (p *plain) Format(ctx context.Context, records iter.Seq2[apigateway.Record, error], sink apigateway.Sink) (apigateway.Summary, error) {
	for r, err := range records {
		if err != nil {
			return apigateway.Summary{}, err
		}
		p.records = append(p.records, fmt.Sprintf("%s %s %s", r.SequenceNumber, r.Arrival.Format(time.TimeOnly), r.Data))
		if err := sink.Batch(ctx, apigateway.Batch{Index: len(p.records) - 1, Events: 1, Body: r.Data}); err != nil {
			return apigateway.Summary{}, err
		}
	}
	return apigateway.Summary{Events: len(p.records), ControlMessages: 4, InflatedBytes: 5}, nil
}

func TestFormatLogsHandsRecordsOnAsTheyArrived(t *testing.T) {
	t.Parallel()
	s, formatter := staged([]byte("a"), []byte("b")), &plain{}
	out, err := format(t, &activities.Format{Stage: s, Formatter: formatter})
	require.NoError(t, err)
	require.Equal(t, []string{"10 05:06:07 a", "11 05:06:08 b"}, formatter.records)
	require.Equal(t, 4, out.ControlMessages)
	require.Equal(t, int64(5), out.InflatedBytes)
	require.Len(t, out.Batches, 2)
}

func TestClearStage(t *testing.T) {
	t.Parallel()
	s := staged()
	s.objects["kept"] = nil
	c := &activities.Clear{Stage: s}
	clearStage := func(ctx context.Context, in workflows.ClearStageInput) (struct{}, error) {
		return struct{}{}, c.ClearStage(ctx, in)
	}
	_, err := execute(t, clearStage, workflows.ClearStageInput{StageKeys: []string{rawKey, "was never there"}})
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, s.keys(""))

	s.brokenDelete = errors.New("the bucket does not answer")
	_, err = execute(t, clearStage, workflows.ClearStageInput{StageKeys: []string{"kept"}})
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
}

// TestClearStageOfParts: the parts of a divided batch go with it, and no others.
func TestClearStageOfParts(t *testing.T) {
	t.Parallel()
	s := newFakeStage()
	whole := stagedEvents(t, s, framing.Array, "", 8)
	parts, err := execute(t, (&activities.Split{Stage: s}).SplitBatch, workflows.SplitBatchInput{Batch: whole})
	require.NoError(t, err)
	_, err = execute(t, (&activities.Split{Stage: s}).SplitBatch, workflows.SplitBatchInput{Batch: parts.Batches[1]})
	require.NoError(t, err)
	require.Len(t, s.keys(""), 5)
	neighbour := whole.StageKey + "0"
	s.objects[neighbour] = nil

	c := &activities.Clear{Stage: s}
	clearStage := func(ctx context.Context, in workflows.ClearStageInput) (struct{}, error) {
		return struct{}{}, c.ClearStage(ctx, in)
	}
	in := workflows.ClearStageInput{StageKeys: []string{whole.StageKey}, Divided: []string{whole.StageKey}}
	s.brokenList = errors.New("the bucket does not answer")
	_, err = execute(t, clearStage, in)
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
	require.Len(t, s.keys(""), 6)

	s.brokenList = nil
	_, err = execute(t, clearStage, in)
	require.NoError(t, err)
	require.Equal(t, []string{neighbour}, s.keys(""))
}

// TestFormatLogsBoundsTheBatches: more batches than a history holds would end the
// workflow; the window is parked instead, until the settings are changed.
func TestFormatLogsBoundsTheBatches(t *testing.T) {
	t.Parallel()
	for n, fits := range map[int]bool{2000: true, 2001: false} {
		messages := make([]string, n)
		for i := range messages {
			messages[i] = fmt.Sprint("line ", i)
		}
		f := &activities.Format{Stage: staged(envelope(t, messages...)), Formatter: newFormatter(t, apigateway.Options{BatchMaxEvents: 1})}
		out, err := format(t, f)
		if fits {
			require.NoError(t, err)
			require.Len(t, out.Batches, n)
			continue
		}
		requireFailure(t, err, activities.ErrorTooManyBatches, false)
		require.ErrorContains(t, err, "LOGPIPE_BATCH_MAX_EVENTS")
	}
}
