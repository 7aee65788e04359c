package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// TransportError is why no answer came. Its text is our own, since that of the cause can quote
// what a server has sent.
type TransportError struct {
	message string
	cause   error
}

func (e *TransportError) Error() string { return e.message }

// Unwrap is for those who compare errors; it is not to be printed.
func (e *TransportError) Unwrap() error { return e.cause }

// fault names what went wrong with a request, and what to do.
func (c *Client) fault(ctx context.Context, req *http.Request, err error) error {
	message := c.describe(ctx, err)
	if c.options.Transport.certificateAsked.Load() {
		// With TLS 1.3 a certificate is refused when the client has begun to send, and what
		// comes of it is as any other lost connection.
		message += "; the server asks for a client certificate: check destination_cert_file and destination_key_file if this goes on"
	}
	if through := c.throughProxy(req); through != "" {
		message += through
	}
	return &TransportError{message: fmt.Sprintf("send to %s: %s", address(c.url), message), cause: err}
}

// address is what may be shown of a URL: a path or a query can hold a key.
func address(u *url.URL) string { return u.Scheme + "://" + u.Host }

// throughProxy tells by the way of which proxy a request went.
func (c *Client) throughProxy(req *http.Request) string {
	t, ok := c.transport.(*http.Transport)
	if !ok || t.Proxy == nil {
		return ""
	}
	proxy, err := t.Proxy(req)
	if err != nil || proxy == nil {
		return ""
	}
	return fmt.Sprintf(" (through the proxy %s)", proxy.Host)
}

// describe puts an error of the transport in our words.
func (c *Client) describe(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errTotalTimeout) {
		return fmt.Sprintf("no answer within %s, which is destination_timeout: is the API too slow for batches of this size?", c.options.Transport.Timeout)
	}
	if ctx.Err() != nil {
		return "the attempt was cancelled, as when a worker stops"
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		if proxy.status == http.StatusProxyAuthRequired {
			return "the proxy asks for credentials: give them in HTTP_PROXY or HTTPS_PROXY, or check destination_proxy"
		}
		return fmt.Sprintf("the proxy answered HTTP status %d: does it allow connections to this host?", proxy.status)
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isOp && op.Op == "proxyconnect" {
		why := strings.ReplaceAll(c.describeConnection(err), "destination_url", "that URL")
		return "the proxy cannot be reached: check destination_proxy, HTTP_PROXY and HTTPS_PROXY; " + why
	}
	for _, describe := range []func(error) string{c.describeCertificate, c.describeTLS, c.describeConnection, describeAnswer} {
		if text := describe(err); text != "" {
			return text
		}
	}
	return "the request failed for a reason that has no name here"
}

func (c *Client) describeCertificate(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by somebody unknown: set destination_ca_file to the certificate of who signed it"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not for this host: check the host in destination_url"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "the certificate has expired or is not yet valid: have it renewed, and check the worker's clock"
		}
		return "the certificate is not valid for a server: have it replaced, or check destination_ca_file"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate cannot be verified: check destination_ca_file and the host in destination_url"
	}
	return ""
}

func (c *Client) describeTLS(err error) string {
	// The alert of a peer comes within a net.OpError.
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "the server ended TLS, by its own account because of the handshake or of a certificate"
	}
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	if isRecord || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS on this port: check scheme and port of destination_url"
	}
	return ""
}

func (c *Client) describeConnection(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host: check the host in destination_url and the worker's name servers"
		}
		return "the name servers do not answer for this host: check the worker's network"
	}
	dialling := false
	if op, ok := errors.AsType[*net.OpError](err); ok {
		dialling = op.Op == "dial"
	}
	timeout := false
	if t, ok := errors.AsType[net.Error](err); ok {
		timeout = t.Timeout()
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused, nothing listens there: is the API up, and is the port in destination_url right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to this host: check the worker's network and routes"
	case dialling && timeout:
		return fmt.Sprintf("no connection within %s, which is destination_connect_timeout: does a firewall let the worker out?", c.options.Transport.ConnectTimeout)
	case strings.Contains(err.Error(), "TLS handshake timeout"):
		return fmt.Sprintf("TLS was not ready within %s, which is destination_connect_timeout", c.options.Transport.ConnectTimeout)
	case timeout:
		return fmt.Sprintf("no answer within %s of the request, which is destination_response_timeout", c.options.Transport.ResponseTimeout)
	case dialling:
		return "no connection could be made: check the worker's network"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return "the connection was reset before an answer came"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "server closed idle connection"):
		return "the connection was closed before an answer came"
	}
	return ""
}

// describeAnswer tells what is wrong with bytes that came; net/http has no types for
// it, and quotes some of them.
func describeAnswer(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "server response headers exceeded"):
		return fmt.Sprintf("the headers of the answer are longer than %d bytes", maxAnswerHeader)
	case strings.Contains(text, "invalid header field"):
		return "the token or a header of destination_headers has a character that no header can have, such as a newline: correct it where it comes from"
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME"),
		strings.Contains(text, "bad Content-Length"), strings.Contains(text, "transfer encoding"), strings.Contains(text, "Content-Length"):
		return "what answered does not speak HTTP as it should: check host and port of destination_url"
	case strings.Contains(text, "http2:"):
		return "the connection was lost before an answer came"
	}
	return ""
}
