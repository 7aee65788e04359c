package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

func TestSetup(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "logs")
	env := environment{"TEMPORAL_ADDRESS": temporal.Address, "TEMPORAL_NAMESPACE": "logs", "LOGPIPE_STREAM": ""}

	out := logpipe(t, env, "setup", "--dry-run")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Contains(t, out.stdout, "missing: 9\nnothing was done")
	require.Empty(t, temporal.Attributes())

	out = logpipe(t, env, "setup")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Contains(t, out.stdout, "registered  LogpipeBytes          Int\n")
	require.Contains(t, out.stdout, "namespace logs: registered: 9\n")
	require.Equal(t, visibility.Types(), temporal.Attributes())

	out = logpipe(t, env, "setup", "--json")
	require.Equal(t, exitOK, out.status, out.lines)
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	require.Len(t, lines, len(visibility.Types()))
	for _, line := range lines {
		var attribute struct{ Namespace, Attribute, Type, State string }
		require.NoError(t, json.Unmarshal([]byte(line), &attribute))
		require.Equal(t, "logs", attribute.Namespace)
		require.Equal(t, "present", attribute.State)
		require.Equal(t, visibility.Types()[attribute.Attribute].String(), attribute.Type)
	}
}

// TestSetupThatIsRefused: who may not register is told who can, and how.
func TestSetupThatIsRefused(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "logs.a1b2c")
	temporal.RefuseAttributes(serviceerror.NewPermissionDenied("not by this API", ""))
	env := environment{"TEMPORAL_ADDRESS": temporal.Address, "TEMPORAL_NAMESPACE": "logs.a1b2c"}
	out := logpipe(t, env, "setup")
	require.Equal(t, exitFailed, out.status)
	require.Len(t, out.lines, 1)
	require.Contains(t, out.lines[0], "not by this API")
	own := `temporal operator search-attribute create --namespace logs.a1b2c \
    --name LogpipeAttempts --type Int \
    --name LogpipeBytes --type Int \
    --name LogpipeEvents --type Int \
    --name LogpipeFirstArrival --type Datetime \
    --name LogpipeHTTPStatus --type Keyword \
    --name LogpipePipeline --type Keyword \
    --name LogpipeQuarantined --type Keyword \
    --name LogpipeShard --type Keyword \
    --name LogpipeStatus --type Keyword
`
	require.Contains(t, out.stdout, own)
	require.Contains(t, out.stdout, `tcld namespace search-attributes add --namespace logs.a1b2c \
    --search-attribute LogpipeAttempts=Int \
`)
	require.Contains(t, out.stdout, "\n    --search-attribute LogpipeStatus=Keyword\n")
	require.Contains(t, out.stdout, "missing: 9")

	// Nothing missing needs nobody's permission.
	temporal.RefuseAttributes(nil)
	require.Equal(t, exitOK, logpipe(t, env, "setup").status)
	temporal.RefuseAttributes(serviceerror.NewPermissionDenied("not by this API", ""))
	require.Equal(t, exitOK, logpipe(t, env, "setup").status)
}

func TestSetupWithoutItsNamespace(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "logs")
	env := environment{"TEMPORAL_ADDRESS": temporal.Address, "TEMPORAL_NAMESPACE": "lgos"}
	out := logpipe(t, env, "setup")
	require.Equal(t, exitFailed, out.status)
	require.Len(t, out.lines, 1)
	for _, word := range []string{`namespace "lgos"`, "no such namespace", "TEMPORAL_NAMESPACE", "--create-namespace"} {
		require.Contains(t, out.lines[0], word)
	}
	out = logpipe(t, env, "setup", "--create-namespace", "--dry-run", "--retention", "168h")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Contains(t, out.stdout, "namespace lgos is not there: it would be created with a retention of 168h\n")

	out = logpipe(t, env, "setup", "--create-namespace")
	require.Equal(t, exitFailed, out.status, "this service makes none")
	require.Contains(t, out.lines[0], "temporal operator namespace create --namespace lgos --retention 72h")
}

func TestCloudIsKnownByItsAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"logs.a1b2c.tmprl.cloud:7233": true, "eu-central-1.aws.api.temporal.io:7233": true,
		"127.0.0.1:7233": false, "tmprl.cloud.example.com:7233": false,
	} {
		require.Equal(t, want, isCloud(address), address)
	}
}
