package allinone

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// tokenRun is how long tokens of five seconds are watched.
var tokenRun = flag.Duration("token-run", 15*time.Second, "how long TestShortLivedTokens runs")

// openWindows opens windows of one event each, without a starter.
func openWindows(t *testing.T, s *stack, n int) {
	t.Helper()
	st, err := stage.Open(t.Context(), s.environment()["LOGPIPE_STAGE_URL"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	chain := &starter.Chain{Client: s.client, Stage: st, Pipeline: pipeline, Stream: stream}
	for i := range n {
		data := fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],`+
			`"logEvents":[{"id":"%056d","timestamp":%d,"message":"event %d"}]}`, i, time.Now().UnixMilli(), i)
		record := window.Record{SequenceNumber: window.SequenceNumber(fmt.Sprint(1000 + i)), Arrival: time.Now(), Data: []byte(data)}
		got, err := chain.Open(t.Context(), "shardId-000000000000", []window.Record{record}, window.ReasonRecords)
		require.NoError(t, err)
		require.True(t, got.Ours)
	}
}

// putParameter writes the next version of the parameter.
func putParameter(t *testing.T, s *stack, name, value string) {
	t.Helper()
	_, err := ssm.NewFromConfig(s.awsSDK).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true),
	})
	require.NoError(t, err)
}

// TestOneRefreshForAllWindows: 500 open windows in four worker processes meet a token
// that has expired, and then one that was revoked while they were being delivered. Each
// time the token endpoint is asked once.
func TestOneRefreshForAllWindows(t *testing.T) {
	t.Parallel()
	const windows = 500
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Faults = faults(t, "5xx=100%")
	s := servers(t, o)
	putParameter(t, s, tokenParameter, fmt.Sprintf(`{"access_token":"of-yesterday","token_type":"Bearer","expires_at":%q,"obtained_at":%q}`,
		time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(-2*time.Hour).Format(time.RFC3339)))
	openWindows(t, s, windows)
	for range 4 {
		startLogpipe(t, "worker", s.environment())
	}
	awaitFor(t, 3*time.Minute, "every window to be tried", func() bool { return s.api.Stats().Attempts >= windows })
	require.EqualValues(t, 1, s.api.Stats().TokenRequests, "all met the token that had expired")

	require.Equal(t, 1, s.api.RevokeTokens())
	s.api.SetFaults(faults(t, ""))
	awaitFor(t, 3*time.Minute, "every event", func() bool { return s.api.Stats().LogEvents == windows })
	stats := s.api.Stats()
	t.Logf("%d windows: %d token requests, %d deliveries refused with 401", windows, stats.TokenRequests, stats.Responses["401"])
	require.EqualValues(t, 2, stats.TokenRequests, "all met the token that was revoked")
	require.Positive(t, stats.Responses["401"])
}

// TestShortLivedTokens delivers with tokens that live for five seconds. No batch meets
// two of them that are refused, and none is asked for that is not needed.
func TestShortLivedTokens(t *testing.T) {
	t.Parallel()
	const life = 5 * time.Second
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.For = *tokenRun
	o.Faults = faults(t, "token-life=5s")
	s := servers(t, o)
	environment := s.environment()
	// What replacing a token takes is about what it is replaced ahead of its expiry.
	maps.Copy(environment, map[string]string{"LOGPIPE_TOKEN_REFRESH_AHEAD": "100ms", "LOGPIPE_TOKEN_REFRESH_JITTER": "0"})
	workers := []*process{startLogpipe(t, "worker", environment), startLogpipe(t, "worker", environment)}
	await(t, "the first token", func() bool { return s.api.Stats().TokenGrants > 0 })
	first := time.Now()
	startLogpipe(t, "starter", environment)
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	report, err := r.do(t.Context())
	requests, lifetimes := s.api.Stats().TokenRequests, time.Since(first).Seconds()/life.Seconds()
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v\n%s", report, out.String())
	for _, w := range workers {
		require.NoError(t, w.Process.Signal(syscall.SIGTERM))
		require.Zero(t, w.end(t), w.stderr)
	}

	refused, twice := refusals(t, s)
	t.Logf("%.1f lifetimes: %d requests; %d events in %d batches, %d refused with 401, %d twice in a row",
		lifetimes, requests, report.Delivered, s.api.Stats().Batches, refused, twice)
	require.Zero(t, twice)
	require.LessOrEqual(t, float64(requests), math.Ceil(lifetimes)+1)
	if *tokenRun >= time.Minute {
		require.GreaterOrEqual(t, float64(requests), math.Floor(lifetimes)-1)
	}
}

// refusals counts the deliveries in all histories that were refused with 401, and those
// of them whose batch was refused just before.
func refusals(t *testing.T, s *stack) (refused, twice int) {
	t.Helper()
	for id, events := range histories(t, s, workflows.FlushWindowName) {
		batches := map[int64]string{}
		last := map[string]bool{}
		for _, event := range events {
			if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled.GetActivityType().GetName() == workflows.DeliverBatchName {
				var in workflows.DeliverBatchInput
				require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(scheduled.GetInput(), &in), id)
				batches[event.GetEventId()] = in.Batch.IdempotencyKey
			}
			failed := event.GetActivityTaskFailedEventAttributes()
			batch, isDelivery := batches[failed.GetScheduledEventId()]
			if !isDelivery {
				continue
			}
			app := failed.GetFailure().GetApplicationFailureInfo()
			var refusal workflows.Refusal
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(app.GetDetails(), &refusal))
			is401 := app.GetType() == workflows.ErrorTokenRefused && refusal.HTTPStatus == http.StatusUnauthorized
			if is401 {
				refused++
				if last[batch] {
					twice++
				}
			}
			last[batch] = is401
		}
	}
	return refused, twice
}

// histories are those of all runs of a type, by workflow and run id.
func histories(t *testing.T, s *stack, workflowType string) map[string][]*historypb.HistoryEvent {
	t.Helper()
	all := map[string][]*historypb.HistoryEvent{}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowType = '%s'", workflowType)}
	for {
		found, err := s.client.ListWorkflow(t.Context(), request)
		require.NoError(t, err)
		for _, e := range found.GetExecutions() {
			id, run := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
			history := s.client.GetWorkflowHistory(t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				event, err := history.Next()
				require.NoError(t, err)
				all[id+" "+run] = append(all[id+" "+run], event)
			}
		}
		if request.NextPageToken = found.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return all
		}
	}
}

// TestARefusedClientRecovers: the token endpoint refuses the client and quotes its
// secret. The endpoint is left alone, the TokenKeeper and the window say what is wrong,
// and a rotated secret mends it without a restart. No secret is anywhere but in memory
// and in Parameter Store.
func TestARefusedClientRecovers(t *testing.T) {
	t.Parallel()
	const rotated = "r0tated-3141592653"
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Faults = faults(t, "token-refuse=invalid_client,token-form=jwt")
	s := servers(t, o)
	environment := s.environment()
	metrics := freeAddress(t)
	environment["LOGPIPE_METRICS_LISTEN"] = metrics
	environment["LOGPIPE_TOKEN_AUTH"] = "client_secret_post"
	worker := startLogpipe(t, "worker", environment)
	openWindows(t, s, 3)
	id := window.TokenKeeperID(pipeline)
	var state workflows.TokenKeeperState
	await(t, "a refusal", func() bool {
		value, err := s.client.QueryWorkflow(t.Context(), id, "", workflows.QueryState)
		return err == nil && value.Get(&state) == nil && state.Trouble != nil
	})
	require.Equal(t, workflows.ErrorTokenClientRefused, state.Trouble.Type)
	require.Contains(t, state.Trouble.Message, "HTTP status 401, invalid_client")
	require.EqualValues(t, 1, state.Trouble.SecretVersion)
	var pending string
	await(t, "windows that say what they wait for", func() bool {
		described, err := s.client.DescribeWorkflowExecution(t.Context(), window.FlushWindowID(pipeline, "shardId-000000000000", "1000"), "")
		require.NoError(t, err)
		for _, activity := range described.GetPendingActivities() {
			pending = activity.GetLastFailure().GetMessage()
		}
		return strings.Contains(pending, "invalid_client")
	})
	t.Log(pending)
	require.Contains(t, pending, workflows.ErrorTokenClientRefused)
	require.EqualValues(t, 1, s.api.Stats().TokenRequests, "the endpoint is left alone")

	s.api.SetFaults(faults(t, "token-form=jwt"))
	s.api.SetClientSecret(rotated)
	putParameter(t, s, secretParameter, rotated)
	await(t, "every event", func() bool { return s.api.Stats().LogEvents == 3 })
	require.EqualValues(t, 2, s.api.Stats().TokenRequests)
	tokens := tokensOf(t, s)
	require.Len(t, tokens, 1)

	measured, err := http.Get("http://" + metrics + "/metrics")
	require.NoError(t, err)
	scraped, err := io.ReadAll(measured.Body)
	require.NoError(t, err)
	require.NotEmpty(t, scraped)
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	require.Zero(t, worker.end(t), worker.stderr)
	secrets := secretsOf(append(tokens, clientSecret, rotated)...)
	requireNone(t, secrets, "the metrics", scraped)
	requireNone(t, secrets, "the log", worker.stderr.Bytes())
	requireNone(t, secrets, "the output", worker.stdout.Bytes())
	for _, kind := range []string{workflows.TokenKeeperName, workflows.FlushWindowName} {
		found := histories(t, s, kind)
		require.NotEmpty(t, found)
		for id, events := range found {
			for _, event := range events {
				requireNone(t, secrets, "history of "+id, marshal(t, event))
			}
		}
	}
}

// secretsOf are the forms in which secrets travel.
func secretsOf(values ...string) []string {
	var forms []string
	for _, value := range values {
		forms = append(forms, value, url.QueryEscape(value), "Bearer "+value, base64.StdEncoding.EncodeToString([]byte(clientID+":"+value)))
	}
	return forms
}

// TestOtherSources delivers with tokens of a login and with one that others write.
func TestOtherSources(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Faults = faults(t, "token-life=1h")
	for name, c := range map[string]struct {
		change  func(*stack) map[string]string
		prepare func(*testing.T, *stack)
	}{
		"login": {change: func(s *stack) map[string]string {
			return map[string]string{
				"LOGPIPE_TOKEN_SOURCE": "login", "LOGPIPE_TOKEN_URL": s.api.LoginURL(),
				"LOGPIPE_TOKEN_LOGIN_BODY": `{"username":"{client_id}","password":"{client_secret}"}`,
				"LOGPIPE_TOKEN_POINTER":    "/data/token", "LOGPIPE_TOKEN_EXPIRY_POINTER": "/data/until",
			}
		}},
		"external": {change: func(*stack) map[string]string {
			return map[string]string{
				"LOGPIPE_TOKEN_SOURCE": "external", "LOGPIPE_TOKEN_URL": "", "LOGPIPE_CLIENT_ID": "", "LOGPIPE_CLIENT_SECRET_PARAMETER": "",
			}
		}, prepare: func(t *testing.T, s *stack) {
			t.Helper()
			putParameter(t, s, tokenParameter, "of-no-use")
			await(t, "a delivery that is refused", func() bool { return s.api.Stats().Responses["401"] > 0 })
			putParameter(t, s, tokenParameter, tokenByHand(t, s))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers(t, o)
			environment := s.environment()
			maps.Copy(environment, c.change(s))
			startLogpipe(t, "worker", environment)
			openWindows(t, s, 3)
			if c.prepare != nil {
				c.prepare(t, s)
			}
			await(t, "every event", func() bool { return s.api.Stats().LogEvents == 3 })
			require.EqualValues(t, 1, s.api.Stats().TokenRequests)
		})
	}
}

// tokenByHand asks the API for a token, as whoever rotates one does.
func tokenByHand(t *testing.T, s *stack) string {
	t.Helper()
	answer, err := http.PostForm(s.api.TokenURL(), url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret},
	})
	require.NoError(t, err)
	defer answer.Body.Close()
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&granted))
	require.NotEmpty(t, granted.AccessToken)
	return granted.AccessToken
}

// freeAddress is one that a process can listen on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
