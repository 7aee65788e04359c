package activities_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// heard is what metrics were told.
type heard struct {
	told       []string
	deliveries []activities.Delivery
}

func (h *heard) Formatted(_ context.Context, why window.Reason, s apigateway.Summary) {
	h.told = append(h.told, fmt.Sprintf("formatted %s: %d events", why, s.Events))
}

func (h *heard) Delivered(_ context.Context, d activities.Delivery) {
	h.deliveries = append(h.deliveries, d)
}

func (h *heard) Finished(_ context.Context, givenUp bool) {
	h.told = append(h.told, fmt.Sprintf("finished, given up: %t", givenUp))
}

func (h *heard) Refreshed(_ context.Context, outcome string) {
	h.told = append(h.told, "refreshed: "+outcome)
}

func (h *heard) Failed(_ context.Context, activity string, _ error) {
	h.told = append(h.told, "failed: "+activity)
}

func TestMetricsOfRequests(t *testing.T) {
	t.Parallel()
	var kept tracetest.InMemoryExporter
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(&kept)).Tracer("test")
	for _, answer := range []delivery.Answer{
		{Verdict: delivery.Accepted, Status: 202},
		{Verdict: delivery.Unavailable, Err: errors.New(secretCanary)},
	} {
		d, _, _, _ := newDeliver(t, answer)
		h := &heard{}
		d.Metrics, d.Tracer = h, tracer
		_, err := deliver(t, d, 2)
		require.Equal(t, answer.Verdict != delivery.Accepted, err != nil)
		require.Len(t, h.deliveries, 1)
		require.Equal(t, answer, h.deliveries[0].Answer)
		require.Equal(t, batch, h.deliveries[0].Batch)
		require.False(t, h.deliveries[0].Interrupted)
	}
	spans := kept.GetSpans()
	require.Len(t, spans, 2)
	for _, span := range spans {
		require.Equal(t, "deliver", span.Name)
		require.NotContains(t, fmt.Sprintf("%+v", span), secretCanary)
		require.NotContains(t, fmt.Sprintf("%+v", span), logCanary)
	}
	require.Contains(t, fmt.Sprint(spans[0].Attributes), "202")
	require.Contains(t, fmt.Sprint(spans[1].Attributes), "unavailable")
}

func TestMetricsOfRequestsTogether(t *testing.T) {
	t.Parallel()
	d, _, _, _ := newDeliver(t, delivery.Answer{Verdict: delivery.Unavailable, Status: 503})
	h := &heard{}
	d.Metrics = h
	_, err := execute(t, d.DeliverBatches, workflows.DeliverBatchesInput{Batches: []workflows.Batch{batch}, Concurrency: 1})
	require.NoError(t, err, "it has not failed as a whole")
	require.Len(t, h.deliveries, 1)
	require.Equal(t, []string{"failed: DeliverBatches"}, h.told)
}

func TestMetricsOfEnds(t *testing.T) {
	t.Parallel()
	h := &heard{}
	s := newFakeStage()
	env := environment(t)
	clears := &activities.Clear{Stage: s, Metrics: h}
	env.RegisterActivity(clears.ClearStage)
	_, err := env.ExecuteActivity(clears.ClearStage, workflows.ClearStageInput{StageKeys: []string{"p/raw/1"}})
	require.NoError(t, err)
	discards := &activities.Discard{Stage: s, Metrics: h}
	env.RegisterActivity(discards.KeepDiscarded)
	_, err = env.ExecuteActivity(discards.KeepDiscarded, workflows.KeepDiscardedInput{Pipeline: "p", ShardID: "shardId-000000000001", FirstSequenceNumber: "1", LastSequenceNumber: "2", At: now})
	require.NoError(t, err)
	require.Equal(t, []string{"finished, given up: false", "finished, given up: true"}, h.told)
}

func TestMetricsOfRefreshes(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	h := &heard{}
	tokens.Metrics = h
	for _, known := range []int64{0, 1} {
		_, err := execute(t, tokens.RefreshToken, workflows.RefreshTokenInput{KnownVersion: known})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"refreshed: found", "refreshed: asked"}, h.told)
}

// TestFailuresAreComplete: each type of error that the activities name is one that the
// metrics know.
func TestFailuresAreComplete(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, kinds := range activities.Failures() {
		for _, kind := range kinds {
			known[kind] = true
		}
	}
	named := map[string]bool{}
	for _, file := range []string{"errors.go", "errors_token.go", "../workflows/names.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names[0].Name) < 6 || spec.Names[0].Name[:5] != "Error" {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				named[literal.Value[1:len(literal.Value)-1]] = true
			}
			return true
		})
	}
	require.Greater(t, len(named), 10)
	require.Equal(t, slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(known)))
}
