package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Transport says how the destination is reached.
type Transport struct {
	// Timeout limits an attempt from its begin to the last byte of the answer that is
	// needed, ConnectTimeout the connection and then TLS, ResponseTimeout the wait from
	// the last byte of the request to the end of the answer's headers. Zero is no limit
	// for the latter two, and 30 s for the first.
	Timeout, ConnectTimeout, ResponseTimeout time.Duration
	// CAFile holds the certificates, in PEM, of those who may sign the destination's,
	// instead of the system's.
	CAFile string
	// CertFile and KeyFile are the client's certificate and key, in PEM. They are read
	// for every connection that is made.
	CertFile, KeyFile string
	// Proxy is the URL of an HTTP proxy, empty for what the environment says, or
	// [ProxyNone].
	Proxy string
	// Connections is how many are kept for further requests; a busy worker then does not
	// connect anew for each.
	Connections int

	// certificateAsked is set when the destination has asked for a client certificate.
	certificateAsked *atomic.Bool
}

// ProxyNone as a proxy connects directly, whatever the environment says.
const ProxyNone = "none"

const (
	defaultTimeout = 30 * time.Second

	// maxAnswerHeader bounds the headers of an answer.
	maxAnswerHeader = 64 << 10
)

// roundTripper sets the default timeout and returns the transport.
func (t *Transport) roundTripper() (*http.Transport, error) {
	if t.Timeout == 0 {
		t.Timeout = defaultTimeout
	}
	proxy, err := t.proxy()
	if err != nil {
		return nil, err
	}
	settings, err := t.tls()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            (&net.Dialer{Timeout: t.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    t.ConnectTimeout,
		ResponseHeaderTimeout:  t.ResponseTimeout,
		ForceAttemptHTTP2:      true, // a TLS configuration of one's own takes it away
		MaxIdleConns:           2 * t.Connections,
		MaxIdleConnsPerHost:    t.Connections,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswerHeader,
		// What an answer inflates to would be one thing more to bound.
		DisableCompression: true,
	}, nil
}

func (t *Transport) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch t.Proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case ProxyNone:
		return nil, nil
	}
	to, err := url.Parse(t.Proxy)
	if err != nil {
		return nil, errors.New("destination_proxy: is no URL that can be read")
	}
	return http.ProxyURL(to), nil
}

func (t *Transport) tls() (*tls.Config, error) {
	t.certificateAsked = new(atomic.Bool)
	certificate := &clientCertificate{certFile: t.CertFile, keyFile: t.KeyFile}
	settings := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			t.certificateAsked.Store(true)
			return certificate.load()
		},
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("destination_ca_file: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("destination_ca_file: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if _, err := certificate.load(); err != nil {
		return nil, fmt.Errorf("destination_cert_file and destination_key_file: %w", err)
	}
	return settings, nil
}

// clientCertificate is read anew for every connection, which are few, so that a rotated
// one is picked up without a restart.
type clientCertificate struct {
	certFile, keyFile string

	mu   sync.Mutex
	last *tls.Certificate
}

// load returns the last good pair while the files do not fit each other, as between the
// two writes of a rotation. Without files it is a certificate that says nothing.
func (c *clientCertificate) load() (*tls.Certificate, error) {
	if c.certFile == "" {
		return &tls.Certificate{}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.last = &pair
	case c.last == nil:
		return nil, err
	}
	return c.last, nil
}

// proxyError is a proxy's answer to CONNECT.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered HTTP status %d", e.status)
}

// proxyAnswered tells what a proxy refuses from what the destination does.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return &proxyError{res.StatusCode}
	}
	return nil
}
