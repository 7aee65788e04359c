// Command dev runs the pipeline on one machine with nothing else installed: by
// itself everything in one process, with a subcommand one of the servers that the
// pipeline needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	// The first signal ends the traffic and delivers the rest; with the handler gone,
	// a second one kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:]))
}

// Exit statuses.
const (
	exitFailed  = 1 // something was lost or arrived twice, or did not work
	exitMisused = 2 // flags are wrong
)

// errIncomplete ends a run whose reconciliation has been printed already.
var errIncomplete = errors.New("not every event arrived exactly once")

func execute(ctx context.Context, args []string) int {
	root := allinoneCommand()
	root.AddCommand(awsCommand(), temporalCommand(), analyticsCommand(), trafficCommand())
	root.SetArgs(args)
	root.SilenceUsage = true
	root.SilenceErrors = true
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(os.Stderr, "dev: "+line)
	}
	if started {
		return exitFailed
	}
	return exitMisused
}
