package checkup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
)

// noted returns what the markers say.
func noted(age time.Duration) func(context.Context) (time.Time, bool, error) {
	return func(context.Context) (time.Time, bool, error) { return now.Add(-age), true, nil }
}

func nothingNoted(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }

func goodStream() *fakeStream {
	return &fakeStream{
		described: kinesis.Description{Status: "ACTIVE", OpenShards: 2, Retention: 72 * time.Hour, Encrypted: true, Key: "alias/aws/kinesis"},
		shards:    []kinesis.Shard{{ID: "shardId-000000000000", Closed: true}, {ID: "shardId-000000000001"}, {ID: "shardId-000000000002"}},
		records:   1,
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("describe: %w: not authorized", kinesis.ErrDenied)
	for name, c := range map[string]struct {
		change func(*fakeStream)
		oldest func(context.Context) (time.Time, bool, error)
		want   map[string]want
	}{
		"all is well": {},
		"no stream": {change: func(f *fakeStream) { f.describeErr = fmt.Errorf("describe: %w", kinesis.ErrNoStream) }, want: map[string]want{
			"describe-stream-summary": {checkup.Fail, []string{"no such stream", "LOGPIPE_STREAM", "AWS_REGION"}},
			"list-shards":             {checkup.Note, []string{"not tried"}}, "get-shard-iterator": {checkup.Note, nil}, "get-records": {checkup.Note, nil}}},
		"AWS is away": {change: func(f *fakeStream) { f.describeErr = errDown }, want: map[string]want{
			"describe-stream-summary": {checkup.Fail, []string{"connection refused", "AWS_ENDPOINT_URL"}},
			"list-shards":             {checkup.Note, nil}, "get-shard-iterator": {checkup.Note, nil}, "get-records": {checkup.Note, nil}}},
		"describing is not allowed": {change: func(f *fakeStream) { f.describeErr = denied }, want: map[string]want{
			"describe-stream-summary": {checkup.Fail, []string{"not authorized", "kinesis:DescribeStreamSummary"}}}},
		"listing is not allowed": {change: func(f *fakeStream) { f.listErr = denied }, want: map[string]want{
			"list-shards":        {checkup.Fail, []string{"kinesis:ListShards"}},
			"get-shard-iterator": {checkup.Note, []string{"not tried"}}, "get-records": {checkup.Note, []string{"not tried"}}}},
		"positions are not allowed": {change: func(f *fakeStream) { f.iteratorErr = denied }, want: map[string]want{
			"get-shard-iterator": {checkup.Fail, []string{"kinesis:GetShardIterator"}}, "get-records": {checkup.Note, []string{"not tried"}}}},
		"reading is not allowed": {change: func(f *fakeStream) { f.read = denied }, want: map[string]want{
			"get-records": {checkup.Fail, []string{"kinesis:GetRecords"}}}},
		"the key cannot be used": {change: func(f *fakeStream) { f.read = fmt.Errorf("read: %w: allow kms:Decrypt", kinesis.ErrKey) }, want: map[string]want{
			"get-records": {checkup.Fail, []string{"kms:Decrypt"}}}},
		"no record to try the key with": {change: func(f *fakeStream) { f.records = 0 }, want: map[string]want{
			"get-records": {checkup.Note, []string{"alias/aws/kinesis", "not tried"}}}},
		"not encrypted": {change: func(f *fakeStream) { f.described.Encrypted = false }, want: map[string]want{
			"encryption": {checkup.Warn, []string{"without encryption", "start-stream-encryption"}}}},
		"kept for a day": {change: func(f *fakeStream) { f.described.Retention = 24 * time.Hour }, want: map[string]want{
			"retention": {checkup.Warn, []string{"24h", "increase-stream-retention-period"}}}},
		"being made":    {change: func(f *fakeStream) { f.described.Status = "CREATING" }, want: map[string]want{"status": {checkup.Warn, nil}}},
		"being deleted": {change: func(f *fakeStream) { f.described.Status = "DELETING" }, want: map[string]want{"status": {checkup.Fail, []string{"DELETING"}}}},
		"more shards than one starter reads": {change: func(f *fakeStream) { f.described.OpenShards = 5 }, want: map[string]want{
			"shards": {checkup.Note, []string{"5 shards", "takes 3 starters"}}}},
		"hardly read in time": {oldest: noted(40 * time.Hour), want: map[string]want{"unread": {checkup.Warn, []string{"40h0m0s ago", "72h"}}}},
		"every shard closed":  {change: func(f *fakeStream) { f.shards = f.shards[:1] }, want: map[string]want{"get-shard-iterator": {checkup.Note, nil}, "get-records": {checkup.Note, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, oldest := goodStream(), c.oldest
			if c.change != nil {
				c.change(stream)
			}
			if oldest == nil {
				oldest = nothingNoted
			}
			requireFindings(t, found(t, checkup.Stream(checkup.StreamCheck{
				Name: "api-logs", MaxShards: 2, Oldest: oldest, Now: clock,
				Open: func(context.Context) (checkup.Reading, error) { return stream, nil },
			})), c.want)
			if name == "all is well" {
				require.Equal(t, []string{"describe", "list", "iterator shardId-000000000001", "read it"}, stream.calls, "each action once, in an open shard")
			}
		})
	}
	requireFindings(t, found(t, checkup.Stream(checkup.StreamCheck{Open: func(context.Context) (checkup.Reading, error) {
		return nil, errors.New("no AWS region: set AWS_REGION")
	}})), map[string]want{
		"aws": {checkup.Fail, []string{"set AWS_REGION"}}, "describe-stream-summary": {checkup.Note, nil}, "list-shards": {checkup.Note, nil},
		"get-shard-iterator": {checkup.Note, nil}, "get-records": {checkup.Note, nil},
	})
}

func TestStage(t *testing.T) {
	t.Parallel()
	denied := errors.New("AccessDenied")
	others := map[string][]byte{"p/raw/7/x": []byte("a window"), "p/check/other": []byte("another check")}
	for name, c := range map[string]struct {
		stage *fakeStage
		want  map[string]want
		left  bool
	}{
		"all is well": {stage: &fakeStage{}},
		"no writing": {stage: &fakeStage{put: denied}, want: map[string]want{
			"put": {checkup.Fail, []string{"AccessDenied", "s3:PutObject"}}, "get": {checkup.Note, []string{"not tried"}}}},
		"no reading":         {stage: &fakeStage{get: denied}, want: map[string]want{"get": {checkup.Fail, []string{"s3:GetObject"}}}},
		"no listing":         {stage: &fakeStage{list: denied}, want: map[string]want{"list": {checkup.Fail, []string{"s3:ListBucket"}}}},
		"no deleting":        {stage: &fakeStage{delete: denied}, want: map[string]want{"delete": {checkup.Fail, []string{"s3:DeleteObject", "p/check/mine"}}}, left: true},
		"reads other things": {stage: &fakeStage{otherwise: true}, want: map[string]want{"get": {checkup.Fail, []string{"something else"}}}},
		"keeps nothing": {stage: &fakeStage{forgets: true}, want: map[string]want{
			"get": {checkup.Fail, nil}, "list": {checkup.Fail, []string{"not in the list"}}}},
		"nothing at all": {stage: &fakeStage{put: denied, get: denied, list: denied, delete: denied}, want: map[string]want{
			"put": {checkup.Fail, nil}, "get": {checkup.Note, nil}, "list": {checkup.Fail, nil}, "delete": {checkup.Fail, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := c.stage
			st.objects = maps.Clone(others)
			requireFindings(t, found(t, checkup.Stage(checkup.StageCheck{
				Prefix: "p/check/", Probe: "mine", Open: func(context.Context) (checkup.Objects, error) { return st, nil },
			})), c.want)
			require.Equal(t, c.left, st.objects["p/check/mine"] != nil)
			delete(st.objects, "p/check/mine")
			require.Equal(t, others, st.objects, "nothing else was touched")
		})
	}
	requireFindings(t, found(t, checkup.Stage(checkup.StageCheck{Open: func(context.Context) (checkup.Objects, error) {
		return nil, errors.New("open the stage ftp://host: no driver")
	}})), map[string]want{
		"open": {checkup.Fail, []string{"ftp://host", "LOGPIPE_STAGE_URL"}},
		"put":  {checkup.Note, nil}, "get": {checkup.Note, nil}, "list": {checkup.Note, nil}, "delete": {checkup.Note, nil},
	})
}

var _ checkup.Objects = (*stage.Stage)(nil)
var _ checkup.Reading = (*kinesis.Stream)(nil)
var _ checkup.TokenStore = (*token.Store)(nil)

func TestParameters(t *testing.T) {
	t.Parallel()
	of := func(value string, kind types.ParameterType) *types.Parameter {
		return &types.Parameter{Value: aws.String(value), Type: kind, Version: 3}
	}
	for name, c := range map[string]struct {
		parameter *types.Parameter
		err       error
		want      want
	}{
		"all is well":  {parameter: of(canary, types.ParameterTypeSecureString), want: want{checkup.OK, []string{"version 3"}}},
		"missing":      {want: want{checkup.Fail, []string{"no such parameter", "LOGPIPE_CLIENT_SECRET_PARAMETER", "AWS_REGION"}}},
		"empty":        {parameter: of("\n", types.ParameterTypeSecureString), want: want{checkup.Fail, []string{"empty"}}},
		"with a space": {parameter: of(canary+" ", types.ParameterTypeSecureString), want: want{checkup.Warn, []string{"spaces"}}},
		"in the open":  {parameter: of(canary, types.ParameterTypeString), want: want{checkup.Warn, []string{"without encryption", "SecureString"}}},
		"away":         {err: errDown, want: want{checkup.Fail, []string{"connection refused", "AWS_ENDPOINT_URL"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.ClientSecretParameter = "/secret"
			cfg.DestinationHeaders = config.Headers{"X-Key": "ssm:/key", "X-Plain": "text"}
			f := &fakeParameters{
				values: map[string]*types.Parameter{"/secret": c.parameter, "/key": of(canary, types.ParameterTypeSecureString)},
				errs:   map[string]error{"/secret": c.err},
			}
			got := found(t, checkup.Parameters(checkup.ParametersCheck{Config: cfg, Open: func(context.Context) (token.Parameters, error) { return f, nil }}))
			requireFindings(t, got, map[string]want{"client-secret": c.want, "header-x-key": {checkup.OK, []string{"/key"}}})
			require.Len(t, got, 2)
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*config.Config)
		role   config.Role
		want   map[string]want
	}{
		"defaults":              {},
		"redaction is off":      {change: func(c *config.Config) { c.Redact = config.RedactOff }, want: map[string]want{"redact": {checkup.Warn, []string{"passwords"}}}},
		"nothing to a starter":  {change: func(c *config.Config) { c.Redact = config.RedactOff }, role: config.RoleStarter},
		"token without TLS":     {change: func(c *config.Config) { c.TokenURL = "http://login.example.com/?key=" + canary }, want: map[string]want{"token_url": {checkup.Warn, []string{"login.example.com", "https"}}}},
		"events without TLS":    {change: func(c *config.Config) { c.DestinationURL = "http://10.1.2.3/" }, want: map[string]want{"destination_url": {checkup.Warn, nil}}},
		"events to this host":   {change: func(c *config.Config) { c.DestinationURL = "http://[::1]:80/" }},
		"a directory":           {change: func(c *config.Config) { c.StageURL = "file:///x" }, want: map[string]want{"stage_url": {checkup.Warn, []string{"s3://"}}}},
		"never swept":           {change: func(c *config.Config) { c.StageSweepAfter = 0 }, want: map[string]want{"stage_sweep_after": {checkup.Warn, nil}}},
		"gives up soon":         {change: func(c *config.Config) { c.DeliveryGiveUpAfter = time.Minute }, want: map[string]want{"delivery_give_up_after": {checkup.Warn, []string{"redrive"}}}},
		"gives up late":         {change: func(c *config.Config) { c.DeliveryGiveUpAfter = 48 * time.Hour }},
		"slow to take over":     {change: func(c *config.Config) { c.HeartbeatTimeout = 5 * time.Minute }, want: map[string]want{"heartbeat_timeout": {checkup.Warn, []string{"5m"}}}},
		"stops at gaps":         {change: func(c *config.Config) { c.OnGap = config.OnGapFail }, want: map[string]want{"on_gap": {checkup.Note, []string{"skip-gap"}}}},
		"connects for too long": {change: func(c *config.Config) { c.DestinationTimeout = time.Second }, want: map[string]want{"destination_connect_timeout": {checkup.Warn, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.StageURL, cfg.DestinationURL, cfg.TokenURL, cfg.MetricsListen = "s3://b", "https://a.example.com/", "https://t.example.com/", ":9464"
			role := c.role
			if role == 0 {
				role = config.RoleStarter | config.RoleWorker
			}
			if c.change != nil {
				c.change(&cfg)
			}
			requireFindings(t, found(t, checkup.Settings(cfg, role)), c.want)
		})
	}
	got := found(t, checkup.Unread(errors.Join(errors.New("LOGPIPE_STREAM: is not set"), errors.New("LOGPIPE_X: is no setting"))))
	require.Len(t, got["valid"], 2)
	require.Equal(t, checkup.Fail, got["valid"][1].Status)
}

func TestClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		theirs time.Time
		err    error
		want   want
	}{
		"the same":          {theirs: now, want: want{checkup.OK, []string{"1s apart"}}},
		"half a minute off": {theirs: now.Add(30 * time.Second), want: want{checkup.OK, nil}},
		"two minutes late":  {theirs: now.Add(2 * time.Minute), want: want{checkup.Warn, []string{"2m0s behind", "NTP"}}},
		"two minutes early": {theirs: now.Add(-2*time.Minute - time.Second), want: want{checkup.Warn, []string{"2m0s ahead of"}}},
		"five minutes late": {theirs: now.Add(5 * time.Minute), want: want{checkup.Fail, []string{"signatures"}}},
		"an hour early":     {theirs: now.Add(-time.Hour), want: want{checkup.Fail, []string{"ahead of"}}},
		"not told":          {want: want{checkup.Note, []string{"does not tell"}}},
		"not answered":      {err: errDown, want: want{checkup.Note, []string{"cannot be asked"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := func(context.Context) (time.Time, error) { return c.theirs, c.err }
			requireFindings(t, found(t, checkup.Clocks([]checkup.Clock{{Name: "kinesis", Ask: ask}}, clock)), map[string]want{"kinesis": c.want})
		})
	}
}

// TestRun: a check that hangs costs its own findings, and those of no other.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		stream := func(ask func(context.Context) error) checkup.Check {
			return checkup.Stream(checkup.StreamCheck{Open: func(ctx context.Context) (checkup.Reading, error) { return nil, ask(ctx) }})
		}
		var names, messages []string
		begun := time.Now()
		counts := checkup.Run(t.Context(), []checkup.Check{
			stream(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			{Name: "stage", Run: func(context.Context, *checkup.Report) { <-release }},
			checkup.Settings(config.Default(), config.RoleStarter),
		}, 10*time.Second, func(f checkup.Finding) {
			names = append(names, f.Name)
			messages = append(messages, f.Message)
		})
		require.Equal(t, 11*time.Second, time.Since(begun), "all at once")
		require.Equal(t, 2, counts[checkup.Fail])
		require.Contains(t, messages[0], "no answer within 10s")
		at := len(names) - 3
		require.Equal(t, "stage/unfinished", names[at])
		require.Contains(t, messages[at], "no answer within 10s")
		require.Equal(t, "settings/valid", names[at+1], "in the order of the checks")
	})
}

func TestSelect(t *testing.T) {
	t.Parallel()
	all := []checkup.Check{{Name: "stage"}, {Name: "token"}, {Name: "clock"}}
	selected, shown, err := checkup.Select(all, []string{"stage/put", "clock"})
	require.NoError(t, err)
	require.Len(t, selected, 2)
	for name, want := range map[string]bool{"stage/put": true, "stage/get": false, "clock/kinesis": true, "token/request": false} {
		require.Equal(t, want, shown(checkup.Finding{Name: name}), name)
	}
	_, shown, err = checkup.Select(all, nil)
	require.NoError(t, err)
	require.True(t, shown(checkup.Finding{Name: "token/request"}))
	_, _, err = checkup.Select(all, []string{"stages"})
	require.ErrorContains(t, err, `"stages"`)
	require.ErrorContains(t, err, strings.Join(checkup.Names(), ", "))
}
