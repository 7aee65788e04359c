package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// The forms of what a command prints.
const (
	outputText = "text"
	outputJSON = "json"
)

// output is the form that was asked for. It is the value of --output; --json sets it, too.
type output struct{ form string }

// String implements pflag.Value.
func (o *output) String() string { return o.form }

// Type implements pflag.Value.
func (o *output) Type() string { return "FORM" }

// Set implements pflag.Value.
func (o *output) Set(form string) error {
	if form != outputText && form != outputJSON {
		return fmt.Errorf("want %s or %s", outputText, outputJSON)
	}
	o.form = form
	return nil
}

// asJSON reports whether a script reads.
func (o *output) asJSON() bool { return o.form == outputJSON }

// outputFlags adds --output and its short form --json, which prints what each line is of.
func outputFlags(cmd *cobra.Command, each string) *output {
	o := &output{form: outputText}
	f := cmd.Flags()
	f.VarP(o, "output", "o", "what to print: text, or json, an object in a line for each "+each)
	f.BoolFunc("json", "the same as --output json", func(text string) error {
		if text == "false" {
			return o.Set(outputText)
		}
		return o.Set(outputJSON)
	})
	completeWith(cmd, "output", outputText, outputJSON)
	return o
}

// completeWith has the shell complete a flag with the values.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not there
	}
}

// printLine prints a value as a line of JSON.
func printLine(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false) // what is printed is for people and scripts, and not for browsers
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print the output: %w", err)
	}
	return nil
}

// coloured reports whether what is written gets colours.
func coloured(w io.Writer) bool { return isTerminal(w) && os.Getenv("NO_COLOR") == "" }
