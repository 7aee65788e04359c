package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/provision"
)

// awsCommand serves the local AWS alone, for processes that are pointed at it with AWS_ENDPOINT_URL.
func awsCommand() *cobra.Command {
	var cfg localaws.Config
	var listen string
	var streams, parameters []string
	cmd := &cobra.Command{
		Use:   "aws",
		Short: "Serve a local AWS: Kinesis, SSM Parameter Store, CloudWatch Logs and STS, in memory",
		Long: `Serve a local AWS in memory: Kinesis Data Streams, SSM Parameter Store, CloudWatch Logs with subscription
filters to Kinesis, and STS. Point any AWS SDK or the AWS CLI at it with AWS_ENDPOINT_URL; credentials are not checked.

Faults are injected at run time, for example a fifth of all reads failing for a minute:

  curl -X POST http://127.0.0.1:4566/_localaws/faults \
    -d '{"service":"kinesis","operation":"GetRecords","error":"InternalFailure","share":0.2,"for":"1m"}'`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			resources, err := parseResources(streams, parameters)
			if err := misused(cfg.Validate(), err); err != nil {
				return err
			}
			ctx := cmd.Context()
			srv := localaws.New(cfg)
			addr, err := srv.Start(ctx, listen)
			if err != nil {
				return err
			}
			if err := resources.Make(ctx, localConfig(addr, srv.Region())); err != nil {
				return errors.Join(err, srv.Close())
			}
			printAWSAddress(cmd.OutOrStdout(), addr, srv.Region())
			<-ctx.Done()
			return srv.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:4566", "address to listen on; port 0 takes a free one")
	f.StringArrayVar(&streams, "stream", nil, "create a Kinesis stream, as `name` or name=shards; may be repeated")
	f.StringArrayVar(&parameters, "parameter", nil, "put a SecureString into Parameter Store, as `name=value`; may be repeated")
	f.StringVar(&cfg.Region, "region", localaws.DefaultRegion, "region in ARNs")
	f.StringVar(&cfg.Account, "account", localaws.DefaultAccount, "account id, 12 digits")
	f.BoolVar(&cfg.Throttle, "throttle", false, "enforce the quotas of Kinesis shards and of Parameter Store")
	f.BoolVar(&cfg.AcceptOldEvents, "accept-old-events", false, "let PutLogEvents take events of any timestamp, to replay old logs")
	f.DurationVar(&cfg.StateDelay, "state-delay", localaws.DefaultStateDelay, "how long streams show CREATING, UPDATING and DELETING; negative for none")
	f.IntVar(&cfg.ShardLimit, "shard-limit", localaws.DefaultShardLimit, "open shards the account may have")
	return cmd
}

// parseResources reads the flags --stream and --parameter.
func parseResources(streams, parameters []string) (provision.Resources, error) {
	r := provision.Resources{Streams: map[string]int{}, Parameters: map[string]string{}}
	var errs []error
	for _, text := range streams {
		name, count, given := strings.Cut(text, "=")
		shards, err := 1, error(nil)
		if given {
			shards, err = strconv.Atoi(count)
		}
		if name == "" || err != nil || shards < 1 {
			errs = append(errs, fmt.Errorf("--stream %q: want a name, or a name and a number of shards such as api-logs=2", text))
		}
		r.Streams[name] = shards
	}
	for _, text := range parameters {
		name, value, given := strings.Cut(text, "=")
		if name == "" || !given || value == "" {
			errs = append(errs, errors.New("--parameter: want name=value, such as /logpipe/client-secret=secret"))
		}
		r.Parameters[name] = value
	}
	return r, errors.Join(errs...)
}

// localConfig is how this process reaches its own server.
func localConfig(addr, region string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String("http://" + addr),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:   &http.Client{Transport: localaws.Transport(nil)},
	}
}

func printAWSAddress(w io.Writer, addr, region string) {
	fmt.Fprintf(w, "local AWS on http://%s\n", addr)
	fmt.Fprintf(w, "  export AWS_ENDPOINT_URL=http://%[1]s AWS_REGION=%[2]s AWS_DEFAULT_REGION=%[2]s AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n", addr, region)
	fmt.Fprintf(w, "  faults: http://%s/_localaws/faults\n", addr)
}
