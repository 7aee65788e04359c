package status_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/operator/status"
)

// table returns the rows of a table of docs/operations.md.
func table(t *testing.T, name string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(doc), "<!-- "+name+" -->\n")
	require.True(t, ok, name)
	rows, _, ok := strings.Cut(rest, "<!-- /"+name+" -->\n")
	require.True(t, ok, name)
	return rows
}

var quoted = regexp.MustCompile("`([A-Za-z_.]+)`")

// TestCodesAreDocumented: each code of this package is in the table of codes, and no other.
func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	parsed, err := parser.ParseFile(token.NewFileSet(), "causes.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	codes := []string{"Parked", "Waiting"}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Code") {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			codes = append(codes, text)
		}
		return true
	})
	var documented []string
	for row := range strings.SplitSeq(table(t, "status codes"), "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, code := range quoted.FindAllStringSubmatch(cells[1], -1) {
			documented = append(documented, code[1])
		}
	}
	require.ElementsMatch(t, codes, documented)
}

// TestFieldsAreDocumented: each field of the JSON is named in its table.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	var documented []string
	for _, field := range quoted.FindAllStringSubmatch(table(t, "status json"), -1) {
		documented = append(documented, field[1])
	}
	var look func(of reflect.Type)
	look = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || !strings.HasSuffix(of.PkgPath(), "operator/status") {
			return
		}
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			require.True(t, slices.Contains(documented, name), "%s.%s is not in docs/operations.md", of, name)
			look(field.Type)
		}
	}
	look(reflect.TypeFor[status.Report]())
}
