package redact

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of the documentation")

// What docs/events.md lists is what the code goes by.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/events.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)

	var rows strings.Builder
	rows.WriteString("| name | |\n|---|---|\n")
	for _, r := range nameRules {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", r.name, r.of)
	}
	doc = replaceSection(t, doc, "names", rows.String())

	endings := quotedList(about)
	for _, r := range nameRules {
		word := normal(r.name)
		if list := exceptions[word]; len(list) > 0 {
			endings += fmt.Sprintf("; behind %s also %s", strings.Trim(r.name, "*"), quotedList(list))
		}
	}
	doc = replaceSection(t, doc, "about", endings+".\n")

	var tokens []string
	for _, position := range positions {
		tokens = append(tokens, position+"token")
	}
	doc = replaceSection(t, doc, "positions", quotedList(tokens)+".\n")

	rows.Reset()
	rows.WriteString("| beginning | |\n|---|---|\n")
	for _, f := range forms {
		fmt.Fprintf(&rows, "| `%s…` | %s |\n", f.prefix, f.of)
	}
	doc = replaceSection(t, doc, "forms", rows.String())

	if *update {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if doc != string(data) {
		t.Error("docs/events.md differs; -update writes it anew")
	}
}

func quotedList(words []string) string {
	return "`" + strings.Join(words, "`, `") + "`"
}

// replaceSection replaces what stands between two comments.
func replaceSection(t *testing.T, doc, name, content string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(doc, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/events.md has no %s", begin)
	}
	return before + begin + "\n" + content + "\n" + end + after
}
