package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/compose"
)

// errUnproven ends a run whose report has been printed already.
var errUnproven = errors.New("something is not as it has to be, see the report")

// composeCommand proves docker-compose.yml on the Docker engine of this machine.
func composeCommand() *cobra.Command {
	var options compose.Options
	var command, report, log string
	cmd := &cobra.Command{
		Use:   "compose",
		Short: "Prove docker-compose.yml: kill, restart, scale and deploy while traffic flows",
		Long: `Bring docker-compose.yml up with images that are there already, have traffic delivered, kill a worker and the starter,
restart Temporal, scale, deploy another image as ECS does, and look for every log event of the stream at the API.
The Docker engine has to be on this machine, and the caller root. .ci/compose builds the images.`,
		Example: `  go run ./dev compose --image logpipe:1 --next logpipe:2 --dev-image logpipe-dev:1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Compose, options.Environment, options.Out, options.Log = strings.Fields(command), os.Environ(), cmd.OutOrStdout(), io.Discard
			if err := misused(options.Validate()); err != nil {
				return err
			}
			if log != "" {
				file, err := os.Create(log)
				if err != nil {
					return fmt.Errorf("make the log: %w", err)
				}
				defer file.Close()
				options.Log = file
			}
			result, err := compose.Run(cmd.Context(), options)
			if err != nil {
				return err
			}
			return conclude(result, report, errUnproven)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&command, "compose", "docker compose", "command line of compose")
	flags.StringVar(&options.File, "file", "docker-compose.yml", "the compose file")
	flags.StringVar(&options.Image, "image", "logpipe:local", "image that runs first")
	flags.StringVar(&options.Next, "next", "", "image that is deployed over it")
	flags.StringVar(&options.DevImage, "dev-image", "logpipe-dev:local", "image of the servers")
	flags.Float64Var(&options.Rate, "rate", 100, "log events a second")
	flags.DurationVar(&options.WindowAge, "window-age", 500*time.Millisecond, "age of the windows, which is part of every pause")
	flags.DurationVar(&options.PauseLimit, "pause", 2*time.Second, "longest pause during the deployment that is accepted")
	flags.BoolVar(&options.Keep, "keep", false, "leave everything running at the end")
	flags.StringVar(&report, "report", "", "file for the report, as JSON")
	flags.StringVar(&log, "log", "", "file for what the commands say and, where something is wrong, the containers")
	return cmd
}
