package allinone

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// finding is a line of logpipe check --json.
type finding struct{ Name, Status, Message, Remedy string }

// check runs logpipe check and returns its status and its findings by name; of several
// with one name the last.
func check(t *testing.T, environment map[string]string, flags string) (int, map[string]finding) {
	t.Helper()
	p := startLogpipe(t, "check --json "+flags, environment)
	status := p.end(t)
	require.Empty(t, p.stderr.String())
	require.NotContains(t, p.stdout.String(), clientSecret)
	found := map[string]finding{}
	for line := range strings.Lines(p.stdout.String()) {
		var f finding
		require.NoError(t, json.Unmarshal([]byte(line), &f), line)
		found[f.Name] = f
	}
	return status, found
}

// failed are the findings that fail, and those that warn.
func failed(found map[string]finding, status string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name].Status == status {
			names = append(names, name)
		}
	}
	return names
}

// actions are the operations of AWS by the process that called them.
type actions struct {
	mu sync.Mutex
	by map[string]map[string]bool
}

func (a *actions) add(r localaws.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for process := range a.by {
		if strings.Contains(r.Agent, "app/"+process) {
			a.by[process][r.Service+":"+r.Operation] = true
		}
	}
}

func (a *actions) of(process string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.by[process]))
}

// TestCheckOfARunningPipeline: nothing is wrong with it, nothing of it is disturbed, and
// every action of AWS that its processes take is among those that were tried.
func TestCheckOfARunningPipeline(t *testing.T) {
	t.Parallel()
	called := &actions{by: map[string]map[string]bool{"starter": {}, "worker": {}, "check": {}}}
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.onAWS = called.add
	s := servers(t, o)
	as := func(name string) map[string]string {
		environment := s.environment()
		environment["AWS_SDK_UA_APP_ID"] = name
		return environment
	}

	status, found := check(t, as("check"), "")
	require.Zero(t, status, found)
	require.Equal(t, "note", found["token/parameter"].Status, "no worker has made it yet")
	require.Equal(t, "note", found["token/put-parameter"].Status, "it cannot be tried without making it")
	require.Contains(t, found["temporal/workers"].Message, "no worker runs")
	_, err := ssm.NewFromConfig(s.awsSDK).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String(tokenParameter)})
	require.ErrorContains(t, err, "ParameterNotFound")
	require.Zero(t, s.api.Stats().TokenRequests, "a token is not asked for")

	processes := []*process{startLogpipe(t, "worker", as("worker")), startLogpipe(t, "starter", as("starter"))}
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	require.NoError(t, r.traffic(t.Context()))
	await(t, "all is delivered", func() bool { return s.api.Stats().LogEvents == uint64(s.produced.Count()) })
	versions := func() int64 {
		got, err := ssm.NewFromConfig(s.awsSDK).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String(tokenParameter), WithDecryption: aws.Bool(true)})
		require.NoError(t, err)
		return got.Parameter.Version
	}
	before, requests := versions(), s.api.Stats().Attempts
	status, found = check(t, as("check"), "")
	require.Zero(t, status, found)
	require.Empty(t, failed(found, "fail"))
	require.Equal(t, []string{"settings/stage_url", "stream/encryption", "stream/retention"}, failed(found, "warn"))
	for name, says := range map[string]string{
		"temporal/workers": "workers that run: 1", "temporal/starters": "starters that run: 1", "temporal/checkpoints": "ago", "temporal/search-attributes": fmt.Sprintf("all %d are there", len(visibility.Types())), "token/parameter": "expires in",
		"token/put-parameter": "nothing was written", "stream/get-records": "read a record", "stage/delete": "deleted it", "clock/kinesis": "apart at most",
		"token/request": "--request-token", "destination/connection": "can be reached",
	} {
		require.Contains(t, found[name].Message, says, name)
	}
	require.Equal(t, before, versions(), "the token is as it was")
	require.Equal(t, requests, s.api.Stats().Attempts, "the destination got no batch")
	st, err := stage.Open(t.Context(), s.environment()["LOGPIPE_STAGE_URL"])
	require.NoError(t, err)
	defer st.Close()
	keys, err := st.Keys(t.Context(), pipeline+"/check/")
	require.NoError(t, err)
	require.Empty(t, keys, "nothing is left in the stage")

	tried := called.of("check")
	for _, process := range []string{"starter", "worker"} {
		require.NotEmpty(t, called.of(process))
		require.Subset(t, tried, called.of(process), "what a %s does", process)
	}
	status, found = check(t, as("check"), "--role worker --request-token --only token/request")
	require.Zero(t, status, found)
	require.Len(t, found, 1)
	require.Contains(t, found["token/request"].Message, "not kept")
	for _, p := range processes {
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.end(t), p.stderr)
	}
}

// TestCheckFindsFaults: each fault is found by the check that is for it, and by no other.
//
//nolint:tparallel // one after another: an injected fault is for all processes
func TestCheckFindsFaults(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	inject := func(rule localaws.FaultRule) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			id, err := s.aws.InjectFault(rule)
			require.NoError(t, err)
			t.Cleanup(func() { s.aws.ClearFault(id) })
		}
	}
	deny := func(operation string) func(*testing.T) {
		return inject(localaws.FaultRule{Operation: operation, Error: "AccessDeniedException", Message: "not authorized to perform " + operation})
	}
	api := httptest.NewTLSServer(s.api)
	defer api.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}), 0o600))
	skewed := func(by time.Duration) string {
		other := localaws.New(localaws.Config{Now: func() time.Time { return time.Now().Add(by) }, Logger: s.logger})
		address, err := other.Start(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, other.Close()) })
		return "http://" + address
	}
	register(t, s, "bare", 24*time.Hour, nil)
	register(t, s, "other-types", 72*time.Hour, map[string]enumspb.IndexedValueType{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_KEYWORD})

	for _, c := range []struct {
		name    string
		flags   string
		change  map[string]string
		prepare func(*testing.T)
		fails   []string
		says    map[string][]string
	}{
		{name: "nothing", flags: ""},
		{name: "wrong stream", change: map[string]string{"LOGPIPE_STREAM": "other"}, fails: []string{"stream/describe-stream-summary"},
			says: map[string][]string{"stream/describe-stream-summary": {"no such stream", "LOGPIPE_STREAM"}}},
		{name: "describing denied", prepare: deny("DescribeStreamSummary"), fails: []string{"stream/describe-stream-summary"},
			says: map[string][]string{"stream/describe-stream-summary": {"access denied", "kinesis:DescribeStreamSummary"}, "stream/get-records": {"reading is allowed"}}},
		{name: "listing denied", prepare: deny("ListShards"), fails: []string{"stream/list-shards"}, says: map[string][]string{"stream/list-shards": {"kinesis:ListShards"}, "stream/get-records": {"not tried"}}},
		{name: "iterators denied", prepare: deny("GetShardIterator"), fails: []string{"stream/get-shard-iterator"}, says: map[string][]string{"stream/get-shard-iterator": {"kinesis:GetShardIterator"}}},
		{name: "reading denied", prepare: deny("GetRecords"), fails: []string{"stream/get-records"}, says: map[string][]string{"stream/get-records": {"kinesis:GetRecords"}}},
		{name: "key of the stream denied", prepare: inject(localaws.FaultRule{Operation: "GetRecords", Error: "KMSAccessDeniedException", Message: "not authorized to perform: kms:Decrypt"}),
			fails: []string{"stream/get-records"}, says: map[string][]string{"stream/get-records": {"kms:Decrypt"}}},
		{name: "missing parameter", change: map[string]string{"LOGPIPE_CLIENT_SECRET_PARAMETER": "/not/there"}, fails: []string{"parameters/client-secret"},
			says: map[string][]string{"parameters/client-secret": {"/not/there", "no such parameter", "LOGPIPE_CLIENT_SECRET_PARAMETER"}}},
		{name: "parameter of somebody else", change: map[string]string{"LOGPIPE_TOKEN_PARAMETER": "/foreign"}, prepare: putForeign(s), fails: []string{"token/parameter"},
			says: map[string][]string{"token/parameter": {"/foreign", "does not hold a token", "LOGPIPE_TOKEN_PARAMETER"}, "token/put-parameter": {"not tried"}}},
		{name: "key of the secret denied", prepare: inject(localaws.FaultRule{Operation: "GetParameter", Name: secretParameter, Error: "AccessDeniedException", Message: "not authorized to perform: kms:Decrypt"}),
			fails: []string{"parameters/client-secret"}, says: map[string][]string{"parameters/client-secret": {"kms:Decrypt"}}},
		{name: "key of the secret disabled", prepare: inject(localaws.FaultRule{Operation: "GetParameter", Name: secretParameter, Error: "InvalidKeyId", Message: "the key is disabled"}),
			fails: []string{"parameters/client-secret"}, says: map[string][]string{"parameters/client-secret": {"key is disabled", "has to exist and to be enabled"}}},
		{name: "no writing of the token", change: map[string]string{"LOGPIPE_TOKEN_PARAMETER": "/given"}, prepare: func(t *testing.T) { t.Helper(); putToken(t, s); deny("PutParameter")(t) },
			fails: []string{"token/put-parameter"}, says: map[string][]string{"token/put-parameter": {"ssm:PutParameter"}, "token/parameter": {"nothing tells when it expires"}}},
		{name: "stage cannot be written", change: map[string]string{"LOGPIPE_STAGE_URL": "file:///proc/nope"}, fails: []string{"stage/open"},
			says: map[string][]string{"stage/open": {"/proc/nope", "LOGPIPE_STAGE_URL"}, "stage/put": {"not tried"}}},
		{name: "bucket is denied", change: map[string]string{"LOGPIPE_STAGE_URL": "s3://nowhere?region=us-east-1&use_path_style=true", "AWS_ENDPOINT_URL_S3": deniedS3(t)},
			fails: []string{"stage/delete", "stage/list", "stage/put"},
			says:  map[string][]string{"stage/put": {"AccessDenied", "s3:PutObject"}, "stage/list": {"s3:ListBucket"}, "stage/delete": {"s3:DeleteObject"}, "stage/get": {"not tried"}}},
		{name: "unknown authority", change: map[string]string{"LOGPIPE_DESTINATION_URL": api.URL + analytics.EventsPath}, fails: []string{"destination/connection"},
			says: map[string][]string{"destination/connection": {"signed by somebody unknown", "destination_ca_file"}}},
		{name: "own authority", change: map[string]string{"LOGPIPE_DESTINATION_URL": api.URL + analytics.EventsPath, "LOGPIPE_DESTINATION_CA_FILE": ca},
			says: map[string][]string{"destination/connection": {"TLS 1.3"}, "destination/connection-certificate": {"is good until"}}},
		{name: "unknown authority of tokens", change: map[string]string{"LOGPIPE_TOKEN_URL": api.URL + analytics.TokenPath}, fails: []string{"token/endpoint"},
			says: map[string][]string{"token/endpoint": {"unknown authority", "SSL_CERT_FILE"}}},
		{name: "destination is away", change: map[string]string{"LOGPIPE_DESTINATION_URL": "http://127.0.0.1:9/"}, fails: []string{"destination/connection"}, says: map[string][]string{"destination/connection": {"nothing listens there"}}},
		{name: "a proxy that is away", change: map[string]string{"LOGPIPE_DESTINATION_PROXY": "http://127.0.0.1:9"}, fails: []string{"destination/connection"}, says: map[string][]string{"destination/connection": {"proxy"}}},
		{name: "wrong secret", flags: "--request-token", change: map[string]string{"LOGPIPE_CLIENT_ID": "somebody"}, fails: []string{"token/request"}, says: map[string][]string{"token/request": {"401", "LOGPIPE_CLIENT_ID"}}},
		{name: "wrong namespace", change: map[string]string{"TEMPORAL_NAMESPACE": "nowhere"}, fails: []string{"temporal/namespace"}, says: map[string][]string{"temporal/namespace": {"nowhere", "logpipe setup --create-namespace"}}},
		{name: "Temporal is away", change: map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:9"}, fails: []string{"temporal/connection"}, says: map[string][]string{"temporal/connection": {"127.0.0.1:9", "TEMPORAL_ADDRESS"}}},
		{name: "missing search attributes", change: map[string]string{"TEMPORAL_NAMESPACE": "bare"}, fails: []string{"temporal/search-attributes"},
			says: map[string][]string{"temporal/search-attributes": {"LogpipeBytes", "logpipe setup"}, "temporal/retention": {"24h", "--retention 72h"}}},
		{name: "search attribute of another type", change: map[string]string{"TEMPORAL_NAMESPACE": "other-types"}, fails: []string{"temporal/search-attribute-types", "temporal/search-attributes"},
			says: map[string][]string{"temporal/search-attribute-types": {"LogpipeBytes", "has type Keyword, want Int"}}},
		{name: "clock six minutes late", flags: "--only clock", change: map[string]string{"AWS_ENDPOINT_URL": skewed(6 * time.Minute)}, fails: []string{"clock/kinesis", "clock/parameter-store"},
			says: map[string][]string{"clock/kinesis": {"behind", "signatures", "NTP"}}},
		{name: "clock two minutes early", flags: "--only clock", change: map[string]string{"AWS_ENDPOINT_URL": skewed(-2 * time.Minute)},
			says: map[string][]string{"clock/kinesis": {"ahead of", "NTP"}}},
		{name: "wrong setting", change: map[string]string{"LOGPIPE_BATCH_MAX_BYTES": "many"}, fails: []string{"settings/valid"}, says: map[string][]string{"settings/valid": {"LOGPIPE_BATCH_MAX_BYTES", "many"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare != nil {
				c.prepare(t)
			}
			environment := s.environment()
			environment["AWS_MAX_ATTEMPTS"] = "1"
			maps.Copy(environment, c.change)
			status, found := check(t, environment, c.flags)
			require.Equal(t, c.fails, failed(found, "fail"), found)
			require.Equal(t, len(c.fails) > 0, status == 1, "the status tells it: %d", status)
			for name, parts := range c.says {
				for _, part := range parts {
					require.Contains(t, found[name].Message+" → "+found[name].Remedy, part, name)
				}
			}
			for _, name := range c.fails {
				t.Logf("%+v", found[name])
			}
		})
	}
}

// register makes a namespace as somebody else would.
func register(t *testing.T, s *stack, name string, retention time.Duration, attributes map[string]enumspb.IndexedValueType) {
	t.Helper()
	_, err := s.client.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	require.NoError(t, err)
	if len(attributes) == 0 {
		return
	}
	await(t, "the namespace", func() bool {
		_, err := s.client.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: name, SearchAttributes: attributes})
		return err == nil
	})
	await(t, "its search attributes", func() bool {
		have, err := s.client.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: name})
		return err == nil && len(have.GetCustomAttributes()) > 0
	})
}

// putToken puts a token as the pipeline does.
func putToken(t *testing.T, s *stack) {
	t.Helper()
	_, err := ssm.NewFromConfig(s.awsSDK).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/given"), Value: aws.String(`{"access_token":"t","token_type":"Bearer","obtained_at":"2026-03-04T05:06:07Z"}`), Type: "SecureString",
	})
	require.NoError(t, err)
}

// TestSetupOfANamespace: a namespace that setup has made is one that a pipeline runs in.
func TestSetupOfANamespace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	environment := s.environment()
	environment["TEMPORAL_NAMESPACE"] = "logs"
	refused := startLogpipe(t, "setup", environment)
	require.Equal(t, 1, refused.end(t))
	require.Contains(t, refused.stderr.String(), "no such namespace")
	for _, says := range []string{"registered: 9", "present: 9"} {
		p := startLogpipe(t, "setup --create-namespace --retention 96h", environment)
		require.Zero(t, p.end(t), p.stderr)
		require.Contains(t, p.stdout.String(), says)
	}
	status, found := check(t, environment, "--only temporal")
	require.Zero(t, status)
	require.Contains(t, found["temporal/retention"].Message, "96h")

	register(t, s, "other-types", 72*time.Hour, map[string]enumspb.IndexedValueType{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_KEYWORD})
	environment["TEMPORAL_NAMESPACE"] = "other-types"
	p := startLogpipe(t, "setup", environment)
	require.Equal(t, 1, p.end(t))
	require.Contains(t, p.stdout.String(), "mistyped    LogpipeBytes          Int: it is a Keyword")
	require.Contains(t, p.stderr.String(), "use another namespace")
}

// deniedS3 is an S3 that lets nobody do anything.
func deniedS3(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
