package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// ErrForeign is wrapped where the parameter exists but does not hold a token in
// the form that was expected. It is not overwritten.
var ErrForeign = errors.New("the parameter does not hold a token of this pipeline")

// StoreOptions say where the token is, and in which form.
type StoreOptions struct {
	// Name of the parameter.
	Name string
	// KMSKey encrypts the parameter: a key id, an alias or an ARN; empty for the key
	// that the parameter has, at first the account's own for Parameter Store.
	KMSKey string
	// External is the layout of a parameter that others write; nil where the pipeline
	// does.
	External *Layout
}

// Store keeps the token as a SecureString in SSM Parameter Store.
type Store struct {
	ssm     Parameters
	options StoreOptions
}

// NewStore returns the store in a parameter.
func NewStore(client Parameters, o StoreOptions) *Store {
	return &Store{ssm: client, options: o}
}

// Name is the name of the parameter.
func (s *Store) Name() string { return s.options.Name }

// stored is the parameter's value.
type stored struct {
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	ObtainedAt  time.Time `json:"obtained_at"`
}

// Get reads the current version of the token. Errors wrap ErrNotFound where
// there is none, ErrForeign where the parameter holds something else, and otherwise
// those of [ReadSecret].
func (s *Store) Get(ctx context.Context) (Token, error) { return s.get(ctx, s.options.Name) }

// GetVersion reads one version of the token.
func (s *Store) GetVersion(ctx context.Context, version int64) (Token, error) {
	return s.get(ctx, fmt.Sprintf("%s:%d", s.options.Name, version))
}

func (s *Store) get(ctx context.Context, name string) (Token, error) {
	parameter, err := getParameter(ctx, s.ssm, name)
	if err != nil {
		return Token{}, err
	}
	read := readOwn
	if s.options.External != nil {
		read = s.options.External.read
	}
	t, err := read(parameter)
	if err != nil {
		return Token{}, fmt.Errorf("read the token in SSM parameter %q, version %d: %w: %w", name, parameter.Version, ErrForeign, err)
	}
	t.Version = parameter.Version
	return t, nil
}

// readOwn reads what Put has written. The decoder's error would quote the value, so it
// is not passed on.
func readOwn(parameter *types.Parameter) (Token, error) {
	var v stored
	if json.Unmarshal([]byte(aws.ToString(parameter.Value)), &v) != nil || v.AccessToken == "" {
		return Token{}, errors.New("want JSON with access_token, token_type, expires_at, obtained_at; delete the parameter or let LOGPIPE_TOKEN_PARAMETER name another, and if others write the token into it, set LOGPIPE_TOKEN_SOURCE to external")
	}
	return Token{
		AccessToken: config.NewSecret(v.AccessToken),
		Type:        v.TokenType,
		ExpiresAt:   v.ExpiresAt,
		ObtainedAt:  v.ObtainedAt,
	}, nil
}

// read reads what others have written: a JSON object, or nothing but the token.
func (l *Layout) read(parameter *types.Parameter) (Token, error) {
	content := []byte(strings.TrimSpace(aws.ToString(parameter.Value)))
	written := aws.ToTime(parameter.LastModifiedDate)
	text, kind := string(content), "Bearer"
	var value any
	expiry := l.Expiry
	if bytes.HasPrefix(content, []byte("{")) {
		var err error
		if value, err = decode(content); err != nil {
			return Token{}, errors.New("it begins like JSON and is none")
		}
		found, ok := stringAt(value, l.Token)
		if !ok {
			return Token{}, fmt.Errorf("no text is at %q, where LOGPIPE_TOKEN_POINTER looks for the token", l.Token)
		}
		text = found
		if named, ok := stringAt(value, "/"+memberTokenType); ok && named != "" {
			kind = named
		}
	} else {
		expiry = "" // plain text has no other parts
	}
	if err := sendable(text, kind); err != nil {
		return Token{}, err
	}
	until, err := expiryOf(value, text, expiry, written, func(t time.Time) time.Time { return t })
	if err != nil {
		return Token{}, err
	}
	return Token{AccessToken: config.NewSecret(text), Type: kind, ObtainedAt: written, ExpiresAt: until}, nil
}

func stringAt(value any, at jsontext.Pointer) (string, bool) {
	found, _ := find(value, at)
	text, ok := found.(string)
	return text, ok
}

// Put stores the token as the newest version and returns it with that version. Errors
// are those of [ReadSecret], and wrap ErrForeign where the parameter cannot take a
// token.
func (s *Store) Put(ctx context.Context, t Token) (Token, error) {
	in, err := s.write(t)
	if err != nil {
		return Token{}, err
	}
	out, err := s.ssm.PutParameter(ctx, in)
	if err != nil {
		return Token{}, writeFault(s.options.Name, err)
	}
	t.Version = out.Version
	return t, nil
}

// write is the request that stores the token.
func (s *Store) write(t Token) (*ssm.PutParameterInput, error) {
	value, err := json.Marshal(stored{
		AccessToken: t.AccessToken.Reveal(), TokenType: t.Type,
		ExpiresAt: t.ExpiresAt.UTC(), ObtainedAt: t.ObtainedAt.UTC(),
	})
	if err != nil {
		return nil, errors.New("encode the token: a time of it is none that JSON can hold")
	}
	in := &ssm.PutParameterInput{
		Name: &s.options.Name, Value: aws.String(string(value)),
		Type: types.ParameterTypeSecureString, Tier: types.ParameterTierIntelligentTiering,
		Overwrite: aws.Bool(true),
	}
	if s.options.KMSKey != "" {
		in.KeyId = &s.options.KMSKey
	}
	return in, nil
}

// External is the source of a token that others write into the parameter: it cannot be
// asked for one.
type External struct {
	// Name of the parameter.
	Name string
}

// Fetch always fails with an error that wraps ErrNotRotated: it is asked when the token
// in the parameter is of no use.
func (e External) Fetch(context.Context) (Token, error) {
	return Token{}, fmt.Errorf("SSM parameter %q: %w: whoever rotates the token has to put one there; it is looked for until then", e.Name, ErrNotRotated)
}
