package activities_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

const (
	parameter = "/p/token"
	// secretCanary is in every token, logCanary in every log line and body. Neither
	// may be in an error or a result.
	secretCanary = "canary-of-a-token"
	logCanary    = "canary-of-a-log-line"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func clock() time.Time { return now }

// noChance draws the least.
func noChance(time.Duration) time.Duration { return 0 }

// environment runs activities as a worker does.
func environment(t *testing.T) *testsuite.TestActivityEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite.NewTestActivityEnvironment()
}

// execute runs one attempt of an activity. Input, result and error go through the
// data converter.
func execute[In, Out any](t *testing.T, activity func(context.Context, In) (Out, error), in In) (Out, error) {
	t.Helper()
	env := environment(t)
	env.RegisterActivity(activity)
	var out Out
	value, err := env.ExecuteActivity(activity, in)
	if err != nil {
		return out, err
	}
	require.NoError(t, value.Get(&out))
	return out, nil
}

// requireFailure checks what Temporal acts on, and that nothing leaks.
func requireFailure(t *testing.T, err error, kind string, retried bool) *temporal.ApplicationError {
	t.Helper()
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "no application error: %v", err)
	require.Equal(t, kind, failure.Type(), err)
	require.Equal(t, retried, !failure.NonRetryable(), "retried: %v", err)
	require.NotEmpty(t, failure.Message())
	for text := err.Error(); ; {
		require.NotContains(t, text, secretCanary)
		require.NotContains(t, text, logCanary)
		if err = errors.Unwrap(err); err == nil {
			return failure
		}
		text = fmt.Sprintf("%v %+v", err, err)
	}
}

// fakeStage keeps objects in memory. Each kind of access can be broken.
type fakeStage struct {
	mu      sync.Mutex
	objects map[string][]byte
	// brokenPut and the others are returned instead of an answer.
	brokenPut, brokenGet, brokenDelete, brokenList error
	// brokenAfter makes a Reader fail after so many bytes, with brokenGet.
	brokenAfter int
}

func newFakeStage() *fakeStage { return &fakeStage{objects: map[string][]byte{}} }

func (s *fakeStage) Put(_ context.Context, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brokenPut != nil {
		return s.brokenPut
	}
	// As the real stage: the caller may use its buffer again.
	s.objects[key] = bytes.Clone(body)
	return nil
}

func (s *fakeStage) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brokenGet != nil {
		return nil, s.brokenGet
	}
	body, ok := s.objects[key]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", key, stage.ErrNotFound)
	}
	return body, nil
}

func (s *fakeStage) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	if s.brokenAfter > 0 {
		return io.NopCloser(io.MultiReader(bytes.NewReader(s.objects[key][:s.brokenAfter]), failingReader{s.brokenGet})), nil
	}
	body, err := s.Get(ctx, key)
	return io.NopCloser(bytes.NewReader(body)), err
}

func (s *fakeStage) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brokenDelete != nil {
		return s.brokenDelete
	}
	delete(s.objects, key)
	return nil
}

func (s *fakeStage) List(_ context.Context, prefix string) iter.Seq2[stage.Object, error] {
	return func(yield func(stage.Object, error) bool) {
		if s.brokenList != nil {
			yield(stage.Object{}, s.brokenList)
			return
		}
		for _, key := range s.keys(prefix) {
			if !yield(stage.Object{Key: key, Size: int64(len(s.objects[key]))}, nil) {
				return
			}
		}
	}
}

// keys lists the objects under a prefix.
func (s *fakeStage) keys(prefix string) []string {
	keys := slices.Sorted(maps.Keys(s.objects))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// parameterStore holds the versions of every parameter.
type parameterStore struct {
	mu                   sync.Mutex
	versions             map[string][]string
	brokenGet, brokenPut error
}

func (p *parameterStore) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokenGet != nil {
		return nil, p.brokenGet
	}
	name, asked, versioned := strings.Cut(*in.Name, ":")
	at := len(p.versions[name])
	switch {
	case at == 0:
		return nil, &types.ParameterNotFound{}
	case versioned:
		latest := at
		if at, _ = strconv.Atoi(asked); at < 1 || at > latest {
			return nil, &types.ParameterVersionNotFound{}
		}
	}
	return &ssm.GetParameterOutput{Parameter: &types.Parameter{Value: aws.String(p.versions[name][at-1]), Version: int64(at)}}, nil
}

func (p *parameterStore) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokenPut != nil {
		return nil, p.brokenPut
	}
	p.versions[*in.Name] = append(p.versions[*in.Name], *in.Value)
	return &ssm.PutParameterOutput{Version: int64(len(p.versions[*in.Name]))}, nil
}

// newStore returns a store that holds a token for each of the lives, in this order.
func newStore(t *testing.T, lives ...time.Duration) (*token.Store, *parameterStore) {
	t.Helper()
	parameters := &parameterStore{versions: map[string][]string{}}
	store := token.NewStore(parameters, token.StoreOptions{Name: parameter})
	for i, life := range lives {
		_, err := store.Put(t.Context(), aToken(i+1, life))
		require.NoError(t, err)
	}
	return store, parameters
}

// aToken is the nth token, obtained now.
func aToken(n int, life time.Duration) token.Token {
	return token.Token{
		AccessToken: config.NewSecret(fmt.Sprintf("%s-%d", secretCanary, n)), Type: "Bearer",
		ObtainedAt: now, ExpiresAt: now.Add(life),
	}
}
