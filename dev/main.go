// Command dev runs the pipeline on one machine with nothing else installed: by
// itself everything in one process, with a subcommand one of the servers that the
// pipeline needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/internal/cpuprofile"
)

func main() {
	// The first signal ends the traffic and delivers the rest; with the handler gone,
	// a second one kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	name := "dev"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	endProfile, err := cpuprofile.Start(os.Getenv(cpuprofile.Variable), name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev: "+err.Error())
		os.Exit(exitMisused)
	}
	status := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err := endProfile(); err != nil {
		fmt.Fprintln(os.Stderr, "dev: "+err.Error())
	}
	os.Exit(status)
}

// Exit statuses.
const (
	exitFailed  = 1 // something was lost or arrived twice, or did not work
	exitMisused = 2 // flags are wrong
)

// usageError says what is wrong with flags, before anything was started.
type usageError struct{ cause error }

func (e *usageError) Error() string { return e.cause.Error() }
func (e *usageError) Unwrap() error { return e.cause }

// misused joins what is wrong with flags, or returns nil where all is right.
func misused(faults ...error) error {
	if err := errors.Join(faults...); err != nil {
		return &usageError{err}
	}
	return nil
}

// flagFaults puts the flag's name before each fault of its value.
func flagFaults(flag string, err error) error {
	if err == nil {
		return nil
	}
	var faults []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		faults = append(faults, errors.New(flag+": "+line))
	}
	return errors.Join(faults...)
}

// errIncomplete ends a run whose reconciliation has been printed already.
var errIncomplete = errors.New("not every event arrived exactly once")

// conclude writes the report of a run where it is wanted, and fails as told if the run has
// not shown what it is for.
func conclude(result interface {
	WriteFile(path string) error
	OK() bool
}, report string, failed error,
) error {
	if report != "" {
		if err := result.WriteFile(report); err != nil {
			return err
		}
	}
	if !result.OK() {
		return failed
	}
	return nil
}

// execute is main without the process: it returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := allinoneCommand()
	root.AddCommand(awsCommand(), temporalCommand(), analyticsCommand(), trafficCommand(), chaosCommand(), failoverCommand(), benchCommand(), sizingCommand(),
		probeCommand(), composeCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceUsage = true
	root.SilenceErrors = true
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(stderr, "dev: "+line)
	}
	// What fails before a command runs is cobra's reading of the flags.
	if _, usage := errors.AsType[*usageError](err); usage || !started {
		return exitMisused
	}
	return exitFailed
}
