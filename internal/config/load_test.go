package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// required is an environment in which both processes start.
func required(more ...string) []string {
	return append([]string{
		"LOGPIPE_STREAM=api-logs",
		"LOGPIPE_STAGE_URL=s3://bucket?region=eu-central-1&prefix=logpipe/",
		"LOGPIPE_DESTINATION_URL=https://analytics.example.com/v1/events",
		"LOGPIPE_TOKEN_URL=https://login.example.com/token",
		"LOGPIPE_TOKEN_PARAMETER=/logpipe/access-token",
		"LOGPIPE_CLIENT_ID=logpipe",
		"LOGPIPE_CLIENT_SECRET_PARAMETER=/logpipe/client-secret",
	}, more...)
}

func settingsFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logpipe.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, role Role, path string, environ []string) Config {
	t.Helper()
	c, err := Load(role, path, environ)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// faultsOf loads settings that must be refused and returns one line for each fault,
// with the path of the settings file cut down to its name.
func faultsOf(t *testing.T, role Role, path string, environ []string) []string {
	t.Helper()
	c, err := Load(role, path, environ)
	if err == nil {
		t.Fatalf("Load succeeded with %v", c)
	}
	if !reflect.DeepEqual(c, Config{}) {
		t.Errorf("Load returned both an error and settings: %v", c)
	}
	text := err.Error()
	if path != "" {
		text = strings.ReplaceAll(text, path, filepath.Base(path))
	}
	return strings.Split(text, "\n")
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, RoleNone, "", []string{"HOME=/root", "PATH=/bin"})
	c.origins = nil
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("got %v, want the defaults %v", c, want)
	}
}

func TestLoadOrder(t *testing.T) {
	t.Parallel()
	path := settingsFile(t, "pipeline: from-file\nwindow_max_age: 30s\nwindow_max_records: 7\n")
	c := mustLoad(t, RoleNone, path, []string{"LOGPIPE_PIPELINE=from-env", "LOGPIPE_WINDOW_MAX_RECORDS="})
	if c.Pipeline != "from-env" {
		t.Errorf("Pipeline = %q: the environment must win over the file", c.Pipeline)
	}
	if c.WindowMaxAge != 30*time.Second {
		t.Errorf("WindowMaxAge = %s: the file must win over the default", c.WindowMaxAge)
	}
	if c.WindowMaxRecords != 7 {
		t.Errorf("WindowMaxRecords = %d: an empty variable must count as not set", c.WindowMaxRecords)
	}
	if c.BatchMaxEvents != Default().BatchMaxEvents {
		t.Errorf("BatchMaxEvents = %d: the default must stay", c.BatchMaxEvents)
	}
}

func TestLoadFindsFile(t *testing.T) {
	t.Parallel()
	named := settingsFile(t, "pipeline: named\n")
	given := settingsFile(t, "pipeline: given\n")
	environ := []string{"LOGPIPE_CONFIG=/nowhere", "LOGPIPE_CONFIG=" + named}
	if c := mustLoad(t, RoleNone, "", environ); c.Pipeline != "named" {
		t.Errorf("Pipeline = %q: LOGPIPE_CONFIG was not read", c.Pipeline)
	}
	if c := mustLoad(t, RoleNone, given, environ); c.Pipeline != "given" {
		t.Errorf("Pipeline = %q: the path given must win over LOGPIPE_CONFIG", c.Pipeline)
	}
}

// Every setting is read from both sources, and to the same value.
func TestLoadEverySetting(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"pipeline":                  "orders-2",
		"stream":                    "arn:aws:kinesis:eu-central-1:123456789012:stream/api-logs",
		"start_position":            "2026-01-31T15:04:05.5Z",
		"stage_url":                 "file:///var/lib/logpipe",
		"stage_sweep_after":         "48h",
		"stage_keep_discarded":      "2400h",
		"window_max_age":            "1m30s",
		"window_max_bytes":          "512KiB",
		"window_max_records":        "0500",
		"record_max_inflated_bytes": "16MiB",
		"record_max_inflate_ratio":  "100",
		"batch_format":              "object",
		"batch_compression":         "gzip",
		"batch_max_bytes":           "250000",
		"batch_max_events":          "100",
		"batch_memory":              "5MB",
		"execution_logs":            "lines",
		"access_log_templates":      `{"/apigw/a.b":"{\"id\":\"$context.requestId\"}","/apigw/*":"$context.requestId $context.status"}`,
		"redact":                    "off",
		"redact_names":              "tenant-key x-corp-*",
		"redact_patterns":           `EMP-\d{6} card\s(\d{12,19})`,
		"bodies":                    "drop",
		"body_max_bytes":            "512",
		"destination_url":           "https://127.0.0.1:8080/ingest",
		"destination_timeout":       "5s",

		"destination_token_header":       "X-Token",
		"destination_token_scheme":       "none",
		"destination_idempotency_header": "X-Batch",
		"destination_headers":            `{"X-Tenant":"blue","x-api-key":"ssm:/logpipe/api-key:3"}`,
		"destination_failed_items":       "/result/failed",
		"destination_failed_index":       "/at",
		"destination_failed_status":      "/error/status",
		"destination_connect_timeout":    "2s",
		"destination_response_timeout":   "3s",
		"destination_ca_file":            "/etc/ca.pem",
		"destination_cert_file":          "/etc/client.pem",
		"destination_key_file":           "/etc/client.key",
		"destination_proxy":              "http://proxy.example.com:3128",

		"delivery_concurrency":    "8",
		"delivery_rate":           "2.5",
		"delivery_give_up_after":  "72h",
		"token_source":            "login",
		"token_url":               "http://127.0.0.1:8080/token",
		"token_timeout":           "2s",
		"token_kms_key":           "alias/logpipe",
		"token_auth":              "client_secret_post",
		"token_audience":          "https://analytics.example.com",
		"token_params":            `{"resource":"urn:a"}`,
		"token_login_body":        `{"user":"{client_id}","password":"{client_secret}"}`,
		"token_pointer":           "/data/token",
		"token_expiry_pointer":    "/data/until",
		"token_refresh_jitter":    "30s",
		"token_parameter":         "plain-name",
		"client_id":               "0123",
		"client_secret_parameter": "arn:aws:ssm:eu-central-1:123456789012:parameter/shared/secret",
		"token_scope":             "write read",
		"token_refresh_ahead":     "0",
		"poll_lease":              "10m",
		"heartbeat_timeout":       "20s",
		"max_shards":              "1",
		"read_memory":             "100MB",
		"max_open_windows":        "500",
		"on_gap":                  "fail",
		"worker_activities":       "12",
		"worker_deliveries":       "6",
		"worker_deployment":       "logpipe-orders",
		"worker_build_id":         "v1.2.3",
		"log_level":               "warn",
		"metrics_listen":          ":9464",
	}
	want := Config{
		Pipeline:               "orders-2",
		Stream:                 "arn:aws:kinesis:eu-central-1:123456789012:stream/api-logs",
		StartPosition:          AtTimestamp(time.Date(2026, 1, 31, 15, 4, 5, 500_000_000, time.UTC)),
		StageURL:               "file:///var/lib/logpipe",
		StageSweepAfter:        48 * time.Hour,
		StageKeepDiscarded:     2400 * time.Hour,
		WindowMaxAge:           90 * time.Second,
		WindowMaxBytes:         512 * KiB,
		WindowMaxRecords:       500,
		RecordMaxInflatedBytes: 16 * MiB,
		RecordMaxInflateRatio:  100,
		BatchFormat:            BatchObject,
		BatchCompression:       CompressGzip,
		BatchMaxBytes:          250 * KB,
		BatchMemory:            5 * MB,
		BatchMaxEvents:         100,
		ExecutionLogs:          ExecutionLogsLines,
		AccessLogTemplates:     AccessLogTemplates{"/apigw/a.b": `{"id":"$context.requestId"}`, "/apigw/*": "$context.requestId $context.status"},
		Redact:                 RedactOff,
		RedactNames:            "tenant-key x-corp-*",
		RedactPatterns:         `EMP-\d{6} card\s(\d{12,19})`,
		Bodies:                 BodiesDrop,
		BodyMaxBytes:           512,
		DestinationURL:         "https://127.0.0.1:8080/ingest",
		DestinationTimeout:     5 * time.Second,

		DestinationTokenHeader: "X-Token", DestinationTokenScheme: None, DestinationIdempotencyHeader: "X-Batch",
		DestinationHeaders:     Headers{"X-Tenant": "blue", "x-api-key": "ssm:/logpipe/api-key:3"},
		DestinationFailedItems: "/result/failed", DestinationFailedIndex: "/at", DestinationFailedStatus: "/error/status",
		DestinationConnectTimeout: 2 * time.Second, DestinationResponseTimeout: 3 * time.Second,
		DestinationCAFile: "/etc/ca.pem", DestinationCertFile: "/etc/client.pem", DestinationKeyFile: "/etc/client.key",
		DestinationProxy: "http://proxy.example.com:3128",

		DeliveryConcurrency:   8,
		DeliveryRate:          2.5,
		DeliveryGiveUpAfter:   72 * time.Hour,
		TokenSource:           TokenFromLogin,
		TokenURL:              "http://127.0.0.1:8080/token",
		TokenTimeout:          2 * time.Second,
		TokenKMSKey:           "alias/logpipe",
		TokenAuth:             TokenAuthPost,
		TokenAudience:         "https://analytics.example.com",
		TokenParams:           TextMap{"resource": "urn:a"},
		TokenLoginBody:        `{"user":"{client_id}","password":"{client_secret}"}`,
		TokenPointer:          "/data/token",
		TokenExpiryPointer:    "/data/until",
		TokenRefreshJitter:    30 * time.Second,
		TokenParameter:        "plain-name",
		ClientID:              "0123",
		ClientSecretParameter: "arn:aws:ssm:eu-central-1:123456789012:parameter/shared/secret",
		TokenScope:            "write read",
		TokenRefreshAhead:     0,
		PollLease:             10 * time.Minute,
		HeartbeatTimeout:      20 * time.Second,
		MaxShards:             1,
		ReadMemory:            100 * MB,
		MaxOpenWindows:        500,
		OnGap:                 OnGapFail,
		WorkerActivities:      12,
		WorkerDeliveries:      6,
		WorkerDeployment:      "logpipe-orders", WorkerBuildID: "v1.2.3",
		LogLevel:      slog.LevelWarn,
		MetricsListen: ":9464",
	}

	var content strings.Builder
	var environ []string
	for _, s := range Describe() {
		value, ok := values[s.Key]
		if !ok {
			t.Fatalf("this test has no value for %s", s.Key)
		}
		quote := ""
		if s.Key == "token_login_body" {
			quote = "'" // JSON is a map of YAML, too, and this is a text
		}
		content.WriteString(s.Key + ": " + quote + value + quote + "\n")
		environ = append(environ, s.Env()+"="+value)
	}
	for source, c := range map[string]Config{
		"file":        mustLoad(t, RoleStarter|RoleWorker, settingsFile(t, content.String()), nil),
		"environment": mustLoad(t, RoleStarter|RoleWorker, "", environ),
	} {
		c.origins = nil
		if !reflect.DeepEqual(c, want) {
			t.Errorf("from the %s:\ngot  %v\nwant %v", source, c, want)
		}
	}
}

func TestLoadUnusualFiles(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":        "",
		"comments":     "# nothing set\n",
		"null":         "---\n~\n",
		"byte order":   "\ufeffpipeline: logpipe\n",
		"null values":  "stream:\nlog_level: ~\n",
		"quoted":       "pipeline: 'logpipe'\nwindow_max_age: \"60s\"\n",
		"flow":         "{pipeline: logpipe, max_shards: 256}",
		"alias":        "poll_lease: &lease 5m\ntoken_refresh_ahead: 60s\n",
		"json":         `{"pipeline": "logpipe", "window_max_bytes": 1000000}`,
		"windows line": "pipeline: logpipe\r\nmax_shards: 256\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, RoleNone, settingsFile(t, content), nil)
			c.origins = nil
			if want := Default(); !reflect.DeepEqual(c, want) {
				t.Errorf("got %v, want the defaults", c)
			}
		})
	}
}

func TestLoadRefusesFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"list": {
			"- pipeline: logpipe\n",
			[]string{`read settings file: logpipe.yaml:1: is not a map of settings: write lines such as "window_max_age: 60s"`},
		},
		"text": {
			"hunter2",
			[]string{`read settings file: logpipe.yaml:1: is not a map of settings: write lines such as "window_max_age: 60s"`},
		},
		"broken": {
			"pipeline: [a\nstream: b\n",
			[]string{"read settings file: logpipe.yaml: yaml: line 1: did not find expected ',' or ']'"},
		},
		"two documents": {
			"pipeline: a\n---\nstream: b\n",
			[]string{"read settings file: logpipe.yaml: holds more than one YAML document: write all settings into the first one"},
		},
		"set twice": {
			"pipeline: a\nmax_shards: none\npipeline: b\n",
			[]string{
				"logpipe.yaml:3: pipeline is already set in line 1: remove one of them",
				`max_shards (logpipe.yaml:2): "none" is not a whole number: write digits only, such as 5000`,
			},
		},
		"not a value": {
			"stream: [a, b]\npipeline:\n  name: a\nwindow_max_age: {}\n",
			[]string{
				`pipeline (logpipe.yaml:2): "{…}" is a list or a map: write a single value`,
				`stream (logpipe.yaml:1): "[…]" is a list or a map: write a single value`,
				`window_max_age (logpipe.yaml:4): "{…}" is a list or a map: write a single value`,
			},
		},
		"unknown keys": {
			"LOGPIPE_STREAM: a\nwindow-max-age: 5s\nstream_name: a\nkafka: {brokers: [a]}\n1: 2\nclient.id: hunter2\n",
			[]string{
				"LOGPIPE_STREAM (logpipe.yaml:1): is no setting: did you mean stream?",
				"window-max-age (logpipe.yaml:2): is no setting: did you mean window_max_age?",
				"stream_name (logpipe.yaml:3): is no setting: did you mean stream?",
				"kafka (logpipe.yaml:4): is no setting: remove it, or look the name up in docs/configuration.md",
				"1 (logpipe.yaml:5): is no setting: remove it, or look the name up in docs/configuration.md",
				"client.id (logpipe.yaml:6): is no setting: did you mean client_id?",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLines(t, faultsOf(t, RoleNone, settingsFile(t, test.content), nil), test.want...)
		})
	}
}

// A file that cannot be read is reported alone: what it says might be all that is missing.
func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "absent.yaml")
	wantLines(t, faultsOf(t, RoleStarter, path, nil),
		"read settings file: open absent.yaml: no such file or directory: check --config or LOGPIPE_CONFIG")
	wantLines(t, faultsOf(t, RoleStarter, path, []string{"LOGPIPE_MAX_SHARDS=x"}),
		"read settings file: open absent.yaml: no such file or directory: check --config or LOGPIPE_CONFIG",
		`LOGPIPE_MAX_SHARDS: "x" is not a whole number: write digits only, such as 5000`)
}

func TestLoadRefusesUnknownVariables(t *testing.T) {
	t.Parallel()
	got := faultsOf(t, RoleNone, "", []string{
		"LOGPIPE_WINDOW_MAXAGE=5s",
		"LOGPIPE_CLIENT_SECRET=hunter2",
		"LOGPIPE_client_id=a",
		"LOGPIPE_=",
		"LOGPIPE_KAFKA_BROKERS=a",
		"LOGPIPE_CONFIG_FILE=a",
	})
	wantLines(t, got,
		"LOGPIPE_: is no setting: remove it, or look the name up in docs/configuration.md",
		"LOGPIPE_CLIENT_SECRET: is no setting: did you mean LOGPIPE_CLIENT_SECRET_PARAMETER?",
		"LOGPIPE_CONFIG_FILE: is no setting: did you mean LOGPIPE_CONFIG?",
		"LOGPIPE_KAFKA_BROKERS: is no setting: remove it, or look the name up in docs/configuration.md",
		"LOGPIPE_WINDOW_MAXAGE: is no setting: did you mean LOGPIPE_WINDOW_MAX_AGE?",
		"LOGPIPE_client_id: is no setting: did you mean LOGPIPE_CLIENT_ID?",
	)
}

// Kubernetes describes the Services of a namespace in variables of this form.
func TestLoadIgnoresKubernetesVariables(t *testing.T) {
	t.Parallel()
	mustLoad(t, RoleNone, "", []string{
		"LOGPIPE_SERVICE_HOST=10.0.0.1",
		"LOGPIPE_SERVICE_PORT=80",
		"LOGPIPE_SERVICE_PORT_METRICS=9090",
		"LOGPIPE_PORT=tcp://10.0.0.1:80",
		"LOGPIPE_PORT_80_TCP=tcp://10.0.0.1:80",
		"LOGPIPE_PORT_80_TCP_PROTO=tcp",
		"LOGPIPE_WORKER_PORT_80_TCP_ADDR=10.0.0.1",
		"LOGPIPE_WORKER_SERVICE_HOST=10.0.0.1",
	})
	for _, s := range Describe() {
		if kubernetesVariable.MatchString(s.Env()) {
			t.Errorf("%s would be ignored as a variable of Kubernetes", s.Env())
		}
	}
}

func TestLoadReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	path := settingsFile(t, strings.Join([]string{
		"pipeline: Log Pipe",
		"window_max_age: 60",
		"destination_url: https://user:hunter2@analytics.example.com/",
		"stage_ur: s3://bucket",
		"token_url:",
	}, "\n"))
	got := faultsOf(t, RoleStarter|RoleWorker, path, []string{
		"LOGPIPE_BATCH_MAX_BYTES=1M",
		"LOGPIPE_MAX_SHARDS=0",
		"LOGPIPE_START_POSITION=oldest",
		"LOGPIPE_LOG_LEVEL=verbose",
		"LOGPIPE_CLIENT_SECRET_PARAMETER=hunter2!",
		"LOGPIPE_HEARTBEAT=1s",
	})
	wantLines(t, got,
		"stage_ur (logpipe.yaml:4): is no setting: did you mean stage_url?",
		"LOGPIPE_HEARTBEAT: is no setting: did you mean LOGPIPE_HEARTBEAT_TIMEOUT?",
		`pipeline (logpipe.yaml:1): "Log Pipe" is no name for a pipeline: use 1 to 64 of a-z, 0-9 and -, not beginning with -`,
		"LOGPIPE_STREAM (stream in a settings file): is not set, but required by the starter: set it, for example to api-logs",
		`LOGPIPE_START_POSITION: "oldest" is no start position: use TRIM_HORIZON, LATEST or a time with its zone such as 2026-01-31T15:04:05Z`,
		"LOGPIPE_STAGE_URL (stage_url in a settings file): is not set, but required by the starter and worker: set it, for example to s3://my-bucket?region=eu-central-1&prefix=logpipe/",
		`window_max_age (logpipe.yaml:2): "60" has no unit: write a duration such as 500ms, 60s or 1m30s`,
		`LOGPIPE_BATCH_MAX_BYTES: "1M" has the unknown unit "M": use kB or MB (powers of 1000), or KiB or MiB (powers of 1024)`,
		`destination_url (logpipe.yaml:3): "https://**redacted**@analytics.example.com/" holds credentials: remove them, requests are authorised by the token or by the client id and secret`,
		"token_url (logpipe.yaml:5): is not set, but required by the worker: set it, for example to https://login.example.com/oauth2/token",
		"LOGPIPE_TOKEN_PARAMETER (token_parameter in a settings file): is not set, but required by the worker: set it, for example to /logpipe/access-token",
		"LOGPIPE_CLIENT_ID (client_id in a settings file): is not set, but required by the worker: set it, for example to logpipe",
		`LOGPIPE_CLIENT_SECRET_PARAMETER: "**redacted**" is no name of an SSM parameter: use a-z, A-Z, 0-9, _, . and -, and begin with / if it holds any /`,
		`LOGPIPE_MAX_SHARDS: "0" is out of range: use 1 to 10000`,
		`LOGPIPE_LOG_LEVEL: "verbose" is no log level: use debug, info, warn or error`,
	)
}

func TestLoadAsksOnlyForWhatTheRoleNeeds(t *testing.T) {
	t.Parallel()
	mustLoad(t, RoleStarter, "", []string{"LOGPIPE_STREAM=api-logs", "LOGPIPE_STAGE_URL=file:///var/lib/logpipe"})
	var worker []string
	for _, entry := range required() {
		if !strings.HasPrefix(entry, "LOGPIPE_STREAM=") {
			worker = append(worker, entry)
		}
	}
	mustLoad(t, RoleWorker, "", worker)

	if got := faultsOf(t, RoleWorker, "", nil); len(got) != 6 {
		t.Errorf("an empty worker environment has %d faults, want 6:\n%s", len(got), strings.Join(got, "\n"))
	}
	if got := faultsOf(t, RoleStarter, "", nil); len(got) != 2 {
		t.Errorf("an empty starter environment has %d faults, want 2:\n%s", len(got), strings.Join(got, "\n"))
	}
	// Not needed, but wrong all the same.
	wantLines(t, faultsOf(t, RoleStarter, "", required("LOGPIPE_TOKEN_URL=ftp://example.com")),
		`LOGPIPE_TOKEN_URL: "ftp://example.com" has the scheme "ftp": use an https:// or http:// URL`)
}

// Whatever a file holds, loading ends with settings or with an error that has the name of the file.
func FuzzLoadFile(f *testing.F) {
	f.Add("pipeline: a\nwindow_max_age: 5s\n")
	f.Add("a: &x [1]\nb: *x\n<<: {c: d}\n")
	f.Add("? [a, b]\n: c\n")
	f.Add("pipeline: !!binary aGk=\n---\n")
	f.Add("{a.b: {c: 1}, a: ~}")
	f.Fuzz(func(t *testing.T, content string) {
		path := settingsFile(t, content)
		c, err := Load(RoleNone, path, nil)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		if err := c.Validate(RoleNone); err != nil {
			t.Errorf("loaded settings are not valid: %v", err)
		}
	})
}
