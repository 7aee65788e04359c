package checkup

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/reach"
)

// certificateSoon is how long before its end a certificate is warned of: most are renewed
// a month ahead, and what is not by then was forgotten.
const certificateSoon = 14 * 24 * time.Hour

// DestinationCheck is what Destination needs.
type DestinationCheck struct {
	Config config.Config
	// Probe finds out whether the destination can be reached.
	Probe func(context.Context) (reach.Answer, error)
	Now   func() time.Time
}

// Destination looks whether the destination can be reached, without sending it anything.
func Destination(c DestinationCheck) Check {
	return Check{Name: nameDestination, Run: func(ctx context.Context, r *Report) {
		answer, err := c.Probe(ctx)
		r.endpoint("connection", c.Config.DestinationURL, answer, err, c.Now(), "")
		if file := c.Config.DestinationCertFile; file != "" {
			c.clientCertificate(file, r)
		}
	}}
}

// endpoint reports whether a server can be reached, and for how long its certificate is
// good.
func (r *Report) endpoint(what, to string, answer reach.Answer, err error, now time.Time, remedy string) {
	if err != nil {
		r.fail(what, remedy, err)
		return
	}
	r.ok(what, "%s can be reached, %s", host(to), answer.Encryption())
	if ends := answer.CertificateEnds(); !ends.IsZero() {
		r.certificate(what+"-certificate", "the certificate of "+host(to), "have it renewed by whoever runs the server", ends, now)
	}
}

func (r *Report) certificate(what, of, remedy string, ends, now time.Time) {
	left := ends.Sub(now)
	switch at := ends.UTC().Format(time.RFC3339); {
	case left <= 0:
		r.fail(what, remedy, fmt.Errorf("%s has expired at %s", of, at))
	case left < certificateSoon:
		r.warn(what, remedy, "%s expires in %d days, at %s", of, int(left/(24*time.Hour)), at)
	default:
		r.ok(what, "%s is good until %s", of, at)
	}
}

func (c DestinationCheck) clientCertificate(file string, r *Report) {
	const what = "client-certificate"
	pair, err := tls.LoadX509KeyPair(file, c.Config.DestinationKeyFile)
	if err != nil {
		r.fail(what, "check LOGPIPE_DESTINATION_CERT_FILE and LOGPIPE_DESTINATION_KEY_FILE", err)
		return
	}
	if pair.Leaf != nil {
		r.certificate(what, "the client certificate in "+file, "put a new one there: a worker reads it for each new connection", pair.Leaf.NotAfter, c.Now())
	}
}

// host is what may be shown of a URL: a path or a query can hold a key.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the server"
	}
	return u.Scheme + "://" + u.Host
}
