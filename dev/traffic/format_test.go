package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
)

// formatted collects the events that the formatter makes.
type formatted struct{ events []map[string]any }

func (f *formatted) Batch(_ context.Context, b apigateway.Batch) error {
	var events []map[string]any
	if err := json.Unmarshal(b.Body, &events); err != nil {
		return err
	}
	f.events = append(f.events, events...)
	return nil
}

func (f *formatted) Quarantine(_ context.Context, q apigateway.Quarantined) error {
	return fmt.Errorf("quarantined: %s", q.Reason.Text)
}

// formatLines formats the lines of a log stream as one record, in the order given.
func formatLines(t *testing.T, group string, lines []Event) []map[string]any {
	t.Helper()
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []logEvent
	for i, line := range lines {
		events = append(events, logEvent{fmt.Sprintf("%056d", i+1), line.Millis, line.Message})
	}
	data, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": group, "logStream": "s", "logEvents": events,
	})
	require.NoError(t, err)
	formatter, err := apigateway.New(apigateway.Options{})
	require.NoError(t, err)
	out := &formatted{}
	var records iter.Seq2[apigateway.Record, error] = func(yield func(apigateway.Record, error) bool) {
		yield(apigateway.Record{Data: data}, nil)
	}
	_, err = formatter.Format(t.Context(), records, out)
	require.NoError(t, err)
	return out.events
}

// The execution log of every invented request becomes one complete interaction that
// says what the request was. The events at the API are counted by the ids of their
// lines; this is why that counts for what the lines said.
func TestExecutionLogsBecomeInteractions(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 9))
	p := newPopulation(random, Execution, "123456789012", "eu-west-1", fixedTime)
	outcomes := map[outcome]int{}
	for range 400 {
		i := p.newInteraction(random, fixedTime)
		lines := i.executionEvents()
		events := formatLines(t, "API-Gateway-Execution-Logs_"+i.api.id+"/"+i.api.stage, lines)
		require.Len(t, events, 1)
		e := events[0]
		require.Equal(t, true, e["interaction.complete"], "%v\n%s", e["interaction.missing"], describe(lines))
		require.Len(t, e["source.event_ids"], len(lines))
		require.Equal(t, i.requestID, e["aws.request_id"])
		require.Equal(t, i.extendedID, e["aws.apigateway.extended_request_id"])
		require.Equal(t, i.api.id, e["aws.apigateway.api_id"])
		require.EqualValues(t, i.status, e["http.response.status_code"], describe(lines))
		require.Nil(t, e["aws.apigateway.execution.lines"], "%s", describe(lines))
		outcomes[i.outcome]++
		if !i.outcome.integrated() {
			continue
		}
		require.Equal(t, i.route.method, e["http.request.method"])
		require.Equal(t, i.path, e["url.path"])
		require.Contains(t, e["aws.apigateway.integration.uri"], i.route.function)
		if i.outcome != timedOut {
			require.EqualValues(t, i.integrationLatency.Milliseconds(), e["aws.apigateway.integration.latency_ms"])
			require.Equal(t, i.integrationID, e["aws.apigateway.integration.request_id"])
		}
		if i.api.level != executionData {
			require.NotContains(t, e, "http.request.header.accept")
			continue
		}
		require.Equal(t, []any{i.user.agent}, e["http.request.header.user-agent"])
		require.Equal(t, i.user.address, e["client.address"])
		require.Equal(t, []any{i.user.address + ", " + i.user.forwarded}, e["http.request.header.x-forwarded-for"])
		if e["http.request.body.truncated"] == false {
			require.Equal(t, i.requestBody, e["http.request.body.content"])
		} else {
			require.Contains(t, i.requestBody, e["http.request.body.content"])
			require.Contains(t, e, "http.request.body.captured_bytes")
		}
	}
	for _, o := range []outcome{succeeded, rejected, serverError, functionError, unauthorized, throttledKey} {
		require.Positive(t, outcomes[o], "outcome %d", o)
	}
}

func describe(lines []Event) string {
	var b bytes.Buffer
	for _, line := range lines {
		fmt.Fprintln(&b, line.Message)
	}
	return b.String()
}
