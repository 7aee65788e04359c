package checkup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

// ParametersCheck is what Parameters needs.
type ParametersCheck struct {
	Config config.Config
	Open   func(context.Context) (token.Parameters, error)
}

// Parameters reads the secrets that the worker reads, and looks at nothing but their form.
func Parameters(c ParametersCheck) Check {
	return Check{Name: nameParameters, Run: func(ctx context.Context, r *Report) {
		secrets := c.secrets()
		if len(secrets) == 0 {
			r.ok("none", "the settings name no parameter with a secret")
			return
		}
		parameters, err := c.Open(ctx)
		if err != nil {
			r.fail("aws", "", err)
			return
		}
		for _, s := range secrets {
			s.read(ctx, parameters, r)
		}
	}}
}

// secret is a parameter that is only read.
type secret struct{ what, name, setting string }

func (c ParametersCheck) secrets() []secret {
	var secrets []secret
	if c.Config.TokenSource != config.TokenFromOthers {
		secrets = append(secrets, secret{"client-secret", c.Config.ClientSecretParameter, "LOGPIPE_CLIENT_SECRET_PARAMETER"})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Config.DestinationHeaders)) {
		if parameter, ok := strings.CutPrefix(c.Config.DestinationHeaders[name], config.HeaderParameter); ok {
			secrets = append(secrets, secret{"header-" + strings.ToLower(name), parameter, "LOGPIPE_DESTINATION_HEADERS"})
		}
	}
	return secrets
}

func (s secret) read(ctx context.Context, parameters token.Parameters, r *Report) {
	kind := &kindReader{Parameters: parameters}
	got, err := token.ReadSecret(ctx, kind, s.name)
	if err != nil {
		r.fail(s.what, remedyParameter(err, s.setting), err)
		return
	}
	value := got.Value.Reveal()
	switch {
	case value == "":
		r.fail(s.what, "put the secret there", fmt.Errorf("SSM parameter %q is empty", s.name))
	case strings.TrimSpace(value) != value:
		r.warn(s.what, "put it there without them", "SSM parameter %q begins or ends with spaces, which are taken for a part of the secret", s.name)
	case kind.of != types.ParameterTypeSecureString:
		r.warn(s.what, "make it a SecureString", "SSM parameter %q, version %d, can be read, but is of type %s: it is stored without encryption", s.name, got.Version, kind.of)
	default:
		r.ok(s.what, "read and decrypted SSM parameter %q, version %d", s.name, got.Version)
	}
}

func remedyParameter(err error, setting string) string {
	switch {
	case errors.Is(err, token.ErrDenied):
		return "allow the task role of the workers what the message names, in its policy and in that of the key"
	case errors.Is(err, token.ErrNotFound):
		return setting + " names the parameter, AWS_REGION where it is; check both, or make it as a SecureString"
	}
	return "AWS_REGION and AWS_ENDPOINT_URL say where Parameter Store is: check them, and the way there"
}

// kindReader notes of which type the parameter is that was read last.
type kindReader struct {
	token.Parameters
	of types.ParameterType
}

// GetParameter implements token.Parameters.
func (k *kindReader) GetParameter(ctx context.Context, in *ssm.GetParameterInput, options ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	out, err := k.Parameters.GetParameter(ctx, in, options...)
	if err == nil && out.Parameter != nil {
		k.of = out.Parameter.Type
	}
	return out, err
}
