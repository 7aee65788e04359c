package checkup_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func clock() time.Time { return now }

// errDown is what comes of a service that does not answer.
var errDown = errors.New("connection refused")

// found runs one check. Of several findings with one name all are kept, the gravest first.
func found(t *testing.T, check checkup.Check) map[string][]checkup.Finding {
	t.Helper()
	all := map[string][]checkup.Finding{}
	checkup.Run(t.Context(), []checkup.Check{check}, time.Minute, func(f checkup.Finding) {
		require.NotContains(t, f.Message+f.Remedy, "\n")
		require.NotEmpty(t, f.Message, f.Name)
		require.NotContains(t, f.Message+f.Remedy, canary)
		_, what, _ := strings.Cut(f.Name, "/")
		all[what] = append(all[what], f)
	})
	return all
}

// canary is a secret that no finding may show.
const canary = "canary-31415"

// want is what one finding has to be.
type want struct {
	status checkup.Status
	says   []string
}

// requireFindings compares all findings of a check that are not ok with those wanted.
func requireFindings(t *testing.T, got map[string][]checkup.Finding, wanted map[string]want) {
	t.Helper()
	var unexpected []checkup.Finding
	for what, findings := range got {
		for _, f := range findings {
			if w, ok := wanted[what]; !ok && f.Status != checkup.OK || ok && w.status != f.Status {
				unexpected = append(unexpected, f)
			}
		}
	}
	require.Empty(t, unexpected)
	for what, w := range wanted {
		require.NotEmpty(t, got[what], "%s is among %v", what, slices.Sorted(maps.Keys(got)))
		for _, text := range w.says {
			require.Contains(t, got[what][0].Message+" → "+got[what][0].Remedy, text, what)
		}
	}
}

// fakeStream answers what its fields say.
type fakeStream struct {
	described                               kinesis.Description
	shards                                  []kinesis.Shard
	records                                 int
	describeErr, listErr, iteratorErr, read error
	calls                                   []string
}

func (f *fakeStream) Describe(context.Context) (kinesis.Description, error) {
	f.calls = append(f.calls, "describe")
	return f.described, f.describeErr
}

func (f *fakeStream) Shards(context.Context, string) ([]kinesis.Shard, error) {
	f.calls = append(f.calls, "list")
	return f.shards, f.listErr
}

func (f *fakeStream) TryIterator(_ context.Context, shardID string) (string, error) {
	f.calls = append(f.calls, "iterator "+shardID)
	return "it", f.iteratorErr
}

func (f *fakeStream) TryRecords(_ context.Context, iterator string) (int, error) {
	f.calls = append(f.calls, "read "+iterator)
	return f.records, f.read
}

// fakeStage is a stage in memory whose calls can fail.
type fakeStage struct {
	mu                     sync.Mutex
	objects                map[string][]byte
	put, get, list, delete error
	forgets, otherwise     bool
}

func (f *fakeStage) Put(_ context.Context, key string, body []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.put == nil && !f.forgets {
		f.objects[key] = slices.Clone(body)
	}
	return f.put
}

func (f *fakeStage) Get(_ context.Context, key string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.otherwise {
		return []byte("something else"), nil
	}
	return f.objects[key], f.get
}

func (f *fakeStage) List(_ context.Context, prefix string) iter.Seq2[stage.Object, error] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return func(yield func(stage.Object, error) bool) {
		if f.list != nil {
			yield(stage.Object{}, f.list)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(f.objects)) {
			if strings.HasPrefix(key, prefix) && !yield(stage.Object{Key: key}, nil) {
				return
			}
		}
	}
}

func (f *fakeStage) Delete(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delete == nil {
		delete(f.objects, key)
	}
	return f.delete
}

// fakeTemporal is a service with one namespace.
type fakeTemporal struct {
	retention                          time.Duration
	compared                           visibility.Comparison
	pollers                            map[string]int
	namespaceErr, attributesErr, polls error
}

func (f *fakeTemporal) Retention(context.Context) (time.Duration, error) {
	return f.retention, f.namespaceErr
}

func (f *fakeTemporal) SearchAttributes(context.Context) (visibility.Comparison, error) {
	return f.compared, f.attributesErr
}

func (f *fakeTemporal) Pollers(_ context.Context, queue string, kind enumspb.TaskQueueType) (int, error) {
	return f.pollers[queue+" "+kind.String()], f.polls
}

// fakeParameters is a Parameter Store that is only read.
type fakeParameters struct {
	token.Parameters // what is not faked panics

	values map[string]*types.Parameter
	errs   map[string]error
}

func (f *fakeParameters) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if err := f.errs[*in.Name]; err != nil {
		return nil, err
	}
	if f.values[*in.Name] == nil {
		return nil, &types.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: f.values[*in.Name]}, nil
}

// fakeStore is the token's parameter.
type fakeStore struct {
	token    token.Token
	get, put error
	puts     int
}

func (f *fakeStore) Name() string                             { return "/token" }
func (f *fakeStore) Get(context.Context) (token.Token, error) { return f.token, f.get }
func (f *fakeStore) TryPut(context.Context) error {
	f.puts++
	return f.put
}

// fakeSource is a token endpoint.
type fakeSource struct {
	token token.Token
	err   error
	asked int
}

func (f *fakeSource) Fetch(context.Context) (token.Token, error) {
	f.asked++
	return f.token, f.err
}
