package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/dev/allinone"
	"github.com/log-event-pipeline/logpipe/dev/temporal"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// temporalCommand runs the Temporal server on its own, for a starter and a worker in processes of their own.
func temporalCommand() *cobra.Command {
	var (
		options    temporal.Options
		attributes []string
		level      slog.Level
	)
	cmd := &cobra.Command{
		Use:   "temporal",
		Short: "Run a local Temporal server with its Web UI",
		Long: "Run a local Temporal server with its Web UI, in memory or in a directory, with the\n" +
			"pipeline's search attributes. It needs nothing else, and listens on loopback only\n" +
			"unless --remote is given: it asks nobody who he is.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			options.SearchAttributes, err = parseSearchAttributes(attributes)
			maps.Copy(options.SearchAttributes, visibility.Types())
			options.LogLevel = level
			if err := misused(err, options.Validate()); err != nil {
				return err
			}
			return runTemporal(cmd.Context(), cmd, options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Listen, "listen", "127.0.0.1:7233", "`address` of the gRPC frontend; port 0 takes a free one")
	flags.StringVar(&options.UIListen, "ui", "127.0.0.1:8233", "`address` of the Web UI; port 0 takes a free one")
	flags.BoolVar(&options.Remote, "remote", false, "let the addresses be ones that other machines reach, such as 0.0.0.0:7233, in a container for example")
	flags.StringVar(&options.DataDir, "data", "", "keep the state in this `directory` instead of in memory")
	flags.StringSliceVar(&options.Namespaces, "namespace", []string{temporal.DefaultNamespace}, "`namespaces` to register")
	flags.DurationVar(&options.Retention, "retention", temporal.DefaultRetention, "how long closed workflows are kept")
	flags.StringSliceVar(&attributes, "search-attribute", nil, "search attribute to register beside the pipeline's, as `name=type`, such as Team=Keyword")
	flags.StringSliceVar(&options.UIColumns, "ui-column", allinone.UIColumns(), "`columns` of the Web UI's workflow list, in order")
	flags.TextVar(&level, "log-level", slog.LevelWarn, "lowest `level` of the server's log lines: debug, info, warn, error")
	return cmd
}

func runTemporal(ctx context.Context, cmd *cobra.Command, options temporal.Options) error {
	server, err := temporal.Start(ctx, options)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Temporal  %s\nWeb UI    http://%s\n", server.Address(), server.UIAddress())
	<-ctx.Done()
	return server.Stop()
}

// parseSearchAttributes reads name=type, with the types as the Temporal tools name them.
func parseSearchAttributes(attributes []string) (map[string]enumspb.IndexedValueType, error) {
	parsed := make(map[string]enumspb.IndexedValueType, len(attributes))
	var errs []error
	for _, attribute := range attributes {
		name, kind, _ := strings.Cut(attribute, "=")
		value, err := enumspb.IndexedValueTypeFromString(kind)
		if err != nil || name == "" || value == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			errs = append(errs, fmt.Errorf("search attribute %q: want name=type with a type of "+
				"Bool, Datetime, Double, Int, Keyword, KeywordList or Text", attribute))
			continue
		}
		parsed[name] = value
	}
	return parsed, errors.Join(errs...)
}
