package token

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/log-event-pipeline/logpipe/internal/token/loginbody"
)

// Login asks for tokens by posting a JSON body, for APIs that are not OAuth 2.0.
type Login struct {
	Client
	// Body is what is posted, see package loginbody.
	Body string
	// Layout of the answer.
	Layout Layout
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Fetch makes one request for a token. Errors are as those of [Endpoint.Fetch].
func (l *Login) Fetch(ctx context.Context) (Token, error) {
	secret, err := l.secret(ctx)
	if err != nil {
		return Token{}, err
	}
	body, err := loginbody.Fill(l.Body, l.ID, secret.Value.Reveal())
	if err != nil {
		return Token{}, fmt.Errorf("fill LOGPIPE_TOKEN_LOGIN_BODY: it %w", err)
	}
	x := &exchange{Client: &l.Client, secretVersion: secret.Version, asked: l.now()}
	fresh, err := l.ask(ctx, x, body)
	if err != nil {
		return Token{}, x.failed(err)
	}
	return fresh, nil
}

func (l *Login) ask(ctx context.Context, x *exchange, body []byte) (Token, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(body))
	if err != nil {
		return Token{}, errors.New("LOGPIPE_TOKEN_URL is no URL that can be asked")
	}
	// Without it the transport could ask a second time by itself when a connection dies.
	r.GetBody = nil
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "logpipe")
	answer, err := x.httpClient().Do(r)
	if err != nil {
		return Token{}, cmp.Or(transportCause(err), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return Token{}, statusError(answer.StatusCode, "")
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return Token{}, fmt.Errorf("read the answer: %w", err)
	}
	value, err := decode(text)
	if err != nil {
		return Token{}, err
	}
	found, ok := stringAt(value, l.Layout.Token)
	if !ok {
		return Token{}, fmt.Errorf("no text is at %q of the answer, where LOGPIPE_TOKEN_POINTER looks for the token", l.Layout.Token)
	}
	return x.token(value, found, "Bearer", l.Layout.Expiry)
}

// decode reads a JSON value. The decoder's error could quote it, so it is not passed
// on.
func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil, errors.New("the answer is no JSON")
	}
	return value, nil
}
