package activities_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrorsAreDocumented: an operator finds each type of error that an activity can end
// with, with its cause and what to do.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	var documented []string
	for _, table := range []string{"reading errors", "flush errors", "token errors"} {
		_, rest, ok := strings.Cut(string(doc), "<!-- "+table+" -->\n")
		require.True(t, ok, table)
		rows, _, ok := strings.Cut(rest, "<!-- /"+table+" -->\n")
		require.True(t, ok, table)
		for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(rows, -1) {
			documented = append(documented, row[1])
		}
	}
	// A worker that was killed reports no type; the window calls that a timeout.
	types := []string{"Timeout"}
	for _, dir := range []string{".", "../workflows", "../starter"} {
		types = append(types, errorTypes(t, dir)...)
	}
	require.Equal(t, distinct(types), distinct(documented))
}

func distinct(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

// errorTypes are the values of a package's constants Error….
func errorTypes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var types []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Error") {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(value.Value)
				require.NoError(t, err)
				types = append(types, text)
			}
			return true
		})
	}
	require.NotEmpty(t, types, dir)
	return types
}
