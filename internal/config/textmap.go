package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// TextMap is a setting that is a map of text by name. In text it is a JSON object.
type TextMap map[string]string

// ParseTextMap reads a JSON object whose members are strings.
func ParseTextMap(text string) (TextMap, error) {
	return readTextMap(text, mapWords{pair: `{"NAME":"TEXT"}`, value: "a string", twice: "has a name twice"})
}

// mapWords are how the faults of a map speak of it.
type mapWords struct{ pair, value, twice string }

// readTextMap quotes names in its errors, but no values.
func readTextMap(text string, words mapWords) (map[string]string, error) {
	dec := jsontext.NewDecoder(bytes.NewReader([]byte(text)))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return nil, fmt.Errorf("is no JSON object: write %s", words.pair)
	}
	values := make(map[string]string)
	for dec.PeekKind() == jsontext.KindString {
		token, err := dec.ReadToken()
		if err != nil {
			break // what it is comes again below
		}
		name := token.String()
		value, err := dec.ReadToken()
		if err != nil {
			break
		}
		if value.Kind() != jsontext.KindString {
			return nil, fmt.Errorf("has no text for %q: write %s", name, words.value)
		}
		values[name] = value.String()
	}
	switch _, err := dec.ReadToken(); {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, fmt.Errorf("%s: remove one of them", words.twice)
	case err != nil:
		return nil, fmt.Errorf("is no JSON object that can be read, see byte %d: check quotes, commas and the closing brace", dec.InputOffset())
	case dec.PeekKind() != jsontext.KindInvalid:
		return nil, errors.New("is followed by something else: write one JSON object")
	}
	return values, nil
}

// String is the form that [ParseTextMap] reads, and empty if there is nothing in it.
func (m TextMap) String() string {
	if len(m) == 0 {
		return ""
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]string(m)) // strings can always be encoded
	return string(bytes.TrimSpace(text.Bytes()))
}
