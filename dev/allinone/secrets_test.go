package allinone

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoSecretReachesTheAPI puts secrets into log lines of all kinds, and lets the API
// refuse for good whatever holds one.
func TestNoSecretReachesTheAPI(t *testing.T) {
	t.Parallel()
	const planted = "pl4nt3d-2718281828"
	var lines strings.Builder
	events := 0
	for i := range 50 {
		for _, line := range []string{
			`{"requestId":"%d","ip":"10.0.0.1","httpMethod":"GET","resourcePath":"/x","path":"/x?access_token=%s","status":"200","apiId":"abc","authorizer":{"secret":%[2]q}}`,
			`{"level":"INFO","n":%d,"headers":{"Authorization":"Basic %[2]s","cookie":"sid=%[2]s"},"body":"{\"password\":\"%[2]s\"}"}`,
			"(286364ab-%d) Method request headers: {Accept=*/*, Cookie=sid=%s; a=b, X-Amz-Security-Token=%[2]s, Host=h}",
			`(286364ab-%d) Method request body before transformations: {"a":1,"client_secret":"%s [TRUNCATED]`,
			"login %d with user=u&password=%s&x=y",
		} {
			fmt.Fprintf(&lines, line+"\n", i, planted)
			events++
		}
	}
	file := filepath.Join(t.TempDir(), "in.log")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))

	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs = []string{file}
	o.Faults = faults(t, "refuse-match="+planted)
	var recent []byte
	o.onDrained = func(s *stack) {
		answer := httptest.NewRecorder()
		s.api.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", http.NoBody))
		recent, _ = io.ReadAll(answer.Body)
	}
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v: %s", report, out.String())
	require.Equal(t, events, report.Delivered, "nothing was refused")
	require.Contains(t, string(recent), `"redacted":`)
	requireNone(t, []string{planted}, "an event", recent)
}
