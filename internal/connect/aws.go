package connect

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// AWS loads the settings of the AWS SDK from its own variables and files. The
// region and the credentials must be there; nothing is asked of AWS yet.
func AWS(ctx context.Context) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Config{}, fmt.Errorf("the AWS settings (AWS_… variables, shared configuration files): %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("no AWS region: set AWS_REGION, or region in the AWS profile")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run where a role is attached: %w", cause(err))
	}
	return cfg, nil
}

// Region is the region that the AWS SDK's own variables and files name, empty where they
// name none.
func Region(ctx context.Context) string {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return ""
	}
	return cfg.Region
}

// cause is the error behind the SDK's wrappers of an operation and its retries.
func cause(err error) error {
	var op *smithy.OperationError
	for errors.As(err, &op) {
		err = op.Err
	}
	return err
}
