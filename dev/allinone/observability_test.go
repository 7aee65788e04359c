package allinone

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/telemetry/metricstest"
)

// TestObservability runs the processes with faults of all kinds, and holds the rules and the
// dashboard of deploy/observability against what they expose. Their health is asked as a
// container's runtime would, and the traces of windows are looked at.
func TestObservability(t *testing.T) {
	t.Parallel()
	queries, recorded := loadRules(t)
	queries = append(queries, loadDashboard(t)...)

	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Faults = faults(t, "5xx=30%,429=30%,token-life=3s,refuse-match=parakeet")
	s := servers(t, o)
	traces := startCollector(t)
	temporal := newGate(t, s.temporal.Address())
	processes, addresses := map[string]*process{}, map[string]string{}
	for _, role := range []string{"worker", "starter"} {
		environment := s.environment()
		addresses[role] = freeAddress(t)
		environment["LOGPIPE_METRICS_LISTEN"] = addresses[role]
		environment["TEMPORAL_ADDRESS"] = temporal.address
		environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.url
		environment["OTEL_BSP_SCHEDULE_DELAY"] = "100"
		processes[role] = startLogpipe(t, role, environment)
	}
	for role, address := range addresses {
		await(t, "the "+role+" to be ready", func() bool {
			status, _ := get(t, address, telemetry.ReadyPath)
			return status == http.StatusOK
		})
		require.Zero(t, askLogpipe(t, s, "health --address "+address), "the %s is alive", role)
		require.Zero(t, askLogpipe(t, s, "health --ready --address "+address))
	}
	for _, record := range []string{
		"neither gzip nor JSON",
		`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/a","logStream":"b","logEvents":[{"id":"1","timestamp":1772600000000,"message":"the parakeet is refused"}]}`,
	} {
		_, err := awskinesis.NewFromConfig(s.awsSDK).PutRecord(t.Context(), &awskinesis.PutRecordInput{
			StreamName: aws.String(stream), PartitionKey: aws.String("key"), Data: []byte(record),
		})
		require.NoError(t, err)
	}
	throttled, err := s.aws.InjectFault(localaws.FaultRule{Operation: "GetRecords", Error: "ProvisionedThroughputExceededException", Message: "slower", Share: 0.2})
	require.NoError(t, err)
	require.NoError(t, (&run{stack: s, out: &out}).traffic(t.Context()))
	s.aws.ClearFault(throttled)
	require.NoError(t, s.aws.Flush(t.Context()))

	// Without Temporal a process is alive, and knows that it cannot work.
	temporal.set(true)
	for role, address := range addresses {
		await(t, "the "+role+" to notice", func() bool {
			status, text := get(t, address, telemetry.ReadyPath)
			return status == http.StatusServiceUnavailable && strings.Contains(text, "temporal: not well: ")
		})
		require.Equal(t, 1, askLogpipe(t, s, "health --ready --address "+address))
		require.Zero(t, askLogpipe(t, s, "health --address "+address))
	}
	temporal.set(false)
	for role, address := range addresses {
		await(t, "the "+role+" to be ready again", func() bool {
			status, _ := get(t, address, telemetry.ReadyPath)
			return status == http.StatusOK
		})
	}

	// Whatever is to be seen has happened.
	happened := []string{
		`logpipe_events_delivered_total`, `logpipe_events_refused_total`, `logpipe_bytes_delivered_total`, `logpipe_freshness_seconds_count`,
		`logpipe_deliveries_total{outcome="unavailable",status="5xx"}`, `logpipe_deliveries_total{outcome="throttled"}`,
		`logpipe_deliveries_total{outcome="refused",status="4xx"}`, `logpipe_deliveries_total{outcome="accepted",status="2xx"}`,
		`logpipe_token_refreshes_total{outcome="asked"}`, `logpipe_token_expiry_timestamp_seconds`, `logpipe_token_obtained_timestamp_seconds`,
		`logpipe_pieces_quarantined_total{reason="unknown_encoding"}`, `logpipe_windows_formatted_total{reason="age"}`,
		`logpipe_windows_finished_total{status="delivered"}`, `logpipe_control_messages_total`, `logpipe_bytes_inflated_total`,
		`logpipe_activity_failures_total{activity="DeliverBatches",type="DestinationUnavailable"}`,
		`logpipe_windows_open{status="parked"}`, `logpipe_stage_operations_total{operation="put",outcome="ok",role="starter"}`,
		`logpipe_stage_operations_total{operation="get",outcome="ok",role="worker"}`, `logpipe_events_formatted_total{kind="access"}`,
		`logpipe_reads_total{outcome="throttled"}`, `logpipe_windows_total{reason="age",followed="false"}`, `logpipe_iterator_age_seconds_count`,
	}
	e := exposed{}
	var before []string
	awaitFor(t, 2*time.Minute, "all that the metrics are to tell", func() bool {
		e = exposed{}
		values := make(map[string]float64)
		for _, address := range addresses {
			families := metricstest.Scrape(t, address)
			e.add(families)
			addValues(values, families)
		}
		missing := slices.DeleteFunc(slices.Clone(happened), func(text string) bool { return valueOf(t, values, text) > 0 })
		if len(missing) > 0 && !slices.Equal(missing, before) {
			t.Log("not yet", missing)
		}
		before = missing
		return len(missing) == 0
	})
	for _, q := range queries {
		require.Empty(t, e.faultsOf(q, recorded), "%s: %s", q.where, q.text)
	}
	t.Logf("%d expressions, %d metrics, %d series", len(queries), len(e), seriesOf(e))

	status, text := get(t, addresses["starter"], telemetry.ReadyPath)
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, "of the 2 shards that this starter holds")
	for _, queue := range []string{"demo/worker", "demo/delivery", "demo/token"} {
		_, text := get(t, addresses["worker"], telemetry.ReadyPath)
		require.Contains(t, text, queue)
	}
	for role, p := range processes {
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.end(t), p.stderr)
		require.Equal(t, 1, askLogpipe(t, s, "health --address "+addresses[role]), "the %s is gone", role)
	}
	traces.requireWhole(t)
	for _, spans := range traces.traces() {
		for _, name := range spans {
			require.NotRegexp(t, ":(PollShard|ShardReader|StreamReader|TokenKeeper|ListShards)$", name)
		}
	}
}

// askLogpipe runs the command and returns its status.
func askLogpipe(t *testing.T, s *stack, command string) int {
	t.Helper()
	return startLogpipe(t, command, map[string]string{"HOME": s.dir}).end(t)
}

func get(t *testing.T, address, path string) (status int, text string) {
	t.Helper()
	answer, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, body.String()
}

// addValues adds the value of each series under its name and labels, name{a="b",c="d"}.
func addValues(values map[string]float64, families map[string]*dto.MetricFamily) {
	for name, family := range families {
		for _, series := range family.GetMetric() {
			var pairs []string
			for _, pair := range series.GetLabel() {
				pairs = append(pairs, fmt.Sprintf("%s=%q", pair.GetName(), pair.GetValue()))
			}
			labels := "{" + strings.Join(pairs, ",") + "}"
			values[name+labels] += series.GetCounter().GetValue() + series.GetGauge().GetValue()
			if h := series.GetHistogram(); h != nil {
				values[name+"_count"+labels] += float64(h.GetSampleCount())
			}
		}
	}
}

// valueOf is the sum of the series that have the name and the labels.
func valueOf(t *testing.T, values map[string]float64, text string) float64 {
	t.Helper()
	name, wanted, _ := strings.Cut(strings.TrimSuffix(text, "}"), "{")
	sum := 0.0
	for series := range maps.Keys(values) {
		of, labels, _ := strings.Cut(series, "{")
		if of != name {
			continue
		}
		all := true
		for pair := range strings.SplitSeq(wanted, ",") {
			all = all && strings.Contains(labels, pair)
		}
		if all {
			sum += values[series]
		}
	}
	return sum
}

func seriesOf(e exposed) int {
	n := 0
	for _, series := range e {
		n += len(series)
	}
	return n
}
