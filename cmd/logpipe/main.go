// Command logpipe takes API Gateway logs from a Kinesis data stream to an
// analytics API. Its processes are subcommands: starter reads the stream and cuts
// it into windows, worker formats and delivers them. recover brings a pipeline back
// that Temporal has lost, format shows what becomes of log data, quarantine looks after
// what could not be formatted, status tells how a pipeline is, and redrive and discard
// decide about what is parked. setup prepares a Temporal namespace, check looks whether
// everything is there, and health tells a container how its process is. pause and resume
// stop a pipeline and have it go on, and backfill delivers a range again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK       = 0
	exitFailed   = 1 // something the process needs did not work
	exitMisused  = 2 // flags or settings are wrong
	programName  = "logpipe"
	errorLinePre = programName + ": "
)

func main() {
	stop := startProfile()
	status := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if strings.HasPrefix(err.Error(), "unknown command ") && cmd.HasSubCommands() {
		err = fmt.Errorf("%w; %s --help lists the commands", err, cmd.CommandPath())
	}
	// One fault a line, each under the program's name, as compilers do.
	if !errors.Is(err, errReported) {
		for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
			fmt.Fprintln(stderr, errorLinePre+line)
		}
	}
	if unhealthy, ok := errors.AsType[*healthError](err); ok {
		return unhealthy.status
	}
	if _, failed := errors.AsType[*processError](err); failed {
		return exitFailed
	}
	return exitMisused
}

func newRoot(logs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:     programName,
		Short:   "Take API Gateway logs from Kinesis to an analytics API",
		Version: versionText(),
		Long: `logpipe takes API Gateway logs from a Kinesis data stream to an analytics API.

Settings come from defaults, then a YAML file (--config or LOGPIPE_CONFIG), then
LOGPIPE_… variables; docs/configuration.md lists them. AWS is reached through the
AWS SDK's own variables (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, …), Temporal
through Temporal's (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …).`,
		// No Args: with a check of its own, cobra takes an unknown command for an
		// argument and answers it with the help and status 0.
		DisableSuggestions: true, // they would be lines of their own
		SilenceUsage:       true,
		SilenceErrors:      true,
	}
	root.PersistentFlags().String("config", "", "YAML file with settings")
	root.AddCommand(starterCommand(logs), workerCommand(logs), recoverCommand(logs), formatCommand(), quarantineCommand(logs),
		redriveCommand(logs), discardCommand(logs), statusCommand(logs), pauseCommand(logs), resumeCommand(logs), backfillCommand(logs),
		setupCommand(), checkCommand(), healthCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	completeAll(root)
	return root
}

// noArgs refuses arguments. That of cobra calls them unknown commands.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, but was given %q; %s --help says what it takes", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}
