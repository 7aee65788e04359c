package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// ErrNotFound is wrapped where the parameter, or the asked version of it, does
// not exist.
var ErrNotFound = errors.New("no such parameter")

// ErrForeign is wrapped where the parameter exists but does not hold a token in
// the form this package writes. It is not overwritten.
var ErrForeign = errors.New("the parameter does not hold a token of this pipeline")

// Parameters is the part of the SSM client that Store and Secret need.
type Parameters interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

// Store keeps the token as a SecureString in SSM Parameter Store.
type Store struct {
	ssm  Parameters
	name string
}

// NewStore returns the store in the parameter of that name.
func NewStore(client Parameters, name string) *Store {
	return &Store{ssm: client, name: name}
}

// Name is the name of the parameter.
func (s *Store) Name() string { return s.name }

// stored is the parameter's value.
type stored struct {
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	ObtainedAt  time.Time `json:"obtained_at"`
}

// Get reads the current version of the token. Errors wrap ErrNotFound where
// there is none, ErrForeign where the parameter holds something else.
func (s *Store) Get(ctx context.Context) (Token, error) { return s.get(ctx, s.name) }

// GetVersion reads one version of the token.
func (s *Store) GetVersion(ctx context.Context, version int64) (Token, error) {
	return s.get(ctx, fmt.Sprintf("%s:%d", s.name, version))
}

func (s *Store) get(ctx context.Context, name string) (Token, error) {
	parameter, err := getParameter(ctx, s.ssm, name)
	if err != nil {
		return Token{}, err
	}
	var v stored
	// The decoder's error would quote the value, so it is not passed on.
	if json.Unmarshal([]byte(aws.ToString(parameter.Value)), &v) != nil || v.AccessToken == "" {
		return Token{}, fmt.Errorf("read the token in SSM parameter %q, version %d: %w: want JSON with access_token, token_type, expires_at, obtained_at; delete the parameter or name another", name, parameter.Version, ErrForeign)
	}
	return Token{
		Version:     parameter.Version,
		AccessToken: config.NewSecret(v.AccessToken),
		Type:        v.TokenType,
		ExpiresAt:   v.ExpiresAt,
		ObtainedAt:  v.ObtainedAt,
	}, nil
}

// Put stores the token as the newest version and returns it with that version.
func (s *Store) Put(ctx context.Context, t Token) (Token, error) {
	value, err := json.Marshal(stored{
		AccessToken: t.AccessToken.Reveal(), TokenType: t.Type,
		ExpiresAt: t.ExpiresAt.UTC(), ObtainedAt: t.ObtainedAt.UTC(),
	})
	if err != nil {
		return Token{}, fmt.Errorf("encode the token: %w", err)
	}
	out, err := s.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &s.name, Value: aws.String(string(value)),
		Type: types.ParameterTypeSecureString, Tier: types.ParameterTierIntelligentTiering,
		Overwrite: aws.Bool(true),
	})
	if err != nil {
		return Token{}, fmt.Errorf("write the token to SSM parameter %q: %w", s.name, err)
	}
	t.Version = out.Version
	return t, nil
}

// ReadSecret reads a secret, such as the client secret, from the parameter of
// that name. It is read anew each time, so a rotated secret needs no restart.
func ReadSecret(ctx context.Context, client Parameters, name string) (config.Secret, error) {
	parameter, err := getParameter(ctx, client, name)
	if err != nil {
		return config.Secret{}, err
	}
	return config.NewSecret(aws.ToString(parameter.Value)), nil
}

func getParameter(ctx context.Context, client Parameters, name string) (*types.Parameter, error) {
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	_, missing := errors.AsType[*types.ParameterNotFound](err)
	_, missingVersion := errors.AsType[*types.ParameterVersionNotFound](err)
	switch {
	case missing, missingVersion:
		return nil, fmt.Errorf("read SSM parameter %q: %w", name, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read SSM parameter %q: %w", name, err)
	}
	return out.Parameter, nil
}
