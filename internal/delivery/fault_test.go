package delivery_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// TestTransportFaults: each is retried, and named with what to do about it.
func TestTransportFaults(t *testing.T) {
	t.Parallel()
	silent := func(exchange) bool { return false }
	dialling := func(err error) func(*delivery.Client) {
		return func(c *delivery.Client) {
			c.SetDial(func(_ context.Context, network, _ string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			})
		}
	}
	writing := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return listen(t, func(e exchange) bool { _, _ = io.WriteString(e, text); return false })
		}
	}
	for name, c := range map[string]struct {
		url     func(t *testing.T) string
		options delivery.Options
		change  func(*delivery.Client)
		says    string
	}{
		"nobody listens": {
			url: func(*testing.T) string {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer listener.Close()
				return "http://" + listener.Addr().String()
			},
			says: "connection was refused",
		},
		"no such host":     {change: dialling(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), says: "no such host: check the host in destination_url"},
		"name server away": {change: dialling(&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}), says: "name servers do not answer"},
		"no route":         {change: dialling(syscall.EHOSTUNREACH), says: "no way to this host"},
		"no network":       {change: dialling(syscall.ENETUNREACH), says: "no way to this host"},
		"firewall":         {change: dialling(os.ErrDeadlineExceeded), options: delivery.Options{Transport: delivery.Transport{ConnectTimeout: 3 * time.Second}}, says: "no connection within 3s, which is destination_connect_timeout"},
		"another dialling": {change: dialling(errors.New("odd")), says: "no connection could be made"},
		"closed":           {url: func(t *testing.T) string { t.Helper(); return listen(t, silent) }, says: "connection was closed before an answer came"},
		"reset": {
			url: func(t *testing.T) string {
				t.Helper()
				return listen(t, func(e exchange) bool { _ = e.Conn.(*net.TCPConn).SetLinger(0); return false })
			},
			says: "before an answer came",
		},
		"half a header": {url: writing("HTTP/1.1 200 OK\r\nContent-Length: 1"), says: "closed before an answer came"},
		"no HTTP":       {url: writing("220 mail.example.com " + lineCanary + "\r\n"), says: "does not speak HTTP"},
		"no status":     {url: writing("HTTP/1.1 wanders OK\r\n\r\n"), says: "does not speak HTTP"},
		"no header":     {url: writing("HTTP/1.1 200 OK\r\n" + lineCanary + "\r\n\r\n"), says: "does not speak HTTP"},
		"odd length":    {url: writing("HTTP/1.1 200 OK\r\nContent-Length: wanders\r\n\r\n"), says: "does not speak HTTP"},
		"odd encoding":  {url: writing("HTTP/1.1 200 OK\r\nTransfer-Encoding: wanders\r\n\r\n"), says: "does not speak HTTP"},
		"long header":   {url: writing("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), says: "headers of the answer are longer than 65536 bytes"},
		"endless 1xx":   {url: writing(strings.Repeat("HTTP/1.1 102 Processing\r\nX: "+strings.Repeat("x", 100)+"\r\n\r\n", 10_000)), says: "headers of the answer are longer"},
		"only 1xx":      {url: writing("HTTP/1.1 103 Early Hints\r\n\r\n"), says: "closed before an answer came"},
		"slow answer":   {url: stalling, options: delivery.Options{Transport: delivery.Transport{ResponseTimeout: 30 * time.Millisecond}}, says: "which is destination_response_timeout"},
		"no answer":     {url: stalling, options: delivery.Options{Transport: delivery.Transport{Timeout: 30 * time.Millisecond}}, says: "no answer within 30ms, which is destination_timeout"},
		"plain for TLS": {url: func(t *testing.T) string {
			t.Helper()
			return "https" + strings.TrimPrefix(answering(t, response(200, "", "")), "http")
		}, says: "before an answer came"},
		"proxy away":      {options: delivery.Options{Transport: delivery.Transport{Proxy: "http://127.0.0.1:1"}}, says: "the proxy cannot be reached: check destination_proxy"},
		"proxy unknown":   {options: delivery.Options{Transport: delivery.Transport{Proxy: "http://proxy:1"}}, change: dialling(&net.DNSError{IsNotFound: true}), says: "the proxy cannot be reached: check destination_proxy, HTTP_PROXY and HTTPS_PROXY; no such host: check the host in that URL"},
		"a newline in it": {options: delivery.Options{TokenScheme: "a\nb"}, says: "has a character that no header can have"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.URL = "http://analytics.example.com:8443/path-" + headerCanary + "?key=" + headerCanary
			if c.url != nil {
				c.options.URL = c.url(t) + "/path-" + headerCanary + "?key=" + headerCanary
			}
			client := newClient(t, c.options)
			if c.change != nil {
				c.change(client)
			}
			requireFault(t, attempt(t, client, request()), c.says)
		})
	}
}

func requireFault(t *testing.T, a delivery.Answer, says string) {
	t.Helper()
	require.Equal(t, delivery.Unavailable, a.Verdict)
	require.Zero(t, a.Status)
	require.ErrorContains(t, a.Err, says)
	require.ErrorContains(t, a.Err, "send to http")
}

func stalling(t *testing.T) string {
	t.Helper()
	return listen(t, func(e exchange) bool { _, _ = e.Read(make([]byte, 1)); return false })
}

// TestHTTPForTLS: a server that speaks TLS answers in plain text what is wrong.
func TestHTTPForTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	a := deliver(t, delivery.Options{URL: "http" + strings.TrimPrefix(server.URL, "https")})
	require.Equal(t, delivery.Refused, a.Verdict)
	require.Contains(t, a.Excerpt, "HTTP request to an HTTPS server")

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	requireFault(t, deliver(t, delivery.Options{URL: "https" + strings.TrimPrefix(plain.URL, "http")}), "does not speak TLS on this port")
}

func TestACancelledRequestIsNoRefusal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := newClient(t, delivery.Options{URL: "http://127.0.0.1:9"}).Deliver(ctx, request())
	requireFault(t, a, "cancelled")
	require.ErrorIs(t, a.Err, context.Canceled)
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := authority{certificate, key, filepath.Join(t.TempDir(), "ca.pem")}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes a certificate and its key into files.
func (a authority) issue(t *testing.T, dir, name string, ends time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: ends, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

// serveTLS serves with a certificate for the name and tells the client's, if it has one,
// and where the connection comes from.
func (a authority) serveTLS(t *testing.T, name string, ends time.Time, wants tls.ClientAuthType, seen func(name, from string)) string {
	t.Helper()
	certFile, keyFile := a.issue(t, t.TempDir(), name, ends)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if seen != nil && len(r.TLS.PeerCertificates) > 0 {
			seen(r.TLS.PeerCertificates[0].Subject.CommonName, r.RemoteAddr)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: wants, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	client, key := ours.issue(t, t.TempDir(), "client-1", later)
	strange, strangeKey := others.issue(t, t.TempDir(), "client-2", later)
	for name, c := range map[string]struct {
		host  string
		ends  time.Time
		wants tls.ClientAuthType
		over  delivery.Transport
		says  string
	}{
		"own CA":                {over: delivery.Transport{CAFile: ours.file}},
		"unknown CA":            {says: "signed by somebody unknown: set destination_ca_file"},
		"another CA":            {over: delivery.Transport{CAFile: others.file}, says: "signed by somebody unknown"},
		"another host":          {host: "b.example.com", over: delivery.Transport{CAFile: ours.file}, says: "not for this host"},
		"expired":               {ends: time.Now().Add(-time.Hour), over: delivery.Transport{CAFile: ours.file}, says: "has expired"},
		"client certificate":    {wants: tls.RequireAndVerifyClientCert, over: delivery.Transport{CAFile: ours.file, CertFile: client, KeyFile: key}},
		"no client certificate": {wants: tls.RequireAndVerifyClientCert, over: delivery.Transport{CAFile: ours.file}, says: "check destination_cert_file"},
		"foreign client":        {wants: tls.RequireAndVerifyClientCert, over: delivery.Transport{CAFile: ours.file, CertFile: strange, KeyFile: strangeKey}, says: "check destination_cert_file"},
		"unasked for":           {over: delivery.Transport{CAFile: ours.file, CertFile: client, KeyFile: key}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.host == "" {
				c.host = "127.0.0.1"
			}
			if c.ends.IsZero() {
				c.ends = later
			}
			a := deliver(t, delivery.Options{URL: ours.serveTLS(t, c.host, c.ends, c.wants, nil), Transport: c.over})
			if c.says == "" {
				require.Equal(t, delivery.Accepted, a.Verdict, a.Err)
				return
			}
			requireFault(t, a, c.says)
		})
	}
}

// TestClientCertificateIsRotated between two connections, and half of a rotation does no
// harm.
func TestClientCertificateIsRotated(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	certFile, keyFile := ours.issue(t, dir, "client-1", later)
	var seen, connection string
	url := ours.serveTLS(t, "127.0.0.1", later, tls.RequireAndVerifyClientCert, func(name, from string) { seen, connection = name, from })
	client := newClient(t, delivery.Options{URL: url, Transport: delivery.Transport{CAFile: ours.file, CertFile: certFile, KeyFile: keyFile}})
	// A connection can still be at its last request when that has been answered, and is not
	// closed then, so this asks until there is another one.
	requireNext := func(name, why string) {
		t.Helper()
		for before, deadline := connection, time.Now().Add(time.Minute); connection == before; {
			require.True(t, time.Now().Before(deadline), "the connection is still the same")
			client.Close()
			require.Equal(t, delivery.Accepted, attempt(t, client, request()).Verdict)
		}
		require.Equal(t, name, seen, why)
	}
	requireNext("client-1", "the first connection")

	private, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	ours.issue(t, dir, "client-2", later)
	rotated, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(keyFile, private, 0o600))
	requireNext("client-1", "the certificate does not fit the key yet")

	require.NoError(t, os.WriteFile(keyFile, rotated, 0o600))
	requireNext("client-2", "both files are new")
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	certFile, keyFile := ours.issue(t, t.TempDir(), "client", time.Now().Add(time.Hour))
	for says, o := range map[string]delivery.Options{
		"URL cannot be read":                             {URL: "http://[::1"},
		"destination_ca_file: open":                      {Transport: delivery.Transport{CAFile: "/no/such/file"}},
		"holds no certificate in PEM":                    {Transport: delivery.Transport{CAFile: keyFile}},
		"destination_cert_file and destination_key_file": {Transport: delivery.Transport{CertFile: certFile, KeyFile: certFile}},
		"destination_proxy: is no URL":                   {Transport: delivery.Transport{Proxy: "http://[::1"}},
	} {
		if o.URL == "" {
			o.URL = "https://analytics.example.com"
		}
		_, err := delivery.NewClient(o)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "PRIVATE")
	}
}

// TestProxy reaches the destination through a proxy, by CONNECT where it speaks TLS.
func TestProxy(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	secure := ours.serveTLS(t, "analytics.example.com", time.Now().Add(time.Hour), tls.NoClientCert, nil)
	for name, c := range map[string]struct {
		url    string
		answer int
		says   string
	}{
		"plain":         {url: "http://analytics.example.com/x"},
		"TLS":           {url: "https://analytics.example.com/x"},
		"asks for more": {url: "https://analytics.example.com/x", answer: 407, says: "the proxy asks for credentials"},
		"refuses":       {url: "https://analytics.example.com/x", answer: 403, says: "the proxy answered HTTP status 403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked string
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.Method + " " + r.RequestURI
				if r.Header.Get("Authorization") != "" && r.Method == http.MethodConnect {
					asked = "the token"
				}
				if c.answer != 0 {
					w.WriteHeader(c.answer)
					return
				}
				if r.Method != http.MethodConnect {
					return
				}
				to, err := net.Dial("tcp", strings.TrimPrefix(secure, "https://"))
				if err != nil {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				from, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return
				}
				_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
				go func() { defer to.Close(); _, _ = io.Copy(to, from) }()
				go func() { defer from.Close(); _, _ = io.Copy(from, to) }()
			}))
			defer proxy.Close()
			a := deliver(t, delivery.Options{URL: c.url, Transport: delivery.Transport{Proxy: proxy.URL, CAFile: ours.file}})
			if c.says != "" {
				requireFault(t, a, c.says)
				require.ErrorContains(t, a.Err, "through the proxy 127.0.0.1:")
				return
			}
			require.Equal(t, delivery.Accepted, a.Verdict, a.Err)
			if name == "plain" {
				require.Equal(t, "POST "+c.url, asked)
			} else {
				require.Equal(t, "CONNECT analytics.example.com:443", asked)
			}
		})
	}
	// The same for a request that a proxy answers itself.
	a := deliver(t, delivery.Options{URL: answering(t, response(407, "", "")), Transport: delivery.Transport{Proxy: delivery.ProxyNone}})
	require.Equal(t, delivery.Refused, a.Verdict)
	require.Contains(t, a.Reason, "the proxy asks for credentials")
}

// TestErrorsDoNotQuoteTheToken, even one that makes a request impossible.
func TestErrorsDoNotQuoteTheToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{tokenCanary + "\r\nX: y", "\x00" + tokenCanary} {
		r := request()
		r.Token = config.NewSecret(token)
		a := attempt(t, newClient(t, delivery.Options{URL: "http://127.0.0.1:9"}), r)
		requireFault(t, a, "such as a newline")
	}
	require.NotContains(t, fmt.Sprintf("%+v", request()), tokenCanary)
}
