package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// healthTimeout is for how long a process may take to say how it is. That it asks
// Temporal takes part of it.
const healthTimeout = 5 * time.Second

// healthLimit bounds what is printed of an answer, in bytes.
const healthLimit = 64 << 10

func healthCommand() *cobra.Command {
	var address string
	var ready bool
	command := &cobra.Command{
		Use:   "health",
		Short: "Ask the starter or worker on this machine how it is",
		Long: `health asks the process that serves at metrics_listen of the same settings, or at
--address, whether it is alive, or with --ready whether it does its work. The status is 0
if it is, and 1 if it is not, does not answer, or has no metrics_listen: a health check
for containers, which needs no shell. Alive is what a process has to be so as not to be
killed; one that is not ready mostly waits for Temporal, and gains nothing by a restart.`,
		Example: `  logpipe health
  logpipe health --ready --address 127.0.0.1:9464`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := health(cmd, address, ready); err != nil {
				return &processError{err} // never 2, which has no meaning for a container
			}
			return nil
		},
	}
	command.Flags().StringVar(&address, "address", "", "HOST:PORT of the process, in place of the setting metrics_listen")
	command.Flags().BoolVar(&ready, "ready", false, "ask whether it does its work, not only whether it is alive")
	return command
}

func health(cmd *cobra.Command, address string, ready bool) error {
	if address == "" {
		// What else may be wrong with the settings is the process's business.
		cfg, err := loadConfig(cmd, config.RoleNone)
		if err != nil {
			return err
		}
		if address = cfg.MetricsListen; address == "" {
			return errors.New("metrics_listen is empty, so no process tells how it is: set LOGPIPE_METRICS_LISTEN, such as to 127.0.0.1:9464, for the process and for this command, or name its --address")
		}
	}
	target, err := reachable(address)
	if err != nil {
		return err
	}
	path := telemetry.HealthPath
	if ready {
		path = telemetry.ReadyPath
	}
	status, text, err := askHealth(cmd.Context(), "http://"+target+path)
	if err != nil {
		return fmt.Errorf("ask the process at %s: %w", target, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("the process at %s answered %s with HTTP status %d: %s", target, path, status, text)
	}
	fmt.Fprintln(cmd.OutOrStdout(), text)
	return nil
}

// reachable is the address by which a process of this machine is reached that listens at
// another one, such as :9464.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("%q is no HOST:PORT, such as 127.0.0.1:9464", listen)
	}
	if port == "0" {
		return "", fmt.Errorf("%s is whatever port is free: name the --address that the process has logged, or set LOGPIPE_METRICS_LISTEN to a port of your own", listen)
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// askHealth returns the status and the text of an answer.
func askHealth(ctx context.Context, url string) (status int, text string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, healthTimeout, fmt.Errorf("no answer within %s", healthTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	// No proxy, whatever the environment says: this is about the machine itself.
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, healthLimit))
	if err != nil {
		return 0, "", fmt.Errorf("read the answer: %w", err)
	}
	return answer.StatusCode, strings.TrimSpace(string(body)), nil
}
