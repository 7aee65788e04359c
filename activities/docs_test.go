package activities_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestTokenErrorsAreDocumented: an operator finds each type with its cause and remedy.
func TestTokenErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(doc), "<!-- token errors -->\n")
	require.True(t, ok)
	table, _, ok := strings.Cut(rest, "<!-- /token errors -->\n")
	require.True(t, ok)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
	}
	types := []string{
		activities.ErrorTokenUnavailable, activities.ErrorTokenNotRotated, activities.ErrorParameterMissing, activities.ErrorParameterDenied,
		activities.ErrorParameterForeign, activities.ErrorClientSecretUnchanged,
		workflows.ErrorTokenEndpoint, workflows.ErrorTokenClientRefused, workflows.ErrorTokenRefused,
	}
	slices.Sort(types)
	slices.Sort(documented)
	require.Equal(t, types, documented)
}
