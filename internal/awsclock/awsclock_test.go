package awsclock_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/awsclock"
)

// TestOf asks a server whose clock is wrong.
func TestOf(t *testing.T) {
	t.Parallel()
	theirs := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		status int
		body   string
		date   string
		want   time.Time
	}{
		"an answer":             {http.StatusOK, `{"Parameter":{"Name":"n"}}`, theirs.Format(http.TimeFormat), theirs},
		"a refusal":             {http.StatusBadRequest, `{"__type":"AccessDeniedException"}`, theirs.Format(http.TimeFormat), theirs},
		"a refusal, untold":     {http.StatusBadRequest, `{"__type":"AccessDeniedException"}`, "yesterday", time.Time{}},
		"our clock is at fault": {http.StatusBadRequest, `{"__type":"InvalidSignatureException","message":"Signature expired"}`, theirs.Format(http.TimeFormat), theirs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", c.date)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			client := ssm.New(ssm.Options{
				Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
				Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
			})
			out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("n")})
			var answer middleware.Metadata
			if err == nil {
				answer = out.ResultMetadata
			}
			at, err := awsclock.Of(answer, err)
			require.NoError(t, err)
			require.Equal(t, c.want, at)
		})
	}
	down := errors.New("connection refused")
	_, err := awsclock.Of(middleware.Metadata{}, down)
	require.ErrorIs(t, err, down)
}

// TestOfNoAnswer: a request that ends without an answer tells no time, and says so.
func TestOfNoAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	defer server.Close()
	client := ssm.New(ssm.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	_, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("n")})
	require.Error(t, err)
	_, err = awsclock.Of(middleware.Metadata{}, err)
	require.Error(t, err)
}
