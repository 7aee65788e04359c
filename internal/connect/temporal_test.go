package connect_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// isolateTemporal leaves the process without any setting for Temporal.
func isolateTemporal(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir(),
		"TEMPORAL_CONFIG_FILE": "", "TEMPORAL_PROFILE": "", "TEMPORAL_API_KEY": "", "TEMPORAL_TLS": "",
		"TEMPORAL_ADDRESS": "", "TEMPORAL_NAMESPACE": "",
	} {
		t.Setenv(name, value)
	}
}

// temporalError connects and returns the one line of the failure.
func temporalError(ctx context.Context, t *testing.T) string {
	t.Helper()
	c, err := connect.Temporal(ctx, slog.New(slog.DiscardHandler), client.MetricsNopHandler)
	require.Error(t, err)
	require.Nil(t, c)
	require.NotContains(t, err.Error(), "\n")
	return err.Error()
}

func TestTemporal(t *testing.T) {
	server := frontendtest.Start(t, "logs")
	isolateTemporal(t)
	t.Setenv("TEMPORAL_ADDRESS", server.Address)
	t.Setenv("TEMPORAL_NAMESPACE", "logs")
	for range 2 {
		c, err := connect.Temporal(t.Context(), slog.New(slog.DiscardHandler), client.MetricsNopHandler)
		require.NoError(t, err)
		c.Close()
		require.Equal(t, visibility.Types(), server.Attributes())
	}
}

func TestTemporalThatRefusesConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	isolateTemporal(t)
	t.Setenv("TEMPORAL_ADDRESS", address)
	says := temporalError(t.Context(), t)
	require.Contains(t, says, "connect to Temporal at "+address)
	require.Contains(t, says, "connection refused")
	require.Contains(t, says, "TEMPORAL_ADDRESS")
}

// TestTemporalThatDoesNotAnswer: a connection is taken and nothing comes.
func TestTemporalThatDoesNotAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	isolateTemporal(t)
	t.Setenv("TEMPORAL_ADDRESS", listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	says := temporalError(ctx, t)
	require.Contains(t, says, "connect to Temporal at "+listener.Addr().String())
	require.Contains(t, says, "TEMPORAL_ADDRESS")
}

func TestTemporalWithoutTheNamespace(t *testing.T) {
	server := frontendtest.Start(t, "logs")
	isolateTemporal(t)
	t.Setenv("TEMPORAL_ADDRESS", server.Address)
	t.Setenv("TEMPORAL_NAMESPACE", "lgos")
	says := temporalError(t.Context(), t)
	require.Contains(t, says, "Temporal at "+server.Address)
	require.Contains(t, says, `namespace "lgos"`)
	require.Contains(t, says, "TEMPORAL_NAMESPACE")
	require.Empty(t, server.Attributes())
}

func TestTemporalWithoutItsConfigurationFile(t *testing.T) {
	isolateTemporal(t)
	missing := filepath.Join(t.TempDir(), "temporal.toml")
	t.Setenv("TEMPORAL_CONFIG_FILE", missing)
	t.Setenv("TEMPORAL_PROFILE", "production")
	require.Contains(t, temporalError(t.Context(), t), "Temporal settings")
}

func TestTemporalPlace(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		want connect.Place
	}{
		"nothing is set": {nil, connect.Place{Address: client.DefaultHostPort, Namespace: "default"}},
		"an address":     {map[string]string{"TEMPORAL_ADDRESS": "h:1", "TEMPORAL_NAMESPACE": "n"}, connect.Place{Address: "h:1", Namespace: "n"}},
		"TLS":            {map[string]string{"TEMPORAL_TLS": "true"}, connect.Place{Address: client.DefaultHostPort, Namespace: "default", TLS: true}},
		"a key":          {map[string]string{"TEMPORAL_API_KEY": "k"}, connect.Place{Address: client.DefaultHostPort, Namespace: "default", TLS: true, APIKey: true}},
		"a key in the open": {map[string]string{"TEMPORAL_API_KEY": "k", "TEMPORAL_TLS": "false"},
			connect.Place{Address: client.DefaultHostPort, Namespace: "default", APIKey: true}},
	} {
		t.Run(name, func(t *testing.T) {
			isolateTemporal(t)
			for variable, value := range c.set {
				t.Setenv(variable, value)
			}
			place, err := connect.TemporalPlace()
			require.NoError(t, err)
			require.Equal(t, c.want, place)
		})
	}
}
