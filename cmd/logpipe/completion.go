package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/operator"
)

// completeAll keeps the shell from offering files where none are asked for. Flags whose
// values are known say so where they are made.
func completeAll(root *cobra.Command) {
	if err := root.MarkPersistentFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // the flag is not there
	}
	for _, cmd := range root.Commands() {
		completeOne(cmd)
	}
}

func completeOne(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && !takesFiles(cmd) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if _, known := cmd.GetFlagCompletionFunc(flag.Name); !known {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, cobra.NoFileCompletions) // it is there and has none
		}
	})
	for _, sub := range cmd.Commands() {
		completeOne(sub)
	}
}

// completeList completes a flag whose values are some of the names, separated by commas.
func completeList(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		given := strings.Split(before, ",")
		var offered []cobra.Completion
		for _, name := range names {
			if !slices.Contains(given, name) && strings.HasPrefix(before+name, typed) {
				offered = append(offered, before+name)
			}
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// filesAnnotation marks commands whose arguments are files.
const filesAnnotation = "logpipe_files"

func takesFiles(cmd *cobra.Command) bool { return cmd.Annotations[filesAnnotation] != "" }

// Limits of what completing the ids of windows may cost.
const (
	completionTimeout = 2 * time.Second
	mostCompletions   = 50
)

// completeParked offers the windows that the action is for. A shell cannot show what goes
// wrong, so then there are none.
func completeParked(action operator.Action) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		cfg, err := loadConfig(cmd, config.RoleNone)
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		temporal, err := connect.Dial(ctx, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, none
		}
		defer temporal.Close()
		windows := operator.Windows{Temporal: temporal, Pipeline: cfg.Pipeline, Action: action}
		var ids []cobra.Completion
		for w, err := range windows.Find(ctx, "") {
			if err != nil || len(ids) == mostCompletions {
				break
			}
			ids = append(ids, cobra.CompletionWithDesc(w.WorkflowID, w.Status+", since "+w.Since.UTC().Format(time.RFC3339)))
		}
		return ids, none
	}
}
