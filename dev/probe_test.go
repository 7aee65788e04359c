package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/temporal"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.Error(w, "not here", http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	server, err := temporal.Start(t.Context(), temporal.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())

	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"all answer":         {[]string{web.URL + "/healthz", "temporal://" + server.Address()}, 0, ""},
		"a status of 404":    {[]string{"temporal://" + server.Address(), web.URL + "/other"}, exitFailed, "404 Not Found: not here"},
		"nobody listens":     {[]string{"http://" + nobody + "/healthz"}, exitFailed, nobody},
		"no Temporal at all": {[]string{"--timeout", "1s", "temporal://" + nobody}, exitFailed, nobody},
		"not a URL":          {[]string{"127.0.0.1:8080"}, exitMisused, "want http://HOST:PORT/PATH or temporal://HOST:PORT"},
		"another scheme":     {[]string{"ftp://127.0.0.1", "nonsense"}, exitMisused, "nonsense"},
		"nothing":            {nil, exitMisused, "requires at least 1 arg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.status, execute(t.Context(), append([]string{"probe"}, c.args...), &stdout, &stderr), stderr.String())
			require.Contains(t, stderr.String(), c.says)
			require.Empty(t, stdout.String())
			require.False(t, c.says == "" && strings.TrimSpace(stderr.String()) != "", stderr.String())
		})
	}
}
