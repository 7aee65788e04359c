package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/operator/status"
)

var takenAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// aReport is that of a pipeline with some shards and one problem.
func aReport(shards int) status.Report {
	zero, arrived := 0.0, takenAt.Add(-time.Hour)
	r := status.Report{
		Pipeline: "orders", Stream: "api-logs", TakenAt: takenAt, Health: status.Stuck,
		Problems: []status.Problem{{
			Code: "DestinationRefused", Severity: status.Blocked, Summary: "12 windows parked, 1200 events: the API refuses the batches (HTTP status 403)",
			Detail: "the destination refused the batch\nwith HTTP status 403", Since: &arrived, Advice: "mend what its answer names", Next: []string{"logpipe redrive --all --dry-run"},
		}},
		Shards:     status.Shards{Total: shards, Looked: shards},
		Windows:    status.Windows{Open: 12345, Parked: 12, Listed: 10000},
		Token:      &status.Token{Parameter: "/logpipe/orders/token", Version: 7, ExpiresAt: &takenAt, Expired: true},
		Throughput: status.Throughput{Seconds: 300, Windows: 12, Events: 1200, EventsPerSecond: 4, BytesPerSecond: 1500, Estimated: true},
		Oldest:     &status.Oldest{ArrivedAt: arrived, WorkflowID: "orders/flush/7/1", Status: "parked"},
		Starters:   []status.Process{{Identity: "starter 1@here", LastSeen: takenAt, Shards: 3}},
		Workers:    []status.Process{{Identity: "worker 2@here", LastSeen: arrived, Gone: true}},
	}
	for n := range shards {
		r.Shards.Rows = append(r.Shards.Rows, status.Shard{ID: fmt.Sprint(n), State: status.ShardReading, Owner: "starter 1@here", LagSeconds: &zero, Records: 1000, Open: 2, LastFlush: &arrived})
	}
	return r
}

func drawn(t *testing.T, s *screen, r status.Report, watch bool) string {
	t.Helper()
	var out bytes.Buffer
	s.out = &out
	require.NoError(t, s.draw(r, watch, 5*time.Second))
	return out.String()
}

func TestStatusScreen(t *testing.T) {
	t.Parallel()
	text := drawn(t, &screen{}, aReport(2), false)
	require.Equal(t, `stuck · pipeline orders · stream api-logs · 2026-03-04T05:06:07Z

stuck    12 windows parked, 1200 events: the API refuses the batches (HTTP status 403), since 1h00m ago
         DestinationRefused: the destination refused the batch with HTTP status 403
         mend what its answer names
         → logpipe redrive --all --dry-run

delivered    4.0 events/s, 1.5 kB/s: 1,200 events of 12 windows in the last 5m00s, by a sample
undelivered  the oldest event arrived 1h00m ago, in orders/flush/7/1 (parked)
windows      12,345 open, of these 0 retrying and 12 parked; by shard: of the 10,000 that were listed
token        version 7 of /logpipe/orders/token, expired 0s ago
starters     1: starter 1@here with 3 shards, seen 0s ago
workers      none; gone in the last minutes: 1

SHARD  STATE    LAG  READ TO  RECORDS  OPEN  RETRYING  PARKED  GAPS  LAST FLUSH  OWNER
0      reading  0s   -        1,000    2     0         0       0     1h00m ago   starter 1@here
1      reading  0s   -        1,000    2     0         0       0     1h00m ago   starter 1@here
`, text)
	require.Contains(t, drawn(t, &screen{colours: true}, aReport(2), false), "\x1b[31mstuck")
}

// TestStatusOfManyShards: the worst come first, and the rest is summed up.
func TestStatusOfManyShards(t *testing.T) {
	t.Parallel()
	r := aReport(1000)
	lag := 900.0
	r.Shards.Looked = 700
	r.Shards.Rows[700].State, r.Shards.Rows[700].Owner, r.Shards.Rows[700].Reason = status.ShardFailing, "", "StreamAccessDenied: no\nway"
	r.Shards.Rows[800].LagSeconds = &lag
	r.Shards.Rows[900].Parked = 3
	text := drawn(t, &screen{}, r, false)
	_, table, _ := strings.Cut(text, "SHARD  STATE")
	rows := strings.Split(strings.TrimSpace(table), "\n")[1:]
	require.Len(t, rows, mostRows+1)
	require.Regexp(t, `^700 +failing .* StreamAccessDenied: no way$`, rows[0])
	require.Regexp(t, `^900 .* 3 +0 +1h00m ago`, rows[1])
	require.Regexp(t, `^800 +reading +15m00s`, rows[2])
	require.Regexp(t, `^\+960 +reading +≤ 0s +960,000 +1,920 +0 +0 +0 +1h00m ago +all others together$`, rows[mostRows])
	require.Contains(t, text, "700 of 1,000 shards were looked at this time")
	require.Equal(t, 1000, strings.Count(drawn(t, &screen{all: true}, r, false), "starter 1@here"), "all but the one without an owner, and the line of the starters")
}

// TestStatusFitsTheScreen: a line that is too long, or one too many, would have the terminal
// scroll.
func TestStatusFitsTheScreen(t *testing.T) {
	t.Parallel()
	s := &screen{terminal: true, colours: true, redraws: true, size: func() (int, int, error) { return 60, 24, nil }}
	first := drawn(t, s, aReport(100), true)
	require.True(t, strings.HasPrefix(first, codeClear+codeHome))
	second := drawn(t, s, aReport(100), true)
	require.True(t, strings.HasPrefix(second, codeHome))
	require.True(t, strings.HasSuffix(second, codeRest))
	require.LessOrEqual(t, strings.Count(second, "\n"), 23)
	require.GreaterOrEqual(t, strings.Count(second, "\n"), 20)
	plain := strings.NewReplacer(codeHome, "", codeRest, "", codeEnd, "", codePlain, "", codeBold, "", codeRed, "", codeYellow, "", codeGreen, "").Replace(second)
	for line := range strings.SplitSeq(plain, "\n") {
		require.LessOrEqual(t, len([]rune(line)), 60, line)
	}
	require.Contains(t, plain, "every 5s, Ctrl-C ends")
	require.Contains(t, plain, "+96")
	require.Contains(t, plain, "         DestinationRefused: the destination refused the\n         batch with HTTP status 403\n", "sentences are wrapped, not cut")

	// What is no terminal gets one report after the other, without any code.
	s = &screen{}
	both := drawn(t, s, aReport(2), true) + drawn(t, s, aReport(2), true)
	require.NotContains(t, both, "\x1b")
	require.Contains(t, both, "\n\nstuck · pipeline orders")
}

// looks are answers to looks, the last one again and again.
type looks struct {
	reports []status.Report
	n       int
	after   func(n int)
}

func (l *looks) Look(context.Context) status.Report {
	r := l.reports[min(l.n, len(l.reports)-1)]
	l.n++
	if l.after != nil {
		l.after(l.n)
	}
	return r
}

func watchingOf(l *looks, flags statusFlags) (*watching, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	w := &watching{flags: flags, pipeline: "orders", screen: &screen{out: &out}, out: &out, errors: &errs}
	w.looker = func(context.Context, string, time.Duration) (looker, func(), error) { return l, func() {}, nil }
	return w, &out, &errs
}

func TestStatusExits(t *testing.T) {
	t.Parallel()
	for health, want := range map[status.Health]int{status.Healthy: 0, status.Behind: exitBehind, status.Stuck: exitStuck, status.Unknown: exitFailed} {
		w, out, _ := watchingOf(&looks{reports: []status.Report{{Pipeline: "orders", Health: health, TakenAt: takenAt}}}, statusFlags{})
		err := w.run(t.Context())
		if want == 0 {
			require.NoError(t, err)
		} else {
			var unhealthy *healthError
			require.ErrorAs(t, err, &unhealthy)
			require.Equal(t, want, unhealthy.status)
			require.ErrorIs(t, err, errReported, "it is printed already")
		}
		require.Contains(t, out.String(), string(health))
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	w, out, errs := watchingOf(&looks{reports: []status.Report{aReport(2)}}, statusFlags{asJSON: true})
	require.Error(t, w.run(t.Context()))
	var got status.Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, aReport(2), got)
	require.Empty(t, errs.String())
}

// TestStatusWatches until it is interrupted, and through a time without Temporal.
func TestStatusWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		l := &looks{reports: []status.Report{aReport(1), {Pipeline: "orders", Health: status.Behind, TakenAt: takenAt}}}
		w, out, _ := watchingOf(l, statusFlags{watch: true, interval: 10 * time.Second})
		connect, attempts := w.looker, 0
		w.looker = func(ctx context.Context, p string, d time.Duration) (looker, func(), error) {
			if attempts++; attempts < 3 {
				return nil, nil, errors.New("connection refused")
			}
			return connect(ctx, p, d)
		}
		begun := time.Now()
		time.AfterFunc(45*time.Second, interrupt)
		var unhealthy *healthError
		require.ErrorAs(t, w.run(ctx), &unhealthy)
		require.Equal(t, exitBehind, unhealthy.status, "of the last look")
		require.Equal(t, 45*time.Second, time.Since(begun))
		require.Equal(t, 3, attempts)
		require.Equal(t, 3, l.n)
		require.Equal(t, 2, strings.Count(out.String(), "connection refused"))
		require.Equal(t, 5, strings.Count(out.String(), "pipeline orders"))
	})
}

func TestStatusInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	w, out, _ := watchingOf(&looks{reports: []status.Report{aReport(1)}, after: func(int) { interrupt() }}, statusFlags{})
	err := w.run(ctx)
	var failed *processError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, errInterrupted)
	require.Empty(t, out.String())
}

func TestShortTimes(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{-3: "0s", 0: "0s", 59.9: "59s", 60: "1m00s", 3599: "59m59s", 3600: "1h00m", 172_799: "47h59m", 172_800: "2d00h", 1e6: "11d13h"} {
		require.Equal(t, want, short(seconds))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", -1234: "-1,234"} {
		require.Equal(t, want, number(n))
	}
}
