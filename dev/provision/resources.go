// Package provision makes what the pipeline expects to find in an AWS account.
package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Resources are what the pipeline expects to find in an AWS account.
type Resources struct {
	// Streams to create, with their number of shards.
	Streams map[string]int
	// Parameters to put as SecureString.
	Parameters map[string]string
}

// Make creates the resources and returns when they can be used.
func (r Resources) Make(ctx context.Context, cfg aws.Config) error {
	k := kinesis.NewFromConfig(cfg)
	for name, shards := range r.Streams {
		_, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(int32(shards))})
		if err != nil {
			return fmt.Errorf("create stream %s: %w", name, err)
		}
		err = kinesis.NewStreamExistsWaiter(k, quickly).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, time.Minute)
		if err != nil {
			return fmt.Errorf("wait for stream %s: %w", name, err)
		}
	}
	s := ssm.NewFromConfig(cfg)
	for name, value := range r.Parameters {
		_, err := s.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString})
		if err != nil {
			return fmt.Errorf("put parameter %s: %w", name, err)
		}
	}
	return nil
}

// quickly makes a waiter look often: the local AWS needs milliseconds.
func quickly(o *kinesis.StreamExistsWaiterOptions) {
	o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
}
