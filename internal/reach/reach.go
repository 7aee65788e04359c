// Package reach asks a server whether it can be reached, with a request that carries
// nothing: no body, no credentials, no header of anybody's settings.
package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Answer is what a server has told beside its status.
type Answer struct {
	// Status is the HTTP status, whatever it is: a server that has one can be reached.
	Status int
	// Date is the time of the server in whole seconds, zero where it does not tell it.
	Date time.Time
	// TLS is the state of the connection, nil where it was not encrypted.
	TLS *tls.ConnectionState
}

// Ask sends a HEAD request and reads nothing but the headers of the answer. Errors are
// those of the transport.
func Ask(ctx context.Context, transport http.RoundTripper, url string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return Answer{}, errors.New("no request can be made of the URL")
	}
	r.Header.Set("User-Agent", "logpipe")
	res, err := transport.RoundTrip(r)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	a := Answer{Status: res.StatusCode, TLS: res.TLS}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		a.Date = date
	}
	return a, nil
}

// Encryption tells how the connection is encrypted, for people.
func (a Answer) Encryption() string {
	if a.TLS == nil {
		return "without TLS"
	}
	text := tls.VersionName(a.TLS.Version)
	if a.TLS.NegotiatedProtocol != "" {
		text += ", " + a.TLS.NegotiatedProtocol
	}
	return text
}

// CertificateEnds is when the first of the certificates that the server has shown
// expires, zero where it has shown none.
func (a Answer) CertificateEnds() time.Time {
	var ends time.Time
	if a.TLS == nil {
		return ends
	}
	for _, certificate := range a.TLS.PeerCertificates {
		if ends.IsZero() || certificate.NotAfter.Before(ends) {
			ends = certificate.NotAfter
		}
	}
	return ends
}

// String is one line about the answer.
func (a Answer) String() string { return fmt.Sprintf("HTTP status %d, %s", a.Status, a.Encryption()) }
