package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the settings tables of the documentation")

// The table of settings stands between these lines, and is written by this test only.
const (
	tableBegin = "<!-- settings -->\n"
	tableEnd   = "<!-- /settings -->\n"
)

func settingsTable() string {
	var table strings.Builder
	table.WriteString("| environment | file | default | required by | meaning |\n")
	table.WriteString("|---|---|---|---|---|\n")
	for _, s := range Describe() {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s | %s | %s |\n", s.Env(), s.Key, code(s.Default), requiredBy(s), meaning(s))
	}
	return table.String()
}

func meaning(s Setting) string {
	if s.Lowest == "" {
		return s.Meaning
	}
	return fmt.Sprintf("%s From `%s` to `%s`.", s.Meaning, s.Lowest, s.Highest)
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func requiredBy(s Setting) string {
	if s.RequiredBy == RoleNone {
		return ""
	}
	return strings.ReplaceAll(s.RequiredBy.String(), " and ", ", ")
}

func TestDocumentedSettings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"docs/configuration.md", "README.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("..", "..", filepath.FromSlash(name))
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s does not exist: it has to list the settings between %q and %q", name, tableBegin, tableEnd)
			}
			if err != nil {
				t.Fatal(err)
			}
			before, rest, ok := strings.Cut(string(data), tableBegin)
			table, after, closed := strings.Cut(rest, tableEnd)
			if !ok || !closed {
				t.Fatalf("%s has no settings table: put the lines %q and %q where it belongs and run go test ./internal/config -update", name, tableBegin, tableEnd)
			}
			want := "\n" + settingsTable() + "\n"
			if table == want {
				return
			}
			if !*update {
				t.Fatalf("the settings table of %s is out of date: run go test ./internal/config -update", name)
			}
			if err := os.WriteFile(path, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
