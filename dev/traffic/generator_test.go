package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

var fixedTime = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

// sample produces requests without a clock.
func sample(t *testing.T, mix Mix, seed uint64, events int) map[stream][]Event {
	t.Helper()
	g, err := NewGenerator(nil, GeneratorConfig{Rate: 1, Mix: mix, Seed: seed, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	p := newPopulation(g.random, mix, g.config.Account, g.config.Region, fixedTime)
	g.produce(p, fixedTime, fixedTime.Add(time.Second), float64(events))
	return g.pending
}

func TestGeneratorGolden(t *testing.T) {
	t.Parallel()
	for _, mix := range Mixes() {
		t.Run(string(mix), func(t *testing.T) {
			t.Parallel()
			pending := sample(t, mix, 1, 60)
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			places := make([]stream, 0, len(pending))
			for place := range pending {
				places = append(places, place)
			}
			slices.SortFunc(places, func(a, b stream) int { return strings.Compare(a.group+a.name, b.group+b.name) })
			for _, place := range places {
				for _, e := range pending[place] {
					require.NoError(t, enc.Encode(map[string]any{"logGroup": place.group, "logStream": place.name, "timestamp": e.Millis, "message": e.Message}))
				}
			}
			path := filepath.Join("testdata", string(mix)+".golden")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("the traffic differs from %s; run with -update and look at the change", path)
			}
			require.True(t, reflect.DeepEqual(pending, sample(t, mix, 1, 60)), "the same seed must give the same traffic")
			require.False(t, reflect.DeepEqual(pending, sample(t, mix, 2, 60)), "another seed must give other traffic")
		})
	}
}

// Each line of an execution log is one of these.
var executionKinds = map[string]*regexp.Regexp{
	"extended_request_id":     regexp.MustCompile(`^Extended Request Id: ?(\S+)\s*$`),
	"authorizer_start":        regexp.MustCompile(`^Starting authorizer: (\S+) for request: (\S+)$`),
	"authorizer_identity":     regexp.MustCompile(`^Incoming identity: (.*)$`),
	"authorizer_result":       regexp.MustCompile(`(?s)^Authorizer result body before parsing: ?(.*)$`),
	"authorizer_policy":       regexp.MustCompile(`^Using valid authorizer policy for principal: ?(.*)$`),
	"authorizer_done":         regexp.MustCompile(`^Successfully completed authorizer execution$`),
	"authorizer_unauthorized": regexp.MustCompile(`^Unauthorized request: (\S+)$`),
	"usage_plan_verify":       regexp.MustCompile(`^Verifying Usage Plan for request: (\S+)\. API Key:\s*(\S*?)\s*API Stage: (\S+)$`),
	"api_key_not_required":    regexp.MustCompile(`^API Key\s+authorized because method '(\S+) (.+)' does not require API Key\. Request will not contribute to throttle or quota limits$`),
	"usage_plan_ok":           regexp.MustCompile(`^Usage Plan check succeeded for API Key\s*(\S*?)\s*and API Stage (\S+)$`),
	"throttled":               regexp.MustCompile(`^(Key throttle limit|Key quota limit|[A-Za-z ]*limit) exceeded for (?:RestApi (\S+), Stage (\S+), Resource (\S+), HttpMethod (\S+)\. )?(.*)$`),
	"start":                   regexp.MustCompile(`^Starting execution for request: (\S+)$`),
	"http_method":             regexp.MustCompile(`^HTTP Method: (\S+), Resource Path: (.*)$`),
	"api_key":                 regexp.MustCompile(`^API Key: ?(.*)$`),
	"api_key_id":              regexp.MustCompile(`^API Key ID: ?(.*)$`),
	"req_path_query_headers":  regexp.MustCompile(`(?s)^Method request (path|query string|headers): ?(.*)$`),
	"req_body":                regexp.MustCompile(`(?s)^Method request body before transformations: ?(.*)$`),
	"int_uri":                 regexp.MustCompile(`^Endpoint request URI: ?(.*)$`),
	"int_req_headers":         regexp.MustCompile(`(?s)^Endpoint request headers: ?(.*)$`),
	"int_req_body":            regexp.MustCompile(`(?s)^Endpoint request body after transformations: ?(.*)$`),
	"int_sending":             regexp.MustCompile(`^Sending request to (.*)$`),
	"int_received":            regexp.MustCompile(`^Received response\.(?: Status: (\d{1,3}),)? Integration latency: (\d+) ms$`),
	"int_resp_headers":        regexp.MustCompile(`(?s)^Endpoint response headers: ?(.*)$`),
	"int_resp_body":           regexp.MustCompile(`(?s)^Endpoint response body before transformations: ?(.*)$`),
	"resp_body":               regexp.MustCompile(`(?s)^Method response body after transformations: ?(.*)$`),
	"resp_headers":            regexp.MustCompile(`(?s)^Method response headers: ?(.*)$`),
	"lambda_func_error":       regexp.MustCompile(`(?s)^Lambda execution failed with status (\d+) due to customer function error: (.*?)(?:\. Lambda request id: (\S+))?$`),
	"failed":                  regexp.MustCompile(`(?s)^Execution failed(?: due to (?:an? )?([a-z ]+?))?(?:: (.*))?$`),
	"success":                 regexp.MustCompile(`^Successfully completed execution$`),
	"completed":               regexp.MustCompile(`^Method completed with status: (\d+)$`),
	"int_request_id":          regexp.MustCompile(`^AWS Integration Endpoint RequestId ?: ?(\S+)$`),
	"xray":                    regexp.MustCompile(`(?i)^X-ray Tracing ID ?: ?(\S+)$`),
}

var (
	executionPrefix = regexp.MustCompile(`^\(([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\) `)
	clf             = regexp.MustCompile(`^(\S+) (\S+) (\S+) \[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "([A-Z]+|-) (.*?) (HTTP/[\d.]+|-)" (\d{3}|-) (\d+|-) (\S+)(?: ([A-Za-z0-9_+/-]{12,}={1,2}|-))?(?: (.*))?$`)
	executionGroup  = regexp.MustCompile(`^API-Gateway-Execution-Logs_([a-z0-9]{10})/(\S+)$`)
	accessGroup     = regexp.MustCompile(`^/aws/apigateway/[a-z0-9-]+$`)
	hashStream      = regexp.MustCompile(`^[0-9a-f]{32}$`)
	httpStream      = regexp.MustCompile(`^[a-z0-9]{10}_(live|prod|\.default)-\d{4}-\d\d-\d\d-\d\d-\d\d$`)
)

func TestExecutionLines(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	longest, multiline := 0, 0
	for place, events := range sample(t, Execution, 7, 12_000) {
		require.Regexp(t, executionGroup, place.group)
		require.Regexp(t, hashStream, place.name)
		requests := map[string][]string{}
		for _, e := range events {
			id := executionPrefix.FindStringSubmatch(e.Message)
			require.NotNil(t, id, e.Message)
			text := e.Message[len(id[0]):]
			kind := classify(text)
			require.NotEmpty(t, kind, text)
			seen[kind]++
			requests[id[1]] = append(requests[id[1]], kind)
			if cut, ok := strings.CutSuffix(text, " [TRUNCATED]"); ok {
				seen["truncated "+kind]++
				require.Len(t, []rune(cut), 1024, text)
			} else {
				longest = max(longest, len([]rune(text)))
			}
			if strings.Contains(text, "\n") {
				multiline++
			}
		}
		for id, kinds := range requests {
			require.Equal(t, "extended_request_id", kinds[0], id)
			terminal := slices.Contains(kinds, "completed") || kinds[len(kinds)-1] == "authorizer_unauthorized"
			require.True(t, terminal, "%s ends with %v", id, kinds)
		}
	}
	for kind := range executionKinds {
		if seen[kind] == 0 {
			t.Errorf("no line of kind %s was written", kind)
		}
	}
	for _, kind := range []string{"int_req_headers", "int_req_body", "int_resp_body", "resp_body"} {
		require.NotZero(t, seen["truncated "+kind], kind)
	}
	require.LessOrEqual(t, longest, 1024)
	require.NotZero(t, multiline)
}

func classify(text string) string {
	for kind, pattern := range executionKinds {
		if pattern.MatchString(text) {
			return kind
		}
	}
	return ""
}

func TestAccessLines(t *testing.T) {
	t.Parallel()
	absent, doubled, defaults, reasons := 0, 0, 0, 0
	for place, events := range sample(t, AccessCLF, 3, 5000) {
		require.Regexp(t, accessGroup, place.group)
		require.True(t, hashStream.MatchString(place.name) || httpStream.MatchString(place.name), place.name)
		for _, e := range events {
			fields := clf.FindStringSubmatch(e.Message)
			require.NotNil(t, fields, e.Message)
			if fields[2] == "-" {
				absent++
			}
			if strings.HasPrefix(fields[6], fields[5]+" ") {
				doubled++
			}
			if fields[6] == "$default" {
				defaults++
			}
			if strings.Contains(fields[12], " ") {
				reasons++
			}
			_, err := time.Parse("02/Jan/2006:15:04:05 -0700", fields[4])
			require.NoError(t, err)
		}
	}
	require.NotZero(t, absent)
	require.NotZero(t, doubled, "GET GET /x")
	require.NotZero(t, defaults, "GET $default")
	require.NotZero(t, reasons, "free text after the last field")

	keys := map[string]int{}
	for place, events := range sample(t, AccessJSON, 3, 5000) {
		require.Regexp(t, accessGroup, place.group)
		for _, e := range events {
			var line map[string]any
			require.NoError(t, json.Unmarshal([]byte(e.Message), &line), e.Message)
			for key, value := range line {
				keys[key]++
				if value == "-" {
					absent++
					keys["absent "+key]++
				}
			}
		}
	}
	for _, key := range []string{"requestId", "request_id", "routeKey", "http", "integration", "requestTime", "requestTimeEpoch", "request_time_epoch", "absent user", "absent integrationErrorMessage", "absent error_message"} {
		require.NotZero(t, keys[key], key)
	}
}

func TestMixedJoinsAccessAndExecution(t *testing.T) {
	t.Parallel()
	ids, joined := map[string]bool{}, 0
	pending := sample(t, Mixed, 5, 5000)
	for place, events := range pending {
		for _, e := range events {
			if id := executionPrefix.FindStringSubmatch(e.Message); id != nil && executionGroup.MatchString(place.group) {
				ids[id[1]] = true
			}
		}
	}
	for place, events := range pending {
		for _, e := range events {
			if !strings.Contains(place.group, "payments") {
				continue
			}
			var line struct {
				RequestID string `json:"request_id"`
			}
			require.NoError(t, json.Unmarshal([]byte(e.Message), &line))
			require.True(t, ids[line.RequestID], "no execution log of %s", line.RequestID)
			joined++
		}
	}
	require.NotZero(t, joined)
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	_, err := compileTemplate("$context.nonsense")
	require.ErrorContains(t, err, "$context.nonsense")
	i := &interaction{api: &api{}, route: &route{}, user: &user{agent: `a "b" \c`}, outcome: unauthorized, errorMessage: "no"}
	require.JSONEq(t, `{"a":"a \"b\" \\c","m":"no","l":"-"}`,
		string(mustCompile(`{"a":"$context.identity.userAgent","m":$context.error.messageString,"l":"$context.integration.latency"}`).appendLine(nil, i)))
	require.Equal(t, `a "b" \c - end.`, string(mustCompile(`$context.identity.userAgent $context.identity.user end.`).appendLine(nil, i)))
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", strings.Repeat("x", 1024), strings.Repeat("ö", 1024)} {
		require.Equal(t, text, truncate(text))
	}
	require.Equal(t, strings.Repeat("ö", 1024)+" [TRUNCATED]", truncate(strings.Repeat("ö", 1025)))
}

func TestNewGeneratorRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []GeneratorConfig{{}, {Rate: -1}, {Rate: 1, Mix: "all"}, {Rate: 1, Interval: -1}, {Rate: 1, Limit: -1}} {
		_, err := NewGenerator(nil, c)
		require.Error(t, err, "%+v", c)
	}
	_, err := ParseMix("all")
	require.ErrorContains(t, err, "choose from mixed, access-json, access-clf, access-csv, access-xml, execution")
}

func TestGeneratorKeepsItsRate(t *testing.T) {
	t.Parallel()
	for _, mix := range Mixes() {
		t.Run(string(mix), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				logs := newFakeLogs()
				w := testWriter(t, logs)
				g, err := NewGenerator(w, GeneratorConfig{Rate: 500, Mix: mix, Seed: 1, Logger: slog.New(slog.DiscardHandler)})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second+time.Millisecond)
				defer cancel()
				require.NoError(t, g.Run(ctx))
				got := w.Counts()
				require.InDelta(t, 10_000, got.Events, 40)
				require.Equal(t, g.Generated(), got.Events)
				require.Zero(t, got.Lost())
				require.Zero(t, g.Behind())
				require.Len(t, logs.messages(), int(got.Events))
				for group := range logs.groups {
					require.Equal(t, "arn:aws:kinesis:eu-west-1:123456789012:stream/logs", *logs.filters[group].DestinationArn)
				}
				for _, events := range logs.all() {
					for _, e := range events {
						require.LessOrEqual(t, e.Millis, time.Now().UnixMilli())
					}
				}
			})
		})
	}
}

func TestGeneratorStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := testWriter(t, newFakeLogs())
		g, err := NewGenerator(w, GeneratorConfig{Rate: 1e5, Limit: 1000, Mix: AccessJSON})
		require.NoError(t, err)
		require.NoError(t, g.Run(t.Context()))
		require.EqualValues(t, 1000, w.Counts().Events)
	})
}

func TestGeneratorFallsBehindAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs := newFakeLogs()
		logs.fault = func(operation string) error {
			if operation == "PutLogEvents" {
				time.Sleep(5 * time.Second)
			}
			return nil
		}
		w := testWriter(t, logs)
		g, err := NewGenerator(w, GeneratorConfig{Rate: 100})
		require.NoError(t, err)
		g.atOnce = 1000
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, g.Run(ctx))
		require.Greater(t, g.Behind(), int64(1000))
	})
}

func TestGeneratorFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		denied := &types.AccessDeniedException{}
		for _, operation := range []string{"CreateLogGroup", "CreateLogStream", "PutSubscriptionFilter", "PutLogEvents"} {
			logs := newFakeLogs()
			logs.fault = func(called string) error {
				if called == operation {
					return denied
				}
				return nil
			}
			w := testWriter(t, logs)
			g, err := NewGenerator(w, GeneratorConfig{Rate: 1000})
			require.NoError(t, err)
			err = g.Run(t.Context())
			require.ErrorIs(t, err, denied)
			require.Equal(t, g.Generated(), w.Counts().Events+w.Counts().Lost())
		}
	})
}

func BenchmarkGenerator(b *testing.B) {
	for _, mix := range Mixes() {
		b.Run(string(mix), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 1))
			p := newPopulation(random, mix, "123456789012", "eu-west-1", fixedTime)
			g := &Generator{random: random, pending: map[stream][]Event{}}
			n, size := 0, 0
			for b.Loop() {
				n += g.add(p.newInteraction(random, fixedTime))
				for place, events := range g.pending {
					for _, e := range events {
						size += len(e.Message)
					}
					g.pending[place] = events[:0]
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(size)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}
