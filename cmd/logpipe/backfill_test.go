package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/workflows"
)

func backfillOf(from, to string) backfillFlags {
	return backfillFlags{from: from, to: to, keys: "own", maxOpen: 16}
}

func TestBackfillRequest(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	flags := backfillOf("2026-03-04T06:00:00+01:00", "2026-03-04T06:00:00.25Z")
	flags.shards = []string{"7", "shardId-000000000001", "7"}
	got, err := flags.request(now)
	require.NoError(t, err)
	require.Equal(t, workflows.BackfillRequest{
		From: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 4, 6, 0, 0, 250_000_000, time.UTC),
		Shards: []string{"shardId-000000000001", "shardId-000000000007"}, Keys: workflows.BackfillOwn,
	}, got)
	require.Equal(t, "20260304t050000z-20260304t060000-25z-own", flags.name, "the same range has the same name")
	require.Regexp(t, runName, flags.name)
}

func TestBackfillRequestThatIsWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	const five, six = "2026-03-04T05:00:00Z", "2026-03-04T06:00:00Z"
	for want, flags := range map[string]backfillFlags{
		`--from "": give a time such as`:               backfillOf("", six),
		`--to "yesterday": give a time such as`:        backfillOf(five, "yesterday"),
		"--from 2026-03-04T06:00:00Z is not before":    backfillOf(six, five),
		"--to 2026-03-04T09:00:00Z has not come yet":   backfillOf(five, "2026-03-04T09:00:00Z"),
		`--keys "both": give own or original`:          {from: five, to: six, keys: "both", maxOpen: 1},
		"--rate -1: give events a second":              {from: five, to: six, keys: "own", maxOpen: 1, rate: -1},
		"--max-open 0: give 1 to 1000":                 {from: five, to: six, keys: "own"},
		`--name "Lost Hour": give 1 to 64 of a-z, 0-9`: {from: five, to: six, keys: "own", maxOpen: 1, name: "Lost Hour"},
	} {
		_, err := flags.request(now)
		require.ErrorContains(t, err, want)
	}
}

func TestBackfillShowsProgress(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	from := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	r := backfillRun{out: &out, request: workflows.BackfillRequest{From: from, To: from.Add(time.Hour)}}
	shards := []workflows.BackfillProgress{
		{Done: true, Windows: 2, Events: 20},
		{Progress: workflows.Progress{CompleteUntil: from.Add(30 * time.Minute)}, Windows: 1, Events: 5, Waiting: "reading is paused"},
		{Waiting: "for p/backfill/again/7/1"}, {Failed: "gone"},
	}
	r.show(shards)
	require.Equal(t, " 62 %  3 windows  25 events  reading is paused\n", out.String())
	out.Reset()
	r.terminal = true
	r.show(shards)
	require.Equal(t, "\r\x1b[K[==================            ]  62 %  3 windows  25 events  reading is paused", out.String())
	out.Reset()
	r.show(nil)
	require.Contains(t, out.String(), "  0 %")
}
