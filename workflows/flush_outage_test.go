package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// details is what the page of the workflow shows.
func details(t *testing.T, env *testsuite.TestWorkflowEnvironment) string {
	t.Helper()
	value, err := env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

func unavailable(kind string, of workflows.Refusal) error {
	return temporal.NewApplicationError("it is away", kind, of)
}

// An outage of days, of whatever a window needs, ends no window. It costs one try in five
// minutes, however many batches the window has, and the page tells what is waited for.
func TestFlushWindowOutlastsOutagesOfDays(t *testing.T) {
	t.Parallel()
	const outage = 72 * time.Hour
	for name, c := range map[string]struct {
		kind   string
		remedy string
		// breaks makes an activity fail for as long as away returns an error.
		breaks func(w *worker, away func() error)
	}{
		workflows.FormatLogsName: {workflows.ErrorStageUnavailable, "See to the stage", func(w *worker, away func() error) {
			format := w.format
			w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
				if err := away(); err != nil {
					return workflows.FormatLogsResult{}, err
				}
				return format(in)
			}
		}},
		workflows.AcquireTokenName: {workflows.ErrorTokenUnavailable, "The page of the TokenKeeper", func(w *worker, away func() error) {
			w.acquire = func(in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{Version: in.RefusedVersion + 1}, away()
			}
		}},
		workflows.DeliverBatchName: {workflows.ErrorDestinationUnavailable, "see to the destination", func(w *worker, away func() error) {
			w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, away()
			}
		}},
		workflows.SplitBatchName: {workflows.ErrorStageUnavailable, "See to the stage", func(w *worker, away func() error) {
			w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				if in.Batch.IdempotencyKey == "key-0" {
					return workflows.DeliverBatchResult{}, refused(workflows.ErrorBatchTooLarge, 413)
				}
				return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
			}
			split := w.split
			w.split = func(in workflows.SplitBatchInput) (workflows.SplitBatchResult, error) {
				if err := away(); err != nil {
					return workflows.SplitBatchResult{}, err
				}
				return split(in)
			}
		}},
		workflows.ClearStageName: {workflows.ErrorStageUnavailable, "See to the stage", func(w *worker, away func() error) {
			w.clear = func(workflows.ClearStageInput) error { return away() }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			start := env.Now()
			var tries []time.Duration
			c.breaks(w, func() error {
				since := env.Now().Sub(start)
				if since >= outage {
					return nil
				}
				tries = append(tries, since)
				return unavailable(c.kind, workflows.Refusal{})
			})
			w.register(env)
			env.RegisterDelayedCallback(func() {
				text := details(t, env)
				require.Contains(t, text, "**"+visibility.StatusRetrying+"**")
				require.Regexp(t, fmt.Sprintf(`\*\*%s\*\* since (%s|%s)\S+, tried \d{3} times:`, c.kind,
					start.UTC().Format("2006-01-02T15:"), start.Add(time.Minute).UTC().Format("2006-01-02T15:")), text)
				require.Contains(t, text, "it is away\n\n")
				require.Contains(t, text, c.remedy)
				require.Contains(t, text, "It is tried again by itself, next at ")
			}, outage/2)
			out := flushed(t, env)
			require.Equal(t, visibility.StatusDelivered, out.Status)
			require.NotContains(t, details(t, env), c.kind, "nothing is left of it")
			if name != workflows.ClearStageName {
				require.ElementsMatch(t, []string{"raw", "batch-0", "batch-1"}, w.cleared)
			}

			long := 0
			for i := 1; i < len(tries); i++ {
				if tries[i-1] > time.Hour {
					long++
					require.GreaterOrEqual(t, tries[i]-tries[i-1], 5*time.Minute)
					require.LessOrEqual(t, tries[i]-tries[i-1], 6*time.Minute, "and it is noticed soon when it is back")
				}
			}
			require.Greater(t, long, 700, "tries go on through the whole outage")
		})
	}
}

// A redrive has what is waited for tried at once, and the other batches follow.
func TestRedriveTriesAtOnce(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	mended := false
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if !mended {
			return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{HTTPStatus: 503, Attempts: 1})
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		mended = true
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, 50*time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Less(t, env.Now().Sub(start), 50*time.Hour+2*time.Second)
	require.Len(t, w.delivered, 2)
}

// A batch that the destination never takes, though it says that it will, does not keep the
// others of its window waiting.
func TestBatchesTakeTurns(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	format := w.format
	w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		out, err := format(in)
		out.Concurrency = 1
		for n := 2; n < 9; n++ {
			out.Batches = append(out.Batches, workflows.Batch{StageKey: fmt.Sprint("batch-", n), IdempotencyKey: fmt.Sprint("key-", n), Events: 1})
		}
		return out, err
	}
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if in.Batch.IdempotencyKey == "key-0" && len(w.delivered) < 9 {
			return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{HTTPStatus: 500, Attempts: w.attempt})
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: w.attempt}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Len(t, w.delivered, 8)
		require.Contains(t, details(t, env), "8 of 9 batches finished")
		w.delivered = append(w.delivered, "mended")
	}, time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
}

// The destination says when it wants to be asked again, and is not asked before.
func TestFlushWindowObeysRetryAfter(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	var tries []time.Duration
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		tries = append(tries, env.Now().Sub(start))
		if env.Now().Sub(start) > 10*time.Hour {
			return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
		}
		return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable,
			workflows.Refusal{HTTPStatus: 429, Attempts: 1, RetryAfter: time.Hour})
	}
	w.register(env)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	for i := 1; i < len(tries)-1; i++ {
		if tries[i-1] > time.Minute { // the first ones are Temporal's
			require.GreaterOrEqual(t, tries[i]-tries[i-1], time.Hour)
		}
	}
}

// delivery_give_up_after: the window is parked, all of it, and tried again when an
// operator says so.
func TestFlushWindowGivesUp(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	tried := 0
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if env.Now().Sub(start) > 30*time.Hour {
			return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
		}
		tried++
		return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable,
			workflows.Refusal{HTTPStatus: 503, Attempts: 1, GiveUpAfter: 2 * time.Hour})
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		text := details(t, env)
		require.Contains(t, text, "**parked**")
		require.Contains(t, text, "**2 parked**")
		require.Contains(t, text, "batch 1 of 2 (2 events), since ")
		require.Contains(t, text, "DestinationUnavailable: it is away")
		before := tried
		env.RegisterDelayedCallback(func() { require.Equal(t, before, tried, "nothing is tried before the operator says so") }, 10*time.Hour)
	}, 5*time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalRedrive, nil) }, 20*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**2 parked**", "a redrive has as much time as the first try")
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, 40*time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.ElementsMatch(t, []string{"key-0", "key-1"}, w.delivered)
}

// A token that expires in an outage is replaced, and the page still tells since when the
// destination is away.
func TestTokensExpireDuringAnOutage(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	valid := func(version int64) bool { return env.Now().Sub(start) < time.Duration(version)*time.Hour }
	w.acquire = func(in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
		v := max(in.RefusedVersion+1, 1)
		for !valid(v) {
			v++
		}
		return workflows.TokenVersion{Version: v}, nil
	}
	tried := 0
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if !valid(in.TokenVersion) {
			return workflows.DeliverBatchResult{}, temporal.NewNonRetryableApplicationError("expired", workflows.ErrorTokenRefused, nil,
				workflows.Refusal{TokenVersion: in.TokenVersion})
		}
		tried++
		if env.Now().Sub(start) < 24*time.Hour {
			return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{HTTPStatus: 503, Attempts: w.attempt})
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: w.attempt}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**DestinationUnavailable** since "+start.UTC().Format("2006-01-02T15:"))
		require.Contains(t, details(t, env), "the last answered with HTTP status 503")
	}, 20*time.Hour)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, tried, out.Attempts, "each request is counted once")
	require.LessOrEqual(t, len(w.acquired), 26, "one token in an hour")
	require.LessOrEqual(t, tried, 24*12+30)
}

// since is when the only trouble of a window has begun.
func since(t *testing.T, p *workflows.FlushProgress) time.Time {
	t.Helper()
	for _, trouble := range []*workflows.FlushTrouble{p.Stage, p.Token, p.Refused, p.Delivery} {
		if trouble != nil {
			return trouble.Since
		}
	}
	require.Fail(t, "no trouble is handed on")
	return time.Time{}
}

// The trouble goes on in the next run of the workflow as it was.
func TestOutageGoesOnInTheNextRun(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(w *worker, err error){
		"format": func(w *worker, err error) {
			w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
				return workflows.FormatLogsResult{}, err
			}
		},
		"deliver": func(w *worker, err error) {
			w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				return workflows.DeliverBatchResult{}, err
			}
		},
		"acquire": func(w *worker, err error) {
			w.acquire = func(workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{}, err
			}
		},
		"clear": func(w *worker, err error) { w.clear = func(workflows.ClearStageInput) error { return err } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			breaks(w, unavailable("Away", workflows.Refusal{}))
			w.register(env)
			env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
			env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
			var next *workflow.ContinueAsNewError
			require.ErrorAs(t, env.GetWorkflowError(), &next)
			in := continuedInput[workflows.FlushWindowInput](t, next)

			env, w = environment(t), newWorker()
			env.SetStartTime(since(t, in.Progress).Add(time.Hour + 30*time.Second))
			w.register(env)
			var text string
			env.RegisterDelayedCallback(func() { text = details(t, env) }, time.Second)
			env.ExecuteWorkflow(workflows.FlushWindow, in)
			require.NoError(t, env.GetWorkflowError())
			require.Contains(t, text, "**Away** since "+since(t, in.Progress).UTC().Format(time.RFC3339))
			var out workflows.FlushWindowResult
			require.NoError(t, env.GetWorkflowResult(&out))
			require.Equal(t, visibility.StatusDelivered, out.Status)
			require.Equal(t, 3, out.Events)
			require.ElementsMatch(t, []string{"raw", "batch-0", "batch-1"}, w.cleared)
		})
	}
}
