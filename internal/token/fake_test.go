package token_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// parameterStore is a Parameter Store with the versions of every parameter.
type parameterStore struct {
	mu       sync.Mutex
	versions map[string][]string
	reads    int
	last     *ssm.PutParameterInput
	broken   error
	slow     time.Duration
	written  time.Time
}

func newParameterStore() *parameterStore {
	return &parameterStore{versions: map[string][]string{}}
}

func (p *parameterStore) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if p.slow > 0 {
		<-time.After(p.slow) // of the clock of testing/synctest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if p.broken != nil {
		return nil, p.broken
	}
	if !aws.ToBool(in.WithDecryption) {
		return nil, errors.New("a secret was read without decryption")
	}
	name, asked, versioned := strings.Cut(*in.Name, ":")
	versions := p.versions[name]
	if len(versions) == 0 {
		return nil, &types.ParameterNotFound{}
	}
	at := len(versions)
	if versioned {
		at, _ = strconv.Atoi(asked)
		if at < 1 || at > len(versions) {
			return nil, &types.ParameterVersionNotFound{}
		}
	}
	return &ssm.GetParameterOutput{Parameter: &types.Parameter{Name: &name, Value: &versions[at-1], Version: int64(at), LastModifiedDate: &p.written}}, nil
}

func (p *parameterStore) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, p.broken
	}
	p.last = in
	p.versions[*in.Name] = append(p.versions[*in.Name], *in.Value)
	return &ssm.PutParameterOutput{Version: int64(len(p.versions[*in.Name]))}, nil
}
