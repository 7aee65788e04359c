package token

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// What a fault of Parameter Store means. An error that wraps none of these is mended by
// time: Parameter Store is throttled, down, or cannot be reached.
var (
	// ErrNotFound: the parameter, or the asked version of it, does not exist.
	ErrNotFound = errors.New("no such parameter")
	// ErrDenied: AWS refused the caller, or the key of the parameter cannot be used.
	ErrDenied = errors.New("access denied")
)

// Parameters is the part of the SSM client that Store and ReadSecret need.
type Parameters interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

// ReadSecret reads a secret, such as the client secret, from the parameter of
// that name. It is read anew each time, so a rotated secret needs no restart. A line
// break at its end is left out: files end so, secrets do not. Errors wrap ErrNotFound or
// ErrDenied, or neither.
func ReadSecret(ctx context.Context, client Parameters, name string) (Secret, error) {
	parameter, err := getParameter(ctx, client, name)
	if err != nil {
		return Secret{}, err
	}
	value := strings.TrimRight(aws.ToString(parameter.Value), "\r\n")
	return Secret{Value: config.NewSecret(value), Version: parameter.Version}, nil
}

func getParameter(ctx context.Context, client Parameters, name string) (*types.Parameter, error) {
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return nil, readFault(name, err)
	}
	return out.Parameter, nil
}

// deniedCodes are those of AWS for a caller that it does not know or does not let.
var deniedCodes = map[string]bool{
	"AccessDenied":                true,
	"AccessDeniedException":       true,
	"ExpiredToken":                true,
	"ExpiredTokenException":       true,
	"IncompleteSignature":         true,
	"InvalidClientTokenId":        true,
	"InvalidSignatureException":   true,
	"MissingAuthenticationToken":  true,
	"NotAuthorized":               true,
	"OptInRequired":               true,
	"RequestExpired":              true,
	"SignatureDoesNotMatch":       true,
	"UnrecognizedClientException": true,
}

// Codes of Parameter Store.
const (
	codeKey         = "InvalidKeyId"
	codeMaxVersions = "ParameterMaxVersionLimitExceeded"
	codeType        = "HierarchyTypeMismatchException"
)

func readFault(name string, err error) error {
	fault, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		return fmt.Errorf("read SSM parameter %q: %w", name, err)
	}
	code, message := fault.ErrorCode(), fault.ErrorMessage()
	_, missing := errors.AsType[*types.ParameterNotFound](err)
	_, missingVersion := errors.AsType[*types.ParameterVersionNotFound](err)
	switch {
	case missing, missingVersion:
		return fmt.Errorf("read SSM parameter %q: %w", name, ErrNotFound)
	case code == codeKey:
		return fmt.Errorf("read SSM parameter %q: %w: %s: %s: its key has to exist and to be enabled, and the caller needs kms:Decrypt on it", name, ErrDenied, code, message)
	case deniedCodes[code]:
		return fmt.Errorf("read SSM parameter %q: %w: %s: %s: the caller needs ssm:GetParameter on the parameter, and kms:Decrypt on its key", name, ErrDenied, code, message)
	case throttled(code):
		return fmt.Errorf("read SSM parameter %q: throttled: %s: %s; if that lasts, raise the throughput of Parameter Store in its settings", name, code, message)
	}
	return fmt.Errorf("read SSM parameter %q: %w", name, err)
}

// writeFault names what the caller may do and did not. Other messages of AWS are left
// out, since what it finds invalid it quotes.
func writeFault(name string, err error) error {
	fault, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		return fmt.Errorf("write the token to SSM parameter %q: %w", name, err)
	}
	code, message := fault.ErrorCode(), fault.ErrorMessage()
	switch {
	case code == codeKey:
		return fmt.Errorf("write the token to SSM parameter %q: %w: %s: LOGPIPE_TOKEN_KMS_KEY has to name an enabled symmetric key of this account and region, and the caller needs kms:Encrypt and kms:GenerateDataKey on it", name, ErrDenied, code)
	case deniedCodes[code]:
		return fmt.Errorf("write the token to SSM parameter %q: %w: %s: %s: the caller needs ssm:PutParameter on the parameter, and kms:Encrypt and kms:GenerateDataKey on its key", name, ErrDenied, code, message)
	case code == codeMaxVersions:
		return fmt.Errorf("write the token to SSM parameter %q: %s: its oldest version has a label, so that it cannot make room for another one: move the label", name, code)
	case code == codeType:
		return fmt.Errorf("write the token to SSM parameter %q: %w: %s: it is no SecureString: delete it or let LOGPIPE_TOKEN_PARAMETER name another", name, ErrForeign, code)
	case throttled(code):
		return fmt.Errorf("write the token to SSM parameter %q: throttled: %s: it is tried again", name, code)
	}
	return fmt.Errorf("write the token to SSM parameter %q: %s", name, code)
}

func throttled(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok || code == "TooManyUpdates"
}
