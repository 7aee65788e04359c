package config

import (
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// The values of BatchFormat and BatchCompression.
const (
	BatchArray  = "array"
	BatchNDJSON = "ndjson"
	BatchObject = "object"

	CompressNone = "none"
	CompressGzip = "gzip"
)

// None as DestinationTokenScheme sends the token without one, and as DestinationProxy
// uses no proxy.
const None = "none"

// Headers are further headers of a request by name. A value that begins with
// [HeaderParameter] names the SSM parameter that holds it. In text they are a JSON
// object.
type Headers map[string]string

// HeaderParameter begins the value of a header that an SSM parameter holds.
const HeaderParameter = "ssm:"

// ParseHeaders reads a JSON object of names and values.
func ParseHeaders(text string) (Headers, error) {
	headers, err := readTextMap(text, mapWords{pair: `{"NAME":"VALUE"}`, value: "a value as a string", twice: "names a header twice"})
	return headers, err
}

// String is the form that [ParseHeaders] reads, and empty if there are no headers.
func (h Headers) String() string { return TextMap(h).String() }

// ownHeaders are made by the request itself, and those that say how a connection is used.
var ownHeaders = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// checkHeaders does not repeat values: one could be a secret by mistake.
func checkHeaders(headers Headers) error {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch value := headers[name]; {
		case checkHeaderName(name) != nil:
			return fmt.Errorf("cannot be used: %q %w", name, checkHeaderName(name))
		case slices.Contains(ownHeaders, canonical):
			return fmt.Errorf("cannot be used: %s is set by the request itself: remove it", canonical)
		case seen[canonical] != "":
			return fmt.Errorf("names the header %s twice: remove one of them", canonical)
		case strings.HasPrefix(value, HeaderParameter):
			if err := checkSecretParameter(strings.TrimPrefix(value, HeaderParameter)); err != nil {
				return fmt.Errorf("cannot be used: what the value of %s names behind %s %w", canonical, HeaderParameter, err)
			}
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) || value != strings.TrimSpace(value):
			return fmt.Errorf("cannot be used: the value of %s has a character that no header can have: use visible ASCII characters", canonical)
		}
		seen[canonical] = name
	}
	return nil
}

func checkHeaderName(name string) error {
	const punctuation = "!#$%&'*+-.^_`|~"
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(punctuation, r)
	}) {
		return errors.New("is no name of a header: use letters, digits and -")
	}
	return nil
}

func checkTokenScheme(scheme string) error {
	if scheme != "" && checkHeaderName(scheme) != nil {
		return errors.New("is no scheme: write one word such as Bearer, or none")
	}
	return nil
}

// WholeAnswer as DestinationFailedItems is an answer that is the list itself: in a JSON
// pointer that is the empty text, which here is none.
const WholeAnswer = "#"

func checkListPointer(text string) error {
	if text == WholeAnswer {
		return nil
	}
	return checkPointer(text)
}

func checkProxy(text string) error {
	if text == "" || text == None {
		return nil
	}
	u, err := parseURL(text)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return fmt.Errorf("has the scheme %q: use an http://, https:// or socks5:// URL", u.Scheme)
	case u.Hostname() == "":
		return errors.New("has no host: write http://HOST:PORT")
	case u.User != nil:
		return errors.New("holds credentials: remove them, and set HTTP_PROXY or HTTPS_PROXY instead of this setting")
	}
	return nil
}

// destinationFaults are those of settings about the destination that only show together.
func (c *Config) destinationFaults(wrong map[string]bool) []error {
	var faults []error
	if (c.DestinationCertFile == "") != (c.DestinationKeyFile == "") {
		faults = append(faults, fmt.Errorf("%s: needs %s beside it, and the other way round: set both or none",
			c.name("destination_cert_file"), c.name("destination_key_file")))
	}
	if to, err := url.Parse(c.DestinationURL); err == nil && to.Scheme == "http" && !wrong["destination_url"] &&
		(c.DestinationCAFile != "" || c.DestinationCertFile != "") {
		faults = append(faults, fmt.Errorf("%s: is of no use for the http URL in %s: write https, or remove the certificates",
			c.name(firstSet(c)), c.name("destination_url")))
	}
	taken := map[string]string{}
	names := []struct{ key, header string }{
		{"destination_token_header", c.DestinationTokenHeader},
		{"destination_idempotency_header", c.DestinationIdempotencyHeader},
	}
	for _, name := range slices.Sorted(maps.Keys(c.DestinationHeaders)) {
		names = append(names, struct{ key, header string }{"destination_headers", name})
	}
	for _, n := range names {
		canonical := textproto.CanonicalMIMEHeaderKey(n.header)
		if other := taken[canonical]; other != "" && other != n.key && !wrong[n.key] && !wrong[other] {
			faults = append(faults, fmt.Errorf("%s: names the header %s, as %s does: use two headers", c.name(n.key), canonical, c.name(other)))
		}
		taken[canonical] = n.key
	}
	return faults
}

func firstSet(c *Config) string {
	if c.DestinationCAFile != "" {
		return "destination_ca_file"
	}
	return "destination_cert_file"
}
