package checkup_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/reach"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
)

func TestTemporal(t *testing.T) {
	t.Parallel()
	pollers := map[string]int{
		"p/starter Activity": 2, "p/listing Activity": 2, "p/worker Workflow": 3, "p/worker Activity": 3, "p/delivery Activity": 3, "p/token Activity": 3,
	}
	for name, c := range map[string]struct {
		place   connect.Place
		service fakeTemporal
		open    error
		oldest  func(context.Context) (time.Time, bool, error)
		want    map[string]want
	}{
		"all is well": {oldest: noted(time.Minute), service: fakeTemporal{pollers: pollers}},
		"not reached": {open: errors.New("connect to Temporal at h:7233: no answer; set TEMPORAL_ADDRESS"), want: map[string]want{
			"connection": {checkup.Fail, []string{"TEMPORAL_ADDRESS"}}, "namespace": {checkup.Note, nil}, "retention": {checkup.Note, nil},
			"search-attributes": {checkup.Note, nil}, "checkpoints": {checkup.Note, nil}, "starters": {checkup.Note, nil}, "workers": {checkup.Note, nil}}},
		"without TLS": {place: connect.Place{Address: "temporal.example.com:7233"}, service: fakeTemporal{pollers: pollers}, want: map[string]want{
			"connection": {checkup.Warn, []string{"without TLS", "TEMPORAL_TLS"}}}},
		"no such namespace": {service: fakeTemporal{namespaceErr: serviceerror.NewNamespaceNotFound("ns")}, want: map[string]want{
			"namespace": {checkup.Fail, []string{`"ns"`, "TEMPORAL_NAMESPACE", "logpipe setup --create-namespace"}}, "retention": {checkup.Note, nil},
			"search-attributes": {checkup.Note, nil}, "checkpoints": {checkup.Note, nil}, "starters": {checkup.Note, nil}, "workers": {checkup.Note, nil}}},
		"not let in": {service: fakeTemporal{namespaceErr: serviceerror.NewPermissionDenied("unauthorized", "")}, want: map[string]want{
			"namespace": {checkup.Fail, []string{"unauthorized", "TEMPORAL_API_KEY"}}, "retention": {checkup.Note, nil},
			"search-attributes": {checkup.Note, nil}, "checkpoints": {checkup.Note, nil}, "starters": {checkup.Note, nil}, "workers": {checkup.Note, nil}}},
		"remembers a day": {service: fakeTemporal{pollers: pollers, retention: 24 * time.Hour}, want: map[string]want{
			"retention": {checkup.Warn, []string{"24h", "--retention 72h", "tcld namespace retention set --namespace ns --retention-days 3"}}}},
		"an attribute is missing": {service: fakeTemporal{pollers: pollers, compared: visibility.Comparison{Missing: map[string]enumspb.IndexedValueType{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_INT}}}, want: map[string]want{
			"search-attributes": {checkup.Fail, []string{"LogpipeBytes", "logpipe setup"}}}},
		"an attribute has another type": {service: fakeTemporal{pollers: pollers, compared: visibility.Comparison{Mistyped: map[string]enumspb.IndexedValueType{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_TEXT}}}, want: map[string]want{
			"search-attribute-types": {checkup.Fail, []string{"LogpipeBytes", "has type Text, want Int"}}}},
		"checkpoints are old": {oldest: noted(65 * time.Hour), service: fakeTemporal{pollers: pollers}, want: map[string]want{
			"checkpoints": {checkup.Warn, []string{"65h0m0s ago", "72h", "forgotten"}}}},
		"checkpoints get old":    {oldest: noted(40 * time.Hour), service: fakeTemporal{pollers: pollers}, want: map[string]want{"checkpoints": {checkup.Warn, []string{"starters run"}}}},
		"nothing was read yet":   {oldest: nothingNoted, service: fakeTemporal{pollers: pollers}, want: map[string]want{"checkpoints": {checkup.Note, []string{"no shard was read yet"}}}},
		"nothing runs":           {want: map[string]want{"starters": {checkup.Note, []string{"no starter runs"}}, "workers": {checkup.Note, []string{"no worker runs"}}}},
		"an older worker":        {service: fakeTemporal{pollers: map[string]int{"p/starter Activity": 1, "p/listing Activity": 1, "p/worker Workflow": 1, "p/worker Activity": 1, "p/token Activity": 1}}, want: map[string]want{"workers": {checkup.Warn, []string{"nobody polls p/delivery"}}}},
		"the markers are broken": {oldest: func(context.Context) (time.Time, bool, error) { return now, false, errDown }, service: fakeTemporal{pollers: pollers}, want: map[string]want{"checkpoints": {checkup.Note, []string{"not known"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := &c.service
			if service.retention == 0 {
				service.retention = 72 * time.Hour
			}
			place := c.place
			if place.Address == "" {
				place = connect.Place{Address: "h:7233", TLS: true}
			}
			place.Namespace = "ns"
			if c.oldest == nil {
				c.oldest = noted(0)
			}
			got := found(t, checkup.Temporal(checkup.TemporalCheck{
				Place: place, Pipeline: "p", Role: config.RoleStarter | config.RoleWorker, Oldest: c.oldest, Now: clock,
				Open: func(context.Context) (checkup.Service, error) { return service, c.open },
			}))
			requireFindings(t, got, c.want)
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	good := token.Token{Version: 7, AccessToken: config.NewSecret(canary), ObtainedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour)}
	expired := good
	expired.ExpiresAt = now.Add(-time.Hour)
	endless := good
	endless.ExpiresAt = time.Time{}
	for name, c := range map[string]struct {
		store    fakeStore
		source   fakeSource
		endpoint error
		external bool
		request  bool
		want     map[string]want
		puts     int
	}{
		"all is well": {store: fakeStore{token: good}, puts: 1, want: map[string]want{
			"parameter": {checkup.OK, []string{"version 7", "1h0m0s"}}, "put-parameter": {checkup.OK, []string{"kms:Encrypt", "not tried"}}, "request": {checkup.Note, []string{"--request-token"}}}},
		"not there yet": {store: fakeStore{get: fmt.Errorf("read: %w", token.ErrNotFound)}, want: map[string]want{
			"parameter": {checkup.Note, []string{"first worker"}}, "put-parameter": {checkup.Note, []string{"not tried", "would make"}}, "request": {checkup.Note, nil}}},
		"not there, of others": {external: true, store: fakeStore{get: fmt.Errorf("read: %w", token.ErrNotFound)}, want: map[string]want{"parameter": {checkup.Fail, []string{"LOGPIPE_TOKEN_PARAMETER"}}}},
		"of others":            {external: true, store: fakeStore{token: good}},
		"expired, of others":   {external: true, store: fakeStore{token: expired}, want: map[string]want{"parameter": {checkup.Fail, []string{"expired", "rotates"}}}},
		"expired":              {store: fakeStore{token: expired}, puts: 1, want: map[string]want{"parameter": {checkup.Note, []string{"a worker replaces it"}}, "request": {checkup.Note, nil}}},
		"endless":              {store: fakeStore{token: endless}, puts: 1, want: map[string]want{"parameter": {checkup.OK, []string{"nothing tells"}}, "request": {checkup.Note, nil}}},
		"foreign": {store: fakeStore{get: fmt.Errorf("read: %w: delete the parameter", token.ErrForeign)}, want: map[string]want{
			"parameter": {checkup.Fail, []string{"delete the parameter"}}, "put-parameter": {checkup.Note, []string{"not tried"}}, "request": {checkup.Note, nil}}},
		"not to be read": {store: fakeStore{get: fmt.Errorf("read: %w: needs kms:Decrypt", token.ErrDenied)}, want: map[string]want{
			"parameter": {checkup.Fail, []string{"kms:Decrypt", "role"}}, "put-parameter": {checkup.Note, nil}, "request": {checkup.Note, nil}}},
		"not to be written": {store: fakeStore{token: good, put: errors.New("needs ssm:PutParameter")}, puts: 1, want: map[string]want{
			"put-parameter": {checkup.Fail, []string{"ssm:PutParameter"}}, "request": {checkup.Note, nil}}},
		"endpoint is away": {store: fakeStore{token: good}, endpoint: errDown, puts: 1, want: map[string]want{
			"endpoint": {checkup.Fail, []string{"connection refused", "LOGPIPE_TOKEN_URL"}}, "request": {checkup.Note, nil}}},
		"asked for": {store: fakeStore{token: good}, source: fakeSource{token: good}, request: true, puts: 1, want: map[string]want{"request": {checkup.OK, []string{"not kept"}}}},
		"refused":   {store: fakeStore{token: good}, source: fakeSource{err: errors.New("HTTP status 401: check LOGPIPE_CLIENT_ID")}, request: true, puts: 1, want: map[string]want{"request": {checkup.Fail, []string{"LOGPIPE_CLIENT_ID"}}}},
		"asked for, and endless": {store: fakeStore{token: good}, source: fakeSource{token: endless}, request: true, puts: 1,
			want: map[string]want{"request": {checkup.Warn, []string{"LOGPIPE_TOKEN_EXPIRY_POINTER"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.TokenURL = "https://login.example.com/?key=" + canary
			if c.external {
				cfg.TokenSource = config.TokenFromOthers
			}
			got := found(t, checkup.Token(checkup.TokenCheck{
				Config: cfg, Request: c.request, Now: clock,
				Open: func(context.Context) (checkup.TokenStore, checkup.TokenSource, error) {
					return &c.store, &c.source, nil
				},
				Endpoint: func(context.Context) (reach.Answer, error) { return reach.Answer{Status: 405}, c.endpoint },
			}))
			requireFindings(t, got, c.want)
			require.Equal(t, c.puts, c.store.puts, "written where there is a token to be refused for")
			require.Equal(t, c.request, c.source.asked == 1)
		})
	}
}

func TestDestination(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends time.Duration // 0 is no TLS
		err  error
		want map[string]want
	}{
		"all is well":  {ends: 90 * 24 * time.Hour},
		"without TLS":  {},
		"expires soon": {ends: 50 * time.Hour, want: map[string]want{"connection-certificate": {checkup.Warn, []string{"2 days", "renewed"}}}},
		"expired":      {ends: -time.Hour, want: map[string]want{"connection-certificate": {checkup.Fail, []string{"expired"}}}},
		"not reached":  {err: errDown, want: map[string]want{"connection": {checkup.Fail, []string{"connection refused"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := reach.Answer{Status: 401}
			if c.ends != 0 {
				answer.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{
					{NotAfter: now.Add(c.ends)}, {NotAfter: now.Add(1000 * 24 * time.Hour)},
				}}
			}
			cfg := config.Default()
			cfg.DestinationURL = "https://api.example.com/?key=" + canary
			requireFindings(t, found(t, checkup.Destination(checkup.DestinationCheck{
				Config: cfg, Now: clock, Probe: func(context.Context) (reach.Answer, error) { return answer, c.err },
			})), c.want)
		})
	}
	cfg := config.Default()
	cfg.DestinationCertFile, cfg.DestinationKeyFile = "/none/cert.pem", "/none/key.pem"
	requireFindings(t, found(t, checkup.Destination(checkup.DestinationCheck{
		Config: cfg, Now: clock, Probe: func(context.Context) (reach.Answer, error) { return reach.Answer{Status: 200}, nil },
	})), map[string]want{"client-certificate": {checkup.Fail, []string{"/none/cert.pem", "LOGPIPE_DESTINATION_CERT_FILE"}}})
}
