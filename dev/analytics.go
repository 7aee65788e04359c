package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
)

// analyticsStopTimeout is how long running requests may take to finish when asked to stop.
const analyticsStopTimeout = 5 * time.Second

// analyticsCommand serves the sample analytics API until the command's context ends.
func analyticsCommand() *cobra.Command {
	var listen, faults string
	var config analytics.Config
	cmd := &cobra.Command{
		Use:   "analytics",
		Short: "Serve a sample analytics API",
		Long: `Serve a sample of the external analytics API: an OAuth 2.0 token endpoint for client
credentials, an ingest endpoint behind its bearer tokens, and counts of what arrived.

  POST /oauth/token    POST /v1/events    GET /stats    GET /events?limit=N
  GET, PUT, PATCH /faults    GET /healthz    GET / for a browser

Faults are given with --fault, or while it runs:

  curl -X PATCH -d '{"5xx":"20%","outage":"20s@15s"}' http://127.0.0.1:8080/faults
  curl -X PATCH -d '{"revoke-now":true}' http://127.0.0.1:8080/faults
  curl -X PUT   -d '{}' http://127.0.0.1:8080/faults

` + analytics.FaultsHelp,
		Example: `  go run ./dev analytics --fault 5xx=20%,token-life=10s,outage=20s@15s`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if config.Faults, err = analytics.ParseFaults(faults); err != nil {
				return misused(flagFaults("--fault", err))
			}
			config.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			server, err := analytics.New(config)
			if err != nil {
				return err
			}
			if err := server.Start(cmd.Context(), listen); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "analytics API  %s\nevents         %s\ntokens         %s  (client id %s)\ncounts         %s/stats\n",
				server.URL(), server.EventsURL(), server.TokenURL(), config.ClientID, server.URL())
			if spec := config.Faults.String(); spec != "" {
				fmt.Fprintf(out, "faults         %s\n", spec)
			}
			<-cmd.Context().Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), analyticsStopTimeout)
			defer cancel()
			return server.Stop(ctx)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 chooses a free one")
	flags.StringVar(&config.ClientID, "client-id", "logpipe", "id of the one client")
	flags.StringVar(&config.ClientSecret, "client-secret", "logpipe-secret", "its secret")
	flags.DurationVar(&config.TokenLife, "token-life", 5*time.Minute, "how long a token works")
	flags.StringVar(&faults, "fault", "", "faults, comma-separated, such as 5xx=20%,outage=20s@15s")
	flags.Uint64Var(&config.Seed, "seed", 1, "makes the choices of the faults repeatable")
	flags.IntVar(&config.Recent, "recent", 20, "how many of the latest events to keep for display; negative is none")
	return cmd
}
