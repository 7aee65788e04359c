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
	kinesissuite.Run(t, localAWS(localaws.Config{}), kinesissuite.Options{})
}

func TestReaderAtLocalAWS(t *testing.T) {
	t.Parallel()
	kinesissuite.RunReader(t, localAWS(localaws.Config{}), kinesissuite.Options{})
}

// localAWS starts a server for each check, with a clock that can be moved.
func localAWS(cfg localaws.Config) func(testing.TB) kinesissuite.Target {
	return func(t testing.TB) kinesissuite.Target {
		t.Helper()
		cfg := cfg // this target's own
		var skew atomic.Int64
		cfg.StateDelay = time.Millisecond
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
		srv := localaws.New(cfg)
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
	}
}
