package delivery_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// TestProbeSendsNothing: no token, no header of the settings, no body.
func TestProbeSendsNothing(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) > 0 {
			t.Errorf("a body of %d bytes, %v", len(body), err)
		}
		got <- r
		w.Header().Set("Date", "Wed, 04 Mar 2026 05:06:07 GMT")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	defer server.Close()
	client := newClient(t, delivery.Options{
		URL: server.URL + "/v1/events?key=" + tokenCanary, Headers: []delivery.Header{{Name: "X-Key", Parameter: "/key"}},
		ReadParameter: func(context.Context, string) (config.Secret, error) {
			t.Error("a parameter is read")
			return config.Secret{}, nil
		},
	})
	answer, err := client.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, answer.Status)
	require.Equal(t, time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), answer.Date)
	require.True(t, answer.CertificateEnds().IsZero())
	require.Equal(t, "without TLS", answer.Encryption())
	r := <-got
	require.Equal(t, http.MethodHead, r.Method)
	require.Equal(t, http.Header{"User-Agent": {"logpipe"}}, r.Header)
}

// TestProbeByTLS goes the way of deliveries, and says what is wrong with it as they do.
func TestProbeByTLS(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour).Truncate(time.Second)
	certFile, keyFile := ours.issue(t, t.TempDir(), "client-1", later)
	wanting := ours.serveTLS(t, "127.0.0.1", later, tls.RequireAndVerifyClientCert, nil)
	for name, c := range map[string]struct {
		url  string
		over delivery.Transport
		says string
	}{
		"our own CA":            {url: wanting, over: delivery.Transport{CAFile: ours.file, CertFile: certFile, KeyFile: keyFile}},
		"another CA":            {url: wanting, over: delivery.Transport{CAFile: others.file, CertFile: certFile, KeyFile: keyFile}, says: "set destination_ca_file"},
		"no client certificate": {url: wanting, over: delivery.Transport{CAFile: ours.file}, says: "check destination_cert_file"},
		"a proxy that is away":  {url: wanting, over: delivery.Transport{CAFile: ours.file, Proxy: "http://127.0.0.1:9"}, says: "through the proxy 127.0.0.1:9"},
		"nobody listens":        {url: "http://127.0.0.1:9", says: "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := newClient(t, delivery.Options{URL: c.url, Transport: c.over}).Probe(t.Context())
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, later.UTC(), answer.CertificateEnds())
			require.Equal(t, "TLS 1.3, h2", answer.Encryption())
		})
	}
}
