package worker_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/worker"
)

// reasons is a sink that remembers why something was quarantined.
type reasons []string

func (r *reasons) Batch(context.Context, apigateway.Batch) error { return nil }
func (r *reasons) Quarantine(_ context.Context, q apigateway.Quarantined) error {
	*r = append(*r, q.Reason.Code)
	return nil
}

// TestFormatterKeepsTheLimitsOfTheSettings: each of them decides about the same record.
func TestFormatterKeepsTheLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	var stored bytes.Buffer
	z := gzip.NewWriter(&stored)
	_, err := z.Write([]byte(`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1725544035523,"message":"` +
		strings.Repeat("0123456789abcdef", 200_000) + `"}]}`))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Less(t, stored.Len()*200, 3_200_000, "the text compresses too badly for the ratio to matter")

	for name, c := range map[string]struct {
		bytes config.ByteSize
		ratio int
		batch config.ByteSize
		want  []string
	}{
		"within the limits":  {64 * config.MiB, 10_000, 8 * config.MB, nil},
		"too many bytes":     {1 * config.MiB, 10_000, 8 * config.MB, []string{"inflated_limit"}},
		"too large a ratio":  {64 * config.MiB, 200, 8 * config.MB, []string{"ratio_limit"}},
		"too large an event": {64 * config.MiB, 10_000, 1 * config.MB, []string{"event_too_large"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.RecordMaxInflatedBytes, cfg.RecordMaxInflateRatio, cfg.BatchMaxBytes = c.bytes, c.ratio, c.batch
			formatter, err := worker.NewFormatter(cfg, "")
			require.NoError(t, err)
			var got reasons
			records := func(yield func(apigateway.Record, error) bool) {
				yield(apigateway.Record{SequenceNumber: "1", Data: stored.Bytes()}, nil)
			}
			_, err = formatter.Format(t.Context(), records, &got)
			require.NoError(t, err)
			require.Equal(t, c.want, []string(got))
		})
	}
}

// TestDefaultsAgree: the formatter has defaults of its own, for those who use it without
// settings.
func TestDefaultsAgree(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	require.EqualValues(t, apigateway.DefaultMaxInflatedBytes, cfg.RecordMaxInflatedBytes)
	require.Equal(t, apigateway.DefaultMaxInflateRatio, cfg.RecordMaxInflateRatio)
	require.EqualValues(t, apigateway.DefaultBatchMaxBytes, cfg.BatchMaxBytes)
	require.Equal(t, apigateway.DefaultBatchMaxEvents, cfg.BatchMaxEvents)
}
