package token

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Endpoint asks an OAuth 2.0 token endpoint for tokens by client credentials
// (RFC 6749, section 4.4).
type Endpoint struct {
	Client
	// Post sends id and secret in the form (client_secret_post) instead of by HTTP
	// Basic (client_secret_basic).
	Post bool
	// Scope is sent where it is not empty; several are separated by spaces.
	Scope string
	// Audience is sent where it is not empty.
	Audience string
	// Parameters are sent beside these.
	Parameters map[string]string
}

// Fetch makes one request for a token. It does not retry. Errors of the endpoint are
// an [*EndpointError] and wrap ErrRejected where the client was refused; others are
// those of the client secret.
func (e *Endpoint) Fetch(ctx context.Context) (Token, error) {
	secret, err := e.secret(ctx)
	if err != nil {
		return Token{}, err
	}
	x := &exchange{Client: &e.Client, secretVersion: secret.Version, asked: e.now()}
	settings := clientcredentials.Config{
		ClientID:       e.ID,
		ClientSecret:   secret.Value.Reveal(),
		TokenURL:       e.URL,
		EndpointParams: e.parameters(),
		// Named, because probing for the style costs a second request.
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	if e.Post {
		settings.AuthStyle = oauth2.AuthStyleInParams
	}
	if e.Scope != "" {
		settings.Scopes = []string{e.Scope}
	}
	got, err := settings.Token(context.WithValue(ctx, oauth2.HTTPClient, x.httpClient()))
	if err != nil {
		return Token{}, x.failed(sanitised(err, secret.Value.Reveal()))
	}
	members := map[string]any{}
	for _, name := range []string{memberExpiresIn, memberExpiresAt} {
		members[name] = got.Extra(name)
	}
	fresh, err := x.token(members, got.AccessToken, got.Type(), "")
	if err != nil {
		return Token{}, x.failed(err)
	}
	return fresh, nil
}

func (e *Endpoint) parameters() url.Values {
	values := url.Values{}
	for name, value := range e.Parameters {
		values.Set(name, value)
	}
	if e.Audience != "" {
		values.Set("audience", e.Audience)
	}
	return values
}

// sanitised strips what an error of the oauth2 package may quote: the body of
// the answer can hold whatever the endpoint was sent.
func sanitised(err error, secret string) error {
	if answered, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		code := answered.ErrorCode
		if !errorCode.MatchString(code) || strings.Contains(code, secret) {
			code = ""
		}
		status := answered.Response.StatusCode
		if status < 300 {
			// An error under the status of a success.
			status = http.StatusBadRequest
		}
		return statusError(status, code)
	}
	if cause := transportCause(err); cause != nil {
		return cause
	}
	if cause, ok := strings.CutPrefix(err.Error(), "oauth2: cannot fetch token: "); ok {
		return errors.New("read the answer: " + cause)
	}
	return errNoToken
}

// errNoToken: the endpoint answers, but not as one.
var errNoToken = errors.New("the answer is no token (RFC 6749, section 5.1); check that LOGPIPE_TOKEN_URL is an OAuth 2.0 token endpoint")

// errorCode matches what an error code looks like (RFC 6749, section 5.2), and no secret
// that has digits.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)
