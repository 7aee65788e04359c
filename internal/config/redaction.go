package config

import (
	"fmt"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// NewRedactor returns what takes secrets out of events, nil if that is off.
func (c Config) NewRedactor() (*redact.Redactor, error) {
	if c.Redact == RedactOff {
		return nil, nil //nolint:nilnil // a nil redactor changes nothing
	}
	return redact.New(redact.Options{Names: strings.Fields(c.RedactNames), Patterns: strings.Fields(c.RedactPatterns)})
}

// BodyOptions says how much is kept of the bodies of requests and responses.
func (c Config) BodyOptions() redact.Bodies {
	return redact.Bodies{Drop: c.Bodies == BodiesDrop, MaxBytes: int(c.BodyMaxBytes)}
}

func checkRedactNames(text string) error {
	_, err := redact.New(redact.Options{Names: strings.Fields(text)})
	return inOneLine(err)
}

func checkRedactPatterns(text string) error {
	_, err := redact.New(redact.Options{Patterns: strings.Fields(text)})
	return inOneLine(err)
}

// inOneLine makes several faults one, as each setting has one line.
func inOneLine(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot be used: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
}
