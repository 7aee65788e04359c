package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// probeCommand is the health check of the servers in containers, which have no other program to ask with.
func probeCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "probe URL…",
		Short: "Ask servers whether they answer, for health checks",
		Long: `Ask servers whether they answer: http://HOST:PORT/PATH has to answer with a status 2xx, and the Temporal
server at temporal://HOST:PORT that it is serving. The exit status is 0 if all do, and 1 otherwise.`,
		Example: `  go run ./dev probe temporal://127.0.0.1:7233 http://127.0.0.1:8233/healthz`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets := make([]*url.URL, len(args))
			var faults []error
			for i, arg := range args {
				target, err := probeTarget(arg)
				targets[i], faults = target, append(faults, err)
			}
			if err := misused(faults...); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			for _, target := range targets {
				if err := probe(ctx, target); err != nil {
					return fmt.Errorf("%s: %w", target, err)
				}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long all of them together may take")
	return cmd
}

const temporalScheme = "temporal"

func probeTarget(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" && target.Scheme != temporalScheme {
		return nil, fmt.Errorf("%q: want http://HOST:PORT/PATH or %s://HOST:PORT", text, temporalScheme)
	}
	return target, nil
}

func probe(ctx context.Context, target *url.URL) error {
	if target.Scheme == temporalScheme {
		return probeTemporal(ctx, target.Host)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		excerpt, _ := io.ReadAll(io.LimitReader(answer.Body, 200)) // what it says is a help, and no more
		return fmt.Errorf("HTTP status %s: %s", answer.Status, excerpt)
	}
	return nil
}

func probeTemporal(ctx context.Context, address string) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}
