package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// trafficCommand writes log events to a CloudWatch Logs whose subscriptions feed a
// stream, for a pipeline that runs in processes of its own.
func trafficCommand() *cobra.Command {
	var stream, role, mix, group string
	var length time.Duration
	var inputs []string
	var generator traffic.GeneratorConfig
	cmd := &cobra.Command{
		Use:   "traffic",
		Short: "Write log events like API Gateway's to CloudWatch Logs",
		Long: `Write log events to CloudWatch Logs, invented or from files, in log groups that are
subscribed to a Kinesis data stream, which has to be there. AWS is reached through the
SDK's variables; "dev aws" prints those for itself. Files with old events need its
--accept-old-events. At the end comes how many events were accepted.`,
		Example: `  go run ./dev aws --stream api-logs=2 --accept-old-events
  go run ./dev traffic --stream api-logs --rate 500 --for 60s
  go run ./dev traffic --stream api-logs --input access.log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if generator.Mix, err = traffic.ParseMix(mix); err != nil {
				return misused(flagFaults("--mix", err))
			}
			ctx := cmd.Context()
			writer, err := subscribedWriter(ctx, stream, role)
			if err != nil {
				return err
			}
			if len(inputs) > 0 {
				_, err = traffic.Replay(ctx, writer, inputs, traffic.ReplayOptions{LogGroup: group})
			} else {
				err = generate(ctx, writer, generator, length)
			}
			counts := writer.Counts()
			fmt.Fprintf(cmd.OutOrStdout(), "%d log events accepted, %d not\n", counts.Events, counts.Lost())
			if counts.Lost() > 0 {
				err = errors.Join(err, fmt.Errorf("CloudWatch Logs does not have all events: %+v", counts))
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&stream, "stream", "api-logs", "Kinesis data stream that the log groups are subscribed to")
	flags.StringVar(&role, "role", "arn:aws:iam::123456789012:role/cloudwatch-to-kinesis", "role that lets CloudWatch Logs write to the stream")
	flags.Float64Var(&generator.Rate, "rate", 100, "log events a second to invent")
	flags.StringVar(&mix, "mix", string(traffic.Mixed), fmt.Sprintf("what to invent: %v", traffic.Mixes()))
	flags.Uint64Var(&generator.Seed, "seed", 1, "makes traffic repeatable")
	flags.DurationVar(&length, "for", 0, "how long to invent events (default: until Ctrl-C)")
	flags.StringArrayVar(&inputs, "input", nil, "replay a file instead; - is standard input; may be repeated")
	flags.StringVar(&group, "log-group", "/logpipe/input", "log group of replayed lines that do not name theirs")
	return cmd
}

// subscribedWriter makes a writer whose log groups feed the stream.
func subscribedWriter(ctx context.Context, stream, role string) (*traffic.Writer, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("the AWS settings: %w", err)
	}
	described, err := kinesis.NewFromConfig(cfg).DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
	if err != nil {
		return nil, fmt.Errorf("find stream %s (set AWS_ENDPOINT_URL and AWS_REGION): %w", stream, err)
	}
	return traffic.NewWriter(cloudwatchlogs.NewFromConfig(cfg), &traffic.Subscription{
		Name: "to-kinesis", DestinationARN: *described.StreamDescriptionSummary.StreamARN, RoleARN: role,
	}, slog.Default()), nil
}

// generate invents events for a time, or until the context ends if it is 0.
func generate(ctx context.Context, writer *traffic.Writer, config traffic.GeneratorConfig, length time.Duration) error {
	generator, err := traffic.NewGenerator(writer, config)
	if err != nil {
		return err
	}
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	return generator.Run(ctx)
}
