package main

import (
	"fmt"
	"io"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/starter"
)

// planPrinter prints what recover finds and does, for people or scripts.
type planPrinter struct {
	io.Writer
	json bool
}

// The kinds of lines for scripts.
const (
	kindShard   = "shard"
	kindDamaged = "damaged"
	kindForeign = "foreign"
	kindResult  = "result"
)

func (p planPrinter) plan(cfg config.Config, plan starter.RecoveryPlan, now time.Time) error {
	if !p.json {
		printPlan(p, cfg, plan, now)
		return nil
	}
	for _, s := range plan.Shards {
		first, last := s.Arrivals()
		line := struct {
			Kind          string    `json:"kind"`
			ShardID       string    `json:"shard_id"`
			Windows       int       `json:"windows"`
			Records       int       `json:"records"`
			Covered       int       `json:"covered"`
			Overlapping   int       `json:"overlapping"`
			Discarded     int       `json:"discarded"`
			FirstArrival  time.Time `json:"first_arrival,omitzero"`
			LastArrival   time.Time `json:"last_arrival,omitzero"`
			ResumesAfter  string    `json:"resumes_after,omitempty"`
			Drained       bool      `json:"drained"`
			MarkerWritten time.Time `json:"marker_written,omitzero"`
		}{
			Kind: kindShard, ShardID: s.ShardID, Windows: len(s.Windows), Records: s.Records(), Covered: s.Covered,
			Overlapping: s.Overlapping, Discarded: s.Discarded, FirstArrival: first, LastArrival: last, ResumesAfter: string(s.Resume()),
		}
		if s.Marker != nil {
			line.Drained, line.MarkerWritten = s.Marker.Drained, s.Marker.WrittenAt.UTC()
		}
		if err := printLine(p, line); err != nil {
			return err
		}
	}
	for _, d := range plan.Damaged {
		err := printLine(p, struct {
			Kind   string `json:"kind"`
			Key    string `json:"key"`
			Reason string `json:"reason"`
		}{kindDamaged, d.Key, d.Err.Error()})
		if err != nil {
			return err
		}
	}
	for _, key := range plan.Foreign {
		err := printLine(p, struct {
			Kind string `json:"kind"`
			Key  string `json:"key"`
		}{kindForeign, key})
		if err != nil {
			return err
		}
	}
	return nil
}

// result is the last line for a script.
type result struct {
	Kind       string `json:"kind"`
	DryRun     bool   `json:"dry_run"`
	Position   string `json:"other_shards_from"`
	Started    int    `json:"windows_started"`
	Known      int    `json:"windows_known"`
	Markers    int    `json:"markers_written"`
	WorkflowID string `json:"workflow_id,omitempty"`
}

func (p planPrinter) dryRun(plan starter.RecoveryPlan) error {
	if p.json {
		return printLine(p, result{Kind: kindResult, DryRun: true, Position: plan.Position.String()})
	}
	fmt.Fprintln(p, "\nnothing was done: this is a dry run")
	return nil
}

func (p planPrinter) done(plan starter.RecoveryPlan, started, known, markers int, workflowID string) error {
	if p.json {
		return printLine(p, result{kindResult, false, plan.Position.String(), started, known, markers, workflowID})
	}
	fmt.Fprintf(p, "\nwindows started: %d, found running or ended: %d; markers written: %d; started workflow %s\nnow start workers and starters\n",
		started, known, markers, workflowID)
	return nil
}
