package token_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/token"
)

// guarded is a parameter that is written only where that overwrites nothing.
type guarded struct {
	token.Parameters // what is not faked panics

	answer error
	put    *ssm.PutParameterInput
}

func (g *guarded) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	g.put = in
	return &ssm.PutParameterOutput{Version: 1}, g.answer
}

func TestTryPut(t *testing.T) {
	t.Parallel()
	exists := &guarded{answer: &types.ParameterAlreadyExists{}}
	require.NoError(t, token.NewStore(exists, token.StoreOptions{Name: "/t"}).TryPut(t.Context()))
	require.False(t, aws.ToBool(exists.put.Overwrite), "what is there stays")

	denied := &guarded{answer: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}}
	err := token.NewStore(denied, token.StoreOptions{Name: "/t"}).TryPut(t.Context())
	require.ErrorIs(t, err, token.ErrDenied)
	require.ErrorContains(t, err, "ssm:PutParameter")

	// It was deleted a moment ago: what is made is a token that has expired, which a worker
	// replaces, and nothing foreign.
	store := newParameterStore()
	require.NoError(t, token.NewStore(store, token.StoreOptions{Name: "/t"}).TryPut(t.Context()))
	got, err := token.NewStore(store, token.StoreOptions{Name: "/t"}).Get(t.Context())
	require.NoError(t, err)
	require.True(t, got.Expired(now))
}
