// Package loginbody fills the body of a JSON login request: a JSON text in whose
// strings {client_id} and {client_secret} stand for what they name.
package loginbody

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The placeholders.
const (
	ClientID     = "{client_id}"
	ClientSecret = "{client_secret}"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// Check says what is wrong with a body, in words that continue a sentence, or returns
// nil. It does not quote the body beyond a placeholder: somebody may have written the
// secret itself into it.
func Check(body string) error {
	secrets := 0
	_, err := walk(body, func(text string) (string, error) {
		for _, found := range placeholder.FindAllString(text, -1) {
			if found != ClientID && found != ClientSecret {
				return "", fmt.Errorf("has the unknown placeholder %s: use %s and %s", found, ClientID, ClientSecret)
			}
		}
		secrets += strings.Count(text, ClientSecret)
		return text, nil
	})
	switch {
	case err != nil:
		return err
	case secrets == 0:
		return fmt.Errorf("does not say where the secret goes: write %s in a string of it", ClientSecret)
	}
	return nil
}

// Fill returns the body for a client. Whatever characters id and secret have, they
// stay within their strings. Errors quote neither.
func Fill(body, id, secret string) ([]byte, error) {
	// One pass, so that a secret which looks like a placeholder stays what it is.
	values := strings.NewReplacer(ClientID, id, ClientSecret, secret)
	return walk(body, func(text string) (string, error) { return values.Replace(text), nil })
}

// walk copies a JSON text and changes the strings that are values in it.
func walk(body string, change func(string) (string, error)) ([]byte, error) {
	var filled bytes.Buffer
	in, out := jsontext.NewDecoder(strings.NewReader(body)), jsontext.NewEncoder(&filled)
	for {
		token, err := in.ReadToken()
		if errors.Is(err, io.EOF) && filled.Len() > 0 && in.StackDepth() == 0 {
			return bytes.TrimSpace(filled.Bytes()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("is no JSON that can be read, see byte %d: check quotes, commas and braces", in.InputOffset())
		}
		if filled.Len() > 0 && out.StackDepth() == 0 {
			return nil, errors.New("is followed by something else: write one JSON value")
		}
		kind, length := in.StackIndex(in.StackDepth())
		isName := kind == jsontext.KindBeginObject && length%2 == 1
		if token.Kind() == jsontext.KindString && !isName {
			text, err := change(token.String())
			if err != nil {
				return nil, err
			}
			token = jsontext.String(text)
		}
		if err := out.WriteToken(token); err != nil {
			return nil, errors.New("cannot hold the client id or the client secret: one of them is no UTF-8 text")
		}
	}
}
