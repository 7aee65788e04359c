package worker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// change is one of the settings.
type change = func(*config.Config)

func transportCases() []answerCase {
	faulty := func(row, name, says string, transport func(t *testing.T, api http.Handler) (faulty, right change)) answerCase {
		return resent(noAnswer, row, name, answer{}, says).change(func(c *answerCase) {
			c.api, c.transport, c.faults = nil, transport, lasts
		})
	}
	const (
		rowHost, rowConnect, rowUnknown = "no such host", "connection refused", "certificate signed by somebody unknown"
		rowCertificate, rowNoTLS        = "certificate for another host", "no TLS on this port"
		rowClient, rowProxy             = "the server asks for a client certificate", "proxy cannot be reached"
		rowReset, rowTime, rowCharacter = "reset or closed before an answer came", "no answer in time", "a character that no header can have"
	)
	certified := func(name, says string, leaf func(*x509.Certificate)) answerCase {
		return faulty(rowCertificate, name, says, func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			ours := newCA(t)
			bad := ours.serve(t, api, leaf, tls.NoClientCert)
			good := ours.serve(t, api, nil, tls.NoClientCert)
			return func(c *config.Config) { c.DestinationURL = bad },
				func(c *config.Config) { c.DestinationURL, c.DestinationCAFile = good, ours.file }
		})
	}
	behindProxy := func(name, says string, answers func(w http.ResponseWriter)) answerCase {
		return faulty(rowProxy, name, says, func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			ours := newCA(t)
			good := ours.serve(t, api, nil, tls.NoClientCert)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answers(w) }))
			t.Cleanup(proxy.Close)
			if answers == nil {
				proxy.Close()
			}
			return func(c *config.Config) { c.DestinationProxy = proxy.URL },
				func(c *config.Config) { c.DestinationURL, c.DestinationCAFile = good, ours.file }
		})
	}
	lost := func(name, answered string) answerCase {
		// The API has the batch, and its answer is lost.
		return resent(noAnswer, rowReset, name, answer{status: 200, write: raw(answered)}, "before an answer came")
	}
	return []answerCase{
		faulty(rowHost, "no such host", "no such host: check the host in destination_url", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			// A name that no name server has to be asked about.
			return func(c *config.Config) { c.DestinationURL = "http://no..such.host/" }, plainly(t, api)
		}),
		faulty(rowConnect, "nobody listens", "the connection was refused, nothing listens there: is the API up", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			closed := httptest.NewServer(api)
			closed.Close()
			return func(c *config.Config) { c.DestinationURL = closed.URL }, plainly(t, api)
		}),
		faulty(rowUnknown, "unknown", "signed by somebody unknown: set destination_ca_file", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			ours, others := newCA(t), newCA(t)
			url := ours.serve(t, api, nil, tls.NoClientCert)
			return func(c *config.Config) { c.DestinationCAFile = others.file },
				func(c *config.Config) { c.DestinationURL, c.DestinationCAFile = url, ours.file }
		}),
		certified("another host", "the certificate is not for this host: check the host in destination_url", func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"other.example.com"}
		}),
		certified("expired", "the certificate has expired or is not yet valid", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		certified("for clients", "the certificate is not valid for a server", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
		faulty(rowNoTLS, "no TLS", "the server does not speak TLS on this port: check scheme and port of destination_url", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			right := plainly(t, api)
			return func(c *config.Config) { c.DestinationURL = strings.Replace(c.DestinationURL, "http:", "https:", 1) }, right
		}),
		faulty(rowNoTLS, "no HTTP", "what answered does not speak HTTP as it should: check host and port of destination_url", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			mail := httptest.NewServer(http.HandlerFunc(raw("220 mail.example.com\r\n")))
			t.Cleanup(mail.Close)
			return func(c *config.Config) { c.DestinationURL = mail.URL }, plainly(t, api)
		}),
		faulty(rowClient, "without", "check destination_cert_file and destination_key_file", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			ours := newCA(t)
			url := ours.serve(t, api, nil, tls.RequireAndVerifyClientCert)
			pair := ours.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
			return func(c *config.Config) { c.DestinationCertFile, c.DestinationKeyFile = "", "" }, func(c *config.Config) {
				c.DestinationURL, c.DestinationCAFile, c.DestinationCertFile, c.DestinationKeyFile = url, ours.file, pair.certFile, pair.keyFile
			}
		}),
		behindProxy("away", "the proxy cannot be reached: check destination_proxy", nil),
		behindProxy("credentials", "the proxy asks for credentials", func(w http.ResponseWriter) { w.WriteHeader(http.StatusProxyAuthRequired) }),
		behindProxy("refuses", "the proxy answered HTTP status 403", func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }),
		lost("reset", ""),
		lost("closed", "HTTP/1.1 200 OK\r\nContent-Length: 1"),
		faulty(rowTime, "stalls", "which is destination_response_timeout", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then it is noticed that the client goes
				<-r.Context().Done()
			}))
			t.Cleanup(slow.Close)
			return func(c *config.Config) { c.DestinationURL, c.DestinationResponseTimeout = slow.URL, 50*time.Millisecond }, plainly(t, api)
		}),
		faulty(rowCharacter, "in a header", "has a character that no header can have, such as a newline: correct it where it comes from", func(t *testing.T, api http.Handler) (change, change) {
			t.Helper()
			return func(c *config.Config) { c.DestinationHeaders = config.Headers{"X-Key": secretCanary + "\n"} }, plainly(t, api)
		}),
	}
}

// plainly serves the API without TLS.
func plainly(t *testing.T, api http.Handler) change {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return func(c *config.Config) { c.DestinationURL = server.URL }
}

// ca signs certificates.
type ca struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

// keyPair is a certificate with its key, in files.
type keyPair struct {
	tls.Certificate

	certFile, keyFile string
}

func newCA(t *testing.T) ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := ca{certificate, key, filepath.Join(t.TempDir(), "ca.pem")}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue makes a certificate for a server on this machine, or what change makes of it.
func (a ca) issue(t *testing.T, change func(*x509.Certificate)) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	pair := keyPair{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	writePEM(t, pair.certFile, "CERTIFICATE", der)
	writePEM(t, pair.keyFile, "PRIVATE KEY", private)
	pair.Certificate, err = tls.LoadX509KeyPair(pair.certFile, pair.keyFile)
	require.NoError(t, err)
	return pair
}

// serve serves the API with TLS.
func (a ca) serve(t *testing.T, api http.Handler, leaf func(*x509.Certificate), wants tls.ClientAuthType) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	server := httptest.NewUnstartedServer(api)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue(t, leaf).Certificate}, ClientAuth: wants, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
