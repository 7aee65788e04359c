package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// yamlParser reads a settings file for koanf. In contrast to koanf's own parser it
// leaves every scalar as it is written: YAML would read 0123 as an octal number and
// a time as something else than text. It also keeps the line of each key.
type yamlParser struct {
	path    string
	isMap   func(key string) bool // whether the setting's value is a map of text
	entries []yamlEntry
	faults  []error // that leave the rest of the file readable
}

type yamlEntry struct {
	key  string
	text string
	line int
}

var _ koanf.Parser = (*yamlParser)(nil)

// Unmarshal returns the top-level keys that have a value, each as text or, where the
// value is a list or a map, as something else that decoding refuses.
func (p *yamlParser) Unmarshal(data []byte) (map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil // an empty file or nothing but comments
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one YAML document: write all settings into the first one", p.path)
	}

	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: is not a map of settings: write lines such as %q", p.path, root.Line, "window_max_age: 60s")
	}
	values := make(map[string]any)
	lines := make(map[string]int)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if first, twice := lines[key.Value]; twice {
			p.faults = append(p.faults, fmt.Errorf("%s:%d: %s is already set in line %d: remove one of them", p.path, key.Line, key.Value, first))
			continue
		}
		lines[key.Value] = key.Line
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		entry := yamlEntry{key: key.Value, line: key.Line}
		switch {
		case value.Kind == yaml.SequenceNode:
			entry.text = "[…]"
			values[entry.key] = []any{}
		case value.Kind == yaml.MappingNode && p.isMap(key.Value):
			entry.text = p.jsonObject(value)
			values[entry.key] = entry.text
		case value.Kind == yaml.MappingNode:
			entry.text = "{…}"
			values[entry.key] = map[string]any{}
		case value.Tag != "!!null":
			entry.text = value.Value
			values[entry.key] = value.Value
		}
		p.entries = append(p.entries, entry)
	}
	return values, nil
}

// jsonObject writes a map of text as the environment has it, so that a value means
// the same in both. Values that are no text stay what they are and are refused
// with the rest.
func (p *yamlParser) jsonObject(node *yaml.Node) string {
	text := []byte{'{'}
	lines := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if first, twice := lines[key.Value]; twice {
			p.faults = append(p.faults, fmt.Errorf("%s:%d: %s is already set in line %d: remove one of them", p.path, key.Line, key.Value, first))
			continue
		}
		lines[key.Value] = key.Line
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text, _ = jsontext.AppendQuote(text, key.Value) // the error tells what was replaced
		text = append(text, ':')
		switch {
		case value.Kind != yaml.ScalarNode:
			text = append(text, "[]"...)
		case value.Tag == "!!null":
			text = append(text, "null"...)
		default:
			text, _ = jsontext.AppendQuote(text, value.Value)
		}
	}
	return string(append(text, '}'))
}

// Marshal is part of koanf's interface; settings are only read.
func (p *yamlParser) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
