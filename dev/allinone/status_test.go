package allinone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/operator/status"
)

// told is what logpipe status tells.
type told struct {
	exit int
	status.Report
}

// askStatus runs logpipe status as a script does.
func askStatus(t *testing.T, s *stack, args ...string) told {
	t.Helper()
	p := startLogpipe(t, strings.Join(append([]string{"status", "--json"}, args...), " "), s.environment())
	out := told{exit: p.end(t)}
	require.NoError(t, json.Unmarshal(p.stdout.Bytes(), &out.Report), "%s\n%s", p.stdout, p.stderr)
	require.NotContains(t, p.stdout.String(), clientSecret)
	return out
}

// showStatus is what a person sees, for the log of the test.
func showStatus(t *testing.T, s *stack) string {
	t.Helper()
	p := startLogpipe(t, "status", s.environment())
	p.end(t)
	t.Log("\n" + p.stdout.String())
	require.NotContains(t, p.stdout.String(), "\x1b", "colours are for terminals")
	return p.stdout.String()
}

// problem returns the one with the code, nil for none.
func (o told) problem(code string) *status.Problem {
	for i := range o.Problems {
		if o.Problems[i].Code == code {
			return &o.Problems[i]
		}
	}
	return nil
}

// awaitProblem asks until the problem is told, and returns what was told with it.
func awaitProblem(t *testing.T, s *stack, code string) told {
	t.Helper()
	var last told
	awaitFor(t, 2*time.Minute, "status to tell of "+code, func() bool {
		last = askStatus(t, s)
		return last.problem(code) != nil
	})
	return last
}

// awaitHealthy asks until nothing is wrong, and nothing is under way.
func awaitHealthy(t *testing.T, s *stack) told {
	t.Helper()
	var last told
	var said string
	awaitFor(t, 2*time.Minute, "a healthy pipeline", func() bool {
		last = askStatus(t, s)
		if now := codes(last); now != said {
			said = now
			t.Logf("%d %s", last.exit, said)
		}
		return last.exit == 0 && last.Windows.Open == 0
	})
	require.Equal(t, status.Healthy, last.Health)
	return last
}

func codes(o told) string {
	var all []string
	for _, p := range o.Problems {
		all = append(all, fmt.Sprintf("%s (%s)", p.Code, p.Severity))
	}
	return strings.Join(append(all, o.Incomplete...), ", ")
}

// produce has traffic for some time.
func produce(t *testing.T, s *stack, out *bytes.Buffer, d time.Duration) {
	t.Helper()
	s.options.For = d
	require.NoError(t, (&run{stack: s, out: out}).traffic(t.Context()))
	require.NoError(t, s.aws.Flush(t.Context()))
}

// delivered waits until the API has every event.
func delivered(t *testing.T, s *stack) {
	t.Helper()
	awaitFor(t, 2*time.Minute, "every event", func() bool { return int(s.api.Stats().LogEvents) >= s.produced.Count() })
}

// TestStatusNamesTheCause goes through a bad night, as the person on call does who has
// nothing but logpipe status: it names the cause, and the command that it names mends it.
func TestStatusNamesTheCause(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))

	// Nothing was ever started.
	first := askStatus(t, s)
	require.Equal(t, 4, first.exit)
	require.NotNil(t, first.problem(status.CodeNoPipeline))

	environment := s.environment()
	worker := startLogpipe(t, "worker", environment)
	starter := startLogpipe(t, "starter", environment)
	produce(t, s, &out, 3*time.Second)
	delivered(t, s)
	well := awaitHealthy(t, s)
	require.Equal(t, 2, well.Shards.Total)
	require.Equal(t, 2, well.Shards.Held)
	require.Equal(t, stream, well.Stream)
	require.EqualValues(t, s.api.Stats().Distinct, well.Throughput.Events)
	require.EqualValues(t, s.api.Stats().Bytes, well.Throughput.Bytes)
	require.False(t, well.Throughput.Estimated)
	require.Len(t, well.Starters, 1)
	require.Len(t, well.Workers, 1)
	require.Contains(t, well.Starters[0].Identity, fmt.Sprintf("starter %d@", starter.Process.Pid))
	require.Equal(t, 2, well.Starters[0].Shards)
	require.Equal(t, "query", well.Token.From)
	require.EqualValues(t, 1, well.Token.Version)
	require.NotNil(t, well.Token.ObtainedAt)
	require.Nil(t, well.Token.Error)
	require.Nil(t, well.Oldest)
	for _, row := range well.Shards.Rows {
		require.Equal(t, status.ShardReading, row.State)
		require.Equal(t, well.Starters[0].Identity, row.Owner)
		require.NotNil(t, row.LastFlush)
		require.NotNil(t, row.LagSeconds)
		require.Zero(t, *row.LagSeconds)
	}
	await(t, "heartbeats that tell of records", func() bool { // they are up to 12 s apart
		var records int64
		for _, row := range askStatus(t, s).Shards.Rows {
			records += row.Records
		}
		return records > 0
	})
	showStatus(t, s)

	// The API refuses every batch: the windows are parked, until somebody decides.
	s.api.SetFaults(faults(t, "refuse=100%"))
	produce(t, s, &out, 2*time.Second)
	parked := awaitProblem(t, s, "DestinationRefused")
	require.Equal(t, 4, parked.exit)
	p := parked.problem("DestinationRefused")
	require.Contains(t, p.Summary, "parked")
	require.Contains(t, p.Summary, "HTTP status 400")
	require.Contains(t, p.Detail, "HTTP status 400")
	require.Equal(t, []string{"logpipe redrive --all --dry-run"}, p.Next)
	require.Contains(t, showStatus(t, s), "→ logpipe redrive --all --dry-run")

	// Beside them the API is down for the next windows.
	s.api.SetFaults(faults(t, "5xx=100%"))
	produce(t, s, &out, 2*time.Second)
	down := awaitProblem(t, s, "DestinationUnavailable")
	require.Equal(t, 4, down.exit, "what is parked is worse")
	require.Contains(t, down.problem("DestinationUnavailable").Detail, "HTTP status 500")
	require.NotNil(t, down.problem("DestinationRefused"))
	showStatus(t, s)

	// The API is well again. What is parked stays so until the command is given.
	s.api.SetFaults(faults(t, ""))
	awaitFor(t, 2*time.Minute, "windows that are parked and nothing else", func() bool {
		last := askStatus(t, s)
		return last.Windows.Open == last.Windows.Parked && last.exit == 4 && last.problem("DestinationUnavailable") == nil
	})
	redrive := startLogpipe(t, "redrive --all --yes", environment)
	require.Zero(t, redrive.end(t), redrive.stderr)
	delivered(t, s)
	awaitHealthy(t, s)

	// The client secret is refused; and then the worker is gone, which could have told.
	s.api.SetClientSecret("rotated-elsewhere")
	s.api.RevokeTokens()
	produce(t, s, &out, 2*time.Second)
	refused := awaitProblem(t, s, "TokenClientRefused")
	require.Equal(t, 4, refused.exit)
	p = refused.problem("TokenClientRefused")
	require.Contains(t, p.Detail, "invalid_client")
	require.Equal(t, []string{"temporal workflow signal --workflow-id demo/token --name retry"}, p.Next)
	require.Equal(t, "query", refused.Token.From)
	showStatus(t, s)
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	require.Zero(t, worker.end(t))
	gone := awaitProblem(t, s, status.CodeNoWorker)
	require.Equal(t, 4, gone.exit)
	require.Equal(t, "history", gone.Token.From)
	require.Equal(t, refused.Token.Version, gone.Token.Version)
	require.Equal(t, refused.Token.ExpiresAt, gone.Token.ExpiresAt)
	require.Contains(t, gone.problem("TokenClientRefused").Detail, "invalid_client")
	showStatus(t, s)
	startLogpipe(t, "worker", environment)
	putParameter(t, s, secretParameter, "rotated-elsewhere")
	delivered(t, s)
	healed := awaitHealthy(t, s)
	require.Equal(t, "TokenClientRefused", healed.Token.LastError.Type)

	// KMS, and a shard that is throttled.
	for fault, code := range map[string]string{"KMSAccessDeniedException": "StreamKeyUnavailable", "ProvisionedThroughputExceededException": "StreamThrottled"} {
		id, err := s.aws.InjectFault(localaws.FaultRule{Operation: "GetRecords", Error: fault, Message: "told by AWS"})
		require.NoError(t, err)
		denied := awaitProblem(t, s, code)
		p = denied.problem(code)
		require.Contains(t, p.Summary, "shard")
		require.Contains(t, p.Detail, "told by AWS")
		require.Equal(t, map[status.Severity]int{status.Blocked: 4, status.Late: 3}[p.Severity], denied.exit)
		showStatus(t, s)
		s.aws.ClearFault(id)
		awaitHealthy(t, s)
	}

	// No starter.
	require.NoError(t, starter.Process.Signal(syscall.SIGTERM))
	require.Zero(t, starter.end(t))
	alone := awaitProblem(t, s, status.CodeNoStarter)
	require.Equal(t, 4, alone.exit)
	p = alone.problem(status.CodeNoStarter)
	require.EqualValues(t, 2, p.Count)
	for _, row := range alone.Shards.Rows {
		require.Positive(t, row.Records, "what leases have read that failed in the end counts, too")
	}
	require.Contains(t, p.Summary, "demo/starter")
	require.Equal(t, []string{"logpipe starter"}, p.Next)
	require.Zero(t, alone.Shards.Held)
	showStatus(t, s)
	startLogpipe(t, "starter", environment)
	awaitHealthy(t, s)
}

// TestStatusWithoutTemporal: nothing is known, and that is said.
func TestStatusWithoutTemporal(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"TEMPORAL_ADDRESS": freeAddress(t), "LOGPIPE_PIPELINE": pipeline, "HOME": t.TempDir()}
	p := startLogpipe(t, "status", environment)
	require.Equal(t, 1, p.end(t))
	require.Empty(t, p.stdout.String())
	require.Contains(t, p.stderr.String(), "TEMPORAL_ADDRESS")

	environment = maps.Clone(environment)
	p = startLogpipe(t, "status --json", environment)
	require.Equal(t, 1, p.end(t))
	var report status.Report
	require.NoError(t, json.Unmarshal(p.stdout.Bytes(), &report))
	require.Equal(t, status.Unknown, report.Health)
	require.Equal(t, status.CodeTemporal, report.Problems[0].Code)
}

// TestStatusOfClocksAndPoison: what delays nothing yet is told of, too; and a stage that is
// gone for a time.
func TestStatusOfClocksAndPoison(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.awsNow = func() time.Time { return time.Now().Add(5 * time.Minute) }
	s := servers(t, o)
	environment := s.environment()
	startLogpipe(t, "worker", environment)
	startLogpipe(t, "starter", environment)
	_, err := kinesis.NewFromConfig(s.awsSDK).PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String(stream), PartitionKey: aws.String("poison"), Data: []byte("\x1f\x8bno gzip behind this"),
	})
	require.NoError(t, err)
	produce(t, s, &out, time.Second)
	delivered(t, s)
	poison := awaitProblem(t, s, status.CodeQuarantined)
	require.EqualValues(t, 1, poison.problem(status.CodeQuarantined).Count)
	require.EqualValues(t, 1, poison.Throughput.Quarantined)
	list := startLogpipe(t, poison.problem(status.CodeQuarantined).Next[0][len("logpipe "):], environment)
	require.Zero(t, list.end(t), list.stderr)
	require.Contains(t, list.stdout.String(), "1 pieces, 0 events known")
	skewed := awaitProblem(t, s, status.CodeClockSkew)
	require.Equal(t, 0, skewed.exit, codes(skewed))
	require.Contains(t, skewed.problem(status.CodeClockSkew).Summary, "the clock of Kinesis is ahead of Temporal's by")
	showStatus(t, s)

	directory := filepath.Join(s.dir, "stage")
	require.NoError(t, os.Rename(directory, directory+"-away"))
	require.NoError(t, os.WriteFile(directory, nil, 0o600))
	produce(t, s, &out, time.Second)
	away := awaitProblem(t, s, "StageUnavailable")
	require.Equal(t, 3, away.exit)
	require.Contains(t, away.problem("StageUnavailable").Summary, "the stage cannot be read or written")
	showStatus(t, s)
	require.NoError(t, os.Remove(directory))
	require.NoError(t, os.Rename(directory+"-away", directory))
	delivered(t, s)
	awaitHealthy(t, s)
}
