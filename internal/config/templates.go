package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/template"
)

// AccessLogTemplates are access log templates by the name of the log group, or a
// glob for it. In text they are a JSON object.
type AccessLogTemplates map[string]string

// ParseAccessLogTemplates reads a JSON object of log groups and templates. It
// does not look into the templates.
func ParseAccessLogTemplates(text string) (AccessLogTemplates, error) {
	return readTextMap(text, mapWords{
		pair: `{"LOG GROUP":"TEMPLATE"}`, value: "a template as a string", twice: "names a log group twice",
	})
}

// String is the form that [ParseAccessLogTemplates] reads, and empty if there are
// no templates.
func (t AccessLogTemplates) String() string { return TextMap(t).String() }

// checkTemplates tells what is wrong with the first template that is wrong.
func checkTemplates(templates AccessLogTemplates) error {
	for _, group := range slices.Sorted(maps.Keys(templates)) {
		if group == "" {
			return errors.New("has a template without a log group: name it, or write * for all")
		}
		if _, err := template.Compile(templates[group]); err != nil {
			return fmt.Errorf("cannot be used: the template of %q %w", group, positioned{err})
		}
	}
	return nil
}

// positioned continues a sentence that ends with the template.
type positioned struct{ error }

func (e positioned) Unwrap() error { return e.error }

func (e positioned) Error() string {
	if syntax, ok := errors.AsType[*template.SyntaxError](e.error); ok {
		return "is wrong " + syntax.Error()
	}
	return e.error.Error()
}

// shorten shows the beginning of what can be long.
func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
