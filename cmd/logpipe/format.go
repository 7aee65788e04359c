package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/docs"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/formatfile"
	"github.com/log-event-pipeline/logpipe/internal/loginput"
	"github.com/log-event-pipeline/logpipe/worker"
)

// formatFlags are the flags of format.
type formatFlags struct {
	logGroup, logStream     string
	pretty, summary, schema bool
}

func formatCommand() *cobra.Command {
	var flags formatFlags
	cmd := &cobra.Command{
		Use:         "format [FILE…]",
		Annotations: map[string]string{filesAnnotation: "all"},
		Short:       "Format log data from files and print the events",
		Long: `format prints what a worker would deliver of log data in files or on standard input
(- or no file), one event a line. It needs no settings; those that it finds (--config,
LOGPIPE_CONFIG, LOGPIPE_…) hold as they do for a worker, and so does AWS_REGION.

What a file holds is told by its content:

  - the data of a Kinesis record: gzip, zlib or plain, with CloudWatch Logs subscription
    envelopes; or many of them, one after the other, as Firehose writes them
  - records with their data in base64: an event of a Lambda function on Kinesis, Firehose
    or CloudWatch Logs, what aws kinesis get-records prints, or the base64 alone
  - what aws logs filter-log-events and get-log-events print
  - a raw window or a quarantined piece out of the stage
  - log lines, each of them one event, also in gzip. --log-group says where they come
    from. In an execution log (API-Gateway-Execution-Logs_…), lines that do not begin with
    a request id continue the one before.

A plain file of any size is read in bounded memory. What cannot be formatted is reported
on standard error with position and reason, and costs nothing that stands beside it.

The exit status is 1 if anything could not be formatted or read, and 2 for misuse.`,
		Example: `  logpipe format --pretty record.gz
  logpipe format --log-group /apigw/orders/access --summary access.log.gz > events.ndjson
  aws kinesis get-records --shard-iterator "$it" | logpipe format
  aws logs filter-log-events --log-group-name "$group" | logpipe format --log-group "$group"
  logpipe format --schema > events.schema.json`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if flags.schema {
				if len(files) > 0 {
					return errors.New("--schema reads no files")
				}
				_, err := cmd.OutOrStdout().Write(docs.EventsSchema)
				return err
			}
			return formatFiles(cmd, flags, files)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.logGroup, "log-group", "/logpipe/input", "log group of lines that do not name theirs")
	f.StringVar(&flags.logStream, "log-stream", "", "log stream of lines that do not name theirs (default: the name of the file)")
	f.BoolVar(&flags.pretty, "pretty", false, "print events indented, in colours on a terminal (not if NO_COLOR is set)")
	f.BoolVar(&flags.summary, "summary", false, "print counts on standard error at the end")
	f.BoolVar(&flags.schema, "schema", false, "print the JSON Schema of the events and nothing else")
	return cmd
}

func formatFiles(cmd *cobra.Command, flags formatFlags, files []string) error {
	if err := loginput.CheckNames(flags.logGroup, flags.logStream); err != nil {
		return err
	}
	cfg, err := loadConfig(cmd, config.RoleNone)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	if err := checkFiles(files); err != nil {
		return err
	}
	// An event is printed as soon as it is read: nobody gets these batches.
	cfg.BatchMaxEvents = 1
	formatter, err := worker.NewFormatter(cfg, connect.Region(cmd.Context()))
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	printer := formatfile.NewPrinter(out, flags.pretty, coloured(out))
	var opened error
	total, err := formatfile.Run(cmd.Context(), formatter, inputs(cmd, flags, files, &opened), printer, func(p formatfile.Problem) {
		fmt.Fprintln(cmd.ErrOrStderr(), errorLinePre+oneLine(p.String()))
	})
	err = errors.Join(err, opened)
	if flags.summary || total.Failed() {
		fmt.Fprintln(cmd.ErrOrStderr(), errorLinePre+total.String())
	}
	switch {
	case err != nil:
		return &processError{err}
	case total.Failed():
		return &processError{errReported}
	}
	return nil
}

// errReported ends a command whose failures were printed one by one.
var errReported = errors.New("")

// oneLine keeps what libraries say on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// checkFiles names all files that cannot be read before any of them is.
func checkFiles(files []string) error {
	var faults []error
	stdin := 0
	for _, file := range files {
		if file == "-" {
			if stdin++; stdin == 2 {
				faults = append(faults, errors.New("standard input is named twice"))
			}
			continue
		}
		info, err := os.Stat(file)
		switch {
		case err != nil:
			faults = append(faults, err)
		case info.IsDir():
			faults = append(faults, fmt.Errorf("%s is a directory: name the files in it", file))
		}
	}
	return errors.Join(faults...)
}

// inputs opens the files one after the other. What cannot be opened after all is noted.
func inputs(cmd *cobra.Command, flags formatFlags, files []string, failed *error) iter.Seq[formatfile.Input] {
	return func(yield func(formatfile.Input) bool) {
		for _, file := range files {
			in := formatfile.Input{
				Name: "standard input", LogGroup: flags.logGroup, LogStream: cmp.Or(flags.logStream, "stdin"),
				Time: time.Now(), Data: cmd.InOrStdin(),
			}
			if file == "-" {
				if !yield(in) {
					return
				}
				continue
			}
			f, err := os.Open(file)
			if err != nil {
				*failed = errors.Join(*failed, err)
				continue
			}
			in.Name, in.Data = file, f
			in.LogStream = cmp.Or(flags.logStream, strings.NewReplacer(":", "_", "*", "_").Replace(filepath.Base(file)))
			if info, err := f.Stat(); err == nil {
				in.Time = info.ModTime()
			}
			more := yield(in)
			_ = f.Close() // it was read only
			if !more {
				return
			}
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
