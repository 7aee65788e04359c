package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/template"
)

// AccessLogTemplates are access log templates by the name of the log group, or a
// glob for it. In text they are a JSON object.
type AccessLogTemplates map[string]string

// ParseAccessLogTemplates reads a JSON object of log groups and templates. It
// does not look into the templates.
func ParseAccessLogTemplates(text string) (AccessLogTemplates, error) {
	dec := jsontext.NewDecoder(bytes.NewReader([]byte(text)))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return nil, errors.New(`is no JSON object: write {"LOG GROUP":"TEMPLATE"}`)
	}
	templates := make(AccessLogTemplates)
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			break // what it is comes again below
		}
		group := name.String()
		value, err := dec.ReadToken()
		if err != nil {
			break
		}
		if value.Kind() != jsontext.KindString {
			return nil, fmt.Errorf("has no text for %q: write a template as a string", group)
		}
		templates[group] = value.String()
	}
	switch _, err := dec.ReadToken(); {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, errors.New("names a log group twice: remove one of them")
	case err != nil:
		return nil, fmt.Errorf("is no JSON object that can be read, see byte %d: check quotes, commas and the closing brace", dec.InputOffset())
	case dec.PeekKind() != jsontext.KindInvalid:
		return nil, errors.New("is followed by something else: write one JSON object")
	}
	return templates, nil
}

// String is the form that [ParseAccessLogTemplates] reads, and empty if there are
// no templates.
func (t AccessLogTemplates) String() string {
	if len(t) == 0 {
		return ""
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]string(t)) // strings can always be encoded
	return string(bytes.TrimSpace(text.Bytes()))
}

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
