package token_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/token"
)

// TestParameterFaults: each fault names the operation, the parameter and what is missing.
func TestParameterFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, message string
		is            error
		read, write   []string
	}{
		{"AccessDeniedException", "User: u is not authorized", token.ErrDenied,
			[]string{"u is not authorized", "ssm:GetParameter", "kms:Decrypt"},
			[]string{"u is not authorized", "ssm:PutParameter", "kms:Encrypt", "kms:GenerateDataKey"}},
		{"ExpiredTokenException", "The security token is expired", token.ErrDenied, []string{"expired"}, []string{"expired"}},
		{"InvalidKeyId", "key is disabled", token.ErrDenied, []string{"kms:Decrypt"}, []string{"LOGPIPE_TOKEN_KMS_KEY"}},
		{"ThrottlingException", "Rate exceeded", nil, []string{"throttled", "Rate exceeded"}, []string{"throttled"}},
		{"InternalServerError", "", nil, []string{"InternalServerError"}, []string{"InternalServerError"}},
		{"ParameterMaxVersionLimitExceeded", canary, nil, nil, []string{"move the label"}},
		{"HierarchyTypeMismatchException", canary, nil, nil, []string{"no SecureString"}},
		{"ValidationException", "Value '" + canary + "' at 'value' failed to satisfy constraint", nil, nil, []string{"ValidationException"}},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			ssm := newParameterStore()
			ssm.broken = &smithy.OperationError{ServiceID: "SSM", OperationName: "X", Err: &smithy.GenericAPIError{Code: c.code, Message: c.message}}
			store := token.NewStore(ssm, token.StoreOptions{Name: name})
			if c.read != nil {
				_, err := store.Get(t.Context())
				requireFault(t, err, c.is, append(c.read, `read SSM parameter "`+name+`"`)...)
				_, err = token.ReadSecret(t.Context(), ssm, name)
				requireFault(t, err, c.is, c.read...)
			}
			_, err := store.Put(t.Context(), aToken(time.Hour))
			requireFault(t, err, c.is, append(c.write, `write the token to SSM parameter "`+name+`"`)...)
		})
	}
}

func requireFault(t *testing.T, err, is error, says ...string) {
	t.Helper()
	require.Error(t, err)
	if is != nil {
		require.ErrorIs(t, err, is)
	} else {
		require.False(t, errors.Is(err, token.ErrDenied) || errors.Is(err, token.ErrNotFound), err)
	}
	for _, text := range says {
		require.ErrorContains(t, err, text)
	}
	requireClean(t, err)
}

func TestPutUsesTheKey(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	_, err := token.NewStore(ssm, token.StoreOptions{Name: name}).Put(t.Context(), aToken(time.Hour))
	require.NoError(t, err)
	require.Nil(t, ssm.last.KeyId)
	_, err = token.NewStore(ssm, token.StoreOptions{Name: name, KMSKey: "alias/logpipe"}).Put(t.Context(), aToken(time.Hour))
	require.NoError(t, err)
	require.Equal(t, "alias/logpipe", *ssm.last.KeyId)
}
