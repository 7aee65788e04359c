package token

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// TryPut finds out whether the caller may write the parameter, which has to exist,
// without writing it: AWS refuses a write that may not overwrite. Whoever lacks
// ssm:PutParameter gets another answer, an error that wraps ErrDenied. Whether the key of
// the parameter lets the caller encrypt stays open.
//
// If the parameter is deleted just before, it is made after all: with a token that has
// expired, which the pipeline takes for one and replaces.
func (s *Store) TryPut(ctx context.Context) error {
	long := time.Unix(0, 0)
	in, err := s.write(Token{AccessToken: config.NewSecret("none"), Type: "Bearer", ExpiresAt: long, ObtainedAt: long})
	if err != nil {
		return err
	}
	in.Overwrite = aws.Bool(false)
	_, err = s.ssm.PutParameter(ctx, in)
	if _, exists := errors.AsType[*types.ParameterAlreadyExists](err); exists || err == nil {
		return nil
	}
	return writeFault(s.options.Name, err)
}
