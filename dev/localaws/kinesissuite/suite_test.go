package kinesissuite_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/localaws/kinesissuite"
)

func clientFor(endpoint string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: localaws.Transport(nil)},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestLocalAWS(t *testing.T) {
	t.Parallel()
	kinesissuite.Run(t, func(t testing.TB) kinesissuite.Target {
		t.Helper()
		var skew atomic.Int64
		srv := localaws.New(localaws.Config{
			StateDelay: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return time.Now().Add(time.Duration(skew.Load())) },
		})
		// It ends with the Close below, not with the test's context, which ends before.
		addr, err := srv.Start(context.WithoutCancel(t.Context()), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		})
		return kinesissuite.Target{Client: clientFor("http://" + addr), Advance: func(d time.Duration) { skew.Add(int64(d)) }}
	}, kinesissuite.Options{})
}
