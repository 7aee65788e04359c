package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func valid(t *testing.T) Config {
	t.Helper()
	return mustLoad(t, RoleStarter|RoleWorker, "", required())
}

func TestValidateOfChangedSettings(t *testing.T) {
	t.Parallel()
	c := Default()
	if err := c.Validate(RoleNone); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
	c.Pipeline = ""
	c.WindowMaxAge = time.Millisecond
	err := c.Validate(RoleNone)
	if err == nil {
		t.Fatal("want an error")
	}
	wantLines(t, strings.Split(err.Error(), "\n"),
		`LOGPIPE_PIPELINE: "" is no name for a pipeline: use 1 to 64 of a-z, 0-9 and -, not beginning with -`,
		`LOGPIPE_WINDOW_MAX_AGE: "1ms" is out of range: use 100ms to 1h`)
}

// What a setting holds after a change is checked and shown, not what was loaded.
func TestValidateAfterLoad(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, RoleStarter, "", required("LOGPIPE_MAX_SHARDS=5"))
	c.MaxShards = 0
	err := c.Validate(RoleStarter)
	if want := `LOGPIPE_MAX_SHARDS: "0" is out of range: use 1 to 10000`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestValidateValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key, value string
		problem    string // a part of the fault, "" if the value is right
	}{
		{"pipeline", "a", ""},
		{"pipeline", "0-a-", ""},
		{"pipeline", strings.Repeat("a", 64), ""},
		{"pipeline", strings.Repeat("a", 65), "is no name for a pipeline"},
		{"pipeline", "-a", "not beginning with -"},
		{"pipeline", "a/b", "is no name for a pipeline"},
		{"pipeline", "a\n", "is no name for a pipeline"},

		{"worker_deployment", "logpipe-orders_2", ""},
		{"worker_deployment", "logpipe.orders", "is no name for a Worker Deployment"},
		{"worker_deployment", "logpipe:orders", "is no name for a Worker Deployment"},
		{"worker_deployment", "__orders", "not beginning with __"},
		{"worker_deployment", strings.Repeat("a", 129), "is no name for a Worker Deployment"},
		{"worker_build_id", "v1.2.3+dirty", ""},
		{"worker_build_id", "a b", "is no build id"},
		{"worker_build_id", "__a", "not beginning with __"},

		{"batch_format", "ndjson", ""},
		{"batch_format", "JSON", `is none of "array", "ndjson", "object"`},
		{"batch_compression", "gzip", ""},
		{"batch_compression", "zstd", `is neither "none" nor "gzip"`},

		{"destination_token_header", "X-Api_Token", ""},
		{"destination_token_header", "X Token", "is no name of a header"},
		{"destination_token_header", "X-Token:", "is no name of a header"},
		{"destination_token_scheme", "token", ""},
		{"destination_token_scheme", "none", ""},
		{"destination_token_scheme", "a b", "is no scheme"},
		{"destination_idempotency_header", "é", "is no name of a header"},
		{"destination_failed_items", "/a/~1b/0", ""},
		{"destination_failed_items", "#", ""},
		{"destination_failed_items", "errors", "is no JSON pointer"},
		{"destination_failed_items", "/a~2", "is no JSON pointer"},
		{"destination_failed_index", "#", "is no JSON pointer"},
		{"destination_connect_timeout", "1m", "is out of range: use 100ms to 50s"},
		{"destination_response_timeout", "0s", "is out of range"},
		{"destination_proxy", "none", ""},
		{"destination_proxy", "http://proxy:3128", ""},
		{"destination_proxy", "socks5://proxy:1080", ""},
		{"destination_proxy", "proxy:3128", "is no URL"},
		{"destination_proxy", "ftp://proxy", `has the scheme "ftp"`},
		{"destination_proxy", "http://:3128", "has no host"},
		{"destination_proxy", "http://u:hunter2@proxy", "holds credentials"},
		{"destination_headers", `{"X-Tenant":"blue","X-Empty":""}`, ""},
		{"destination_headers", `{"X-Key":"ssm:/a/b:3","Other":"ssm:arn:aws:ssm:eu-central-1:123456789012:parameter/a"}`, ""},
		{"destination_headers", `{"X-Key":"ssm:"}`, "what the value of X-Key names behind ssm: is no name of an SSM parameter"},
		{"destination_headers", `{"X-Key":"a\nb-hunter2"}`, "the value of X-Key has a character"},
		{"destination_headers", `{"X-Key":" hunter2"}`, "the value of X-Key has a character"},
		{"destination_headers", `{"X Key":"hunter2"}`, `"X Key" is no name of a header`},
		{"destination_headers", `{"host":"hunter2"}`, "Host is set by the request itself"},
		{"destination_headers", `{"x-a":"1","X-A":"2"}`, "names the header X-A twice"},
		{"destination_headers", `{"a":1}`, `has no text for "a"`},
		{"destination_headers", `[]`, `is no JSON object: write {"NAME":"VALUE"}`},

		{"stream", "Api_logs.v2-x", ""},
		{"stream", strings.Repeat("s", 129), "is no stream name"},
		{"stream", "api logs", "is no stream name"},
		{"stream", "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a", ""},
		{"stream", "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/a", ""},
		{"stream", "arn:aws:kinesis:eu-central-1:123456789012:stream/", "is not the ARN of a Kinesis data stream"},
		{"stream", "arn:aws:firehose:eu-central-1:123456789012:stream/a", "is not the ARN of a Kinesis data stream"},

		{"start_position", "TRIM_HORIZON", ""},
		{"start_position", "LATEST", ""},
		{"start_position", "2026-01-31T15:04:05+02:00", ""},
		{"start_position", "2026-01-31T15:04:05", "a time with its zone"},
		{"start_position", "2026-01-31", "is no start position"},
		{"start_position", "latest", "is no start position"},

		{"stage_url", "s3://bucket", ""},
		{"stage_url", "s3://bucket/", ""},
		{"stage_url", "s3://bucket?region=eu-central-1&prefix=logpipe/", ""},
		{"stage_url", "s3://", "names no bucket"},
		{"stage_url", "s3:///prefix", "names no bucket"},
		{"stage_url", "s3://bucket/logpipe", "write s3://BUCKET?prefix=PATH/ instead"},
		{"stage_url", "s3://key:hunter2@bucket", "holds credentials"},
		{"stage_url", "file:///var/lib/logpipe?create_dir=true", ""},
		{"stage_url", "file://var/lib/logpipe", "with three slashes"},
		{"stage_url", "file://./stage", "with three slashes"},
		{"stage_url", "file://", "names no directory"},
		{"stage_url", "mem://", "the memory of one process, where no other would find the windows: use s3:// or file://"},
		{"stage_url", "mem://name", "the memory of one process"},
		{"stage_url", "gs://bucket", `the unknown scheme "gs": use s3:// or file://`},
		{"stage_url", "/var/lib/logpipe", "is no URL"},
		{"stage_url", "s3://bucket#x", "behind #"},

		{"read_memory", "10MiB", ""},
		{"read_memory", "10MB", "use 10MiB to 64GiB"},
		{"max_open_windows", "0", "use 1 to 1000000"},
		{"on_gap", "continue", ""},
		{"execution_logs", "lines", ""},
		{"execution_logs", "off", `is neither "interactions" nor "lines"`},
		{"on_gap", "stop", `is neither "continue" nor "fail"`},

		{"window_max_age", "100ms", ""},
		{"window_max_age", "99ms", "use 100ms to 1h"},
		{"window_max_age", "61m", "use 100ms to 1h"},
		{"window_max_age", "-5s", "use 100ms to 1h"},
		{"window_max_age", "1.5m", ""},
		{"window_max_age", "one minute", "is not a duration"},
		{"window_max_bytes", "1kB", ""},
		{"window_max_bytes", "999", "use 1kB to 64MiB"},
		{"window_max_bytes", "1GB", "use 1kB to 64MiB"},
		{"window_max_bytes", "lots", "is not a byte size"},
		{"window_max_bytes", "5 lots", `the unknown unit "lots"`},
		{"window_max_records", "1", ""},
		{"window_max_records", "0", "use 1 to 1000000"},
		{"window_max_records", "1e3", "is not a whole number"},
		{"window_max_records", "99999999999999999999", "is not a whole number"},
		{"record_max_inflated_bytes", "1GiB", ""},
		{"record_max_inflated_bytes", "1MB", "use 1MiB to 1GiB"},
		{"record_max_inflate_ratio", "0", "use 1 to 10000"},
		{"batch_max_bytes", "64MiB", ""},
		{"batch_max_bytes", "-1", "is negative"},
		{"batch_max_events", "0x10", "is not a whole number"},

		{"redact", "on", ""},
		{"redact", "no", `is neither "on" nor "off"`},
		{"redact_names", "tenant-key  *ssn* x-corp-*", ""},
		{"redact_names", "ab a,b,c", `cannot be used: name "ab" has less than 3 letters and digits, and would be found everywhere; name "a,b,c" has the character ','`},
		{"redact_patterns", `EMP-\d{6} card\s(\d{12,19})`, ""},
		{"redact_patterns", "[a x*", `cannot be used: pattern "[a" is no RE2 expression: error parsing regexp: missing closing ]`},
		{"redact_patterns", "[a x*", `; pattern "x*" matches the empty text, and with it everywhere`},
		{"bodies", "drop", ""},
		{"bodies", "cut", `is neither "keep" nor "drop"`},
		{"body_max_bytes", "0", ""},
		{"body_max_bytes", "11MiB", "use 0 to 10MiB"},

		{"destination_url", "http://[::1]:8080/ingest?v=2", ""},
		{"destination_url", "https://analytics.example.com", ""},
		{"destination_url", "analytics.example.com/events", "must begin with a scheme"},
		{"destination_url", "https://", "has no host"},
		{"destination_url", "https:///events", "has no host"},
		{"destination_url", "https://:443/events", "has no host"},
		{"destination_url", "https://hunter2@analytics.example.com", "holds credentials"},
		{"destination_url", "https://user:hun/ter2@analytics.example.com", "is no URL that can be read"},
		{"destination_url", "https://analytics.example.com/a b%zz?key=hunter2", "is no URL that can be read"},
		{"destination_url", "user:hunter2@analytics.example.com", "is no URL"},
		{"destination_url", "https://analytics.example.com/#x", "behind #"},
		{"destination_url", "ftp://analytics.example.com?token=hunter2", `has the scheme "ftp"`},
		{"destination_timeout", "1ms", "use 100ms to 50s"},
		{"delivery_concurrency", "0", "use 1 to 256"},
		{"delivery_rate", "0", ""},
		{"delivery_rate", " 20 ", ""},
		{"delivery_rate", "0.5", ""},
		{"delivery_rate", "0.01", ""},
		{"delivery_rate", "0.009", "is out of range: use 0.01 to 10000 requests a second, or 0 for no limit"},
		{"delivery_rate", "10000.5", "is out of range"},
		{"delivery_rate", "-1", "is out of range"},
		{"delivery_rate", "NaN", "is out of range"},
		{"delivery_rate", "Inf", "is out of range"},
		{"delivery_rate", "20/s", "is not a number: write digits"},
		{"delivery_give_up_after", "0", ""},
		{"delivery_give_up_after", "1m", ""},
		{"delivery_give_up_after", "8760h", ""},
		{"delivery_give_up_after", "59s", "is out of range: use 1m to 8760h, or 0 to try without end"},
		{"delivery_give_up_after", "-1h", "is out of range"},
		{"delivery_give_up_after", "8761h", "is out of range"},

		{"token_url", "https://login.example.com/oauth2/token", ""},
		{"token_url", "login", "is no URL"},
		{"token_parameter", "token", ""},
		{"token_parameter", "/a/b_c/d.e-f", ""},
		{"token_parameter", "a/b", "begin with /"},
		{"token_parameter", "/a//b", "is no name of an SSM parameter"},
		{"token_parameter", "/a/", "is no name of an SSM parameter"},
		{"token_parameter", "/", "is no name of an SSM parameter"},
		{"token_parameter", "/aws/token", "begins with aws or ssm"},
		{"token_parameter", "AWSToken", "begins with aws or ssm"},
		{"token_parameter", "/ssm-token", "begins with aws or ssm"},
		{"token_parameter", "/laws/token", ""},
		{"token_parameter", "token:3", "is no name of an SSM parameter"},
		{"token_parameter", "arn:aws:ssm:eu-central-1:123456789012:parameter/token", "is an ARN"},
		{"token_parameter", strings.Repeat("/a", 15), ""},
		{"token_parameter", strings.Repeat("/a", 16), "use at most 15"},
		{"token_parameter", strings.Repeat("a", 1012), "use at most 1011"},
		{"client_id", "some client", ""},
		{"client_id", "cliënt", "visible ASCII"},
		{"client_secret_parameter", "/logpipe/secret:3", ""},
		{"client_secret_parameter", "/logpipe/secret:current", ""},
		{"client_secret_parameter", "/logpipe/secret:", "no version or label"},
		{"client_secret_parameter", "arn:aws:ssm:eu-central-1:123456789012:parameter/shared/secret", ""},
		{"client_secret_parameter", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x", "is not the ARN of an SSM parameter"},
		{"client_secret_parameter", "hunter2/hunter2==", "is no name of an SSM parameter"},
		{"token_scope", "events.write https://example.com/read", ""},
		{"token_scope", `a"b`, "is no list of scopes"},
		{"token_source", "external", ""},
		{"token_source", "vault", `is none of "client_credentials", "login", "external"`},
		{"token_timeout", "31s", "use 100ms to 30s"},
		{"token_auth", "client_secret_post", ""},
		{"token_auth", "post", `is neither "client_secret_basic" nor "client_secret_post"`},
		{"token_audience", "https://analytics.example.com", ""},
		{"token_audience", "a\tb", "visible ASCII"},
		{"token_params", `{"resource":"urn:a","prompt":""}`, ""},
		{"token_params", `{"scope":"hunter2"}`, "has scope, which is set elsewhere: set token_scope"},
		{"token_params", `{"client_secret":"hunter2"}`, "let client_secret_parameter name where it is"},
		{"token_params", `{"":"hunter2"}`, "has a value without a name"},
		{"token_params", `hunter2`, "is no JSON object"},
		{"token_params", `{"a":"hunter2","a":"b"}`, "has a name twice"},
		{"token_login_body", `{"a":["{client_secret}"]}`, ""},
		{"token_login_body", `{"password":"hunter2"}`, "does not say where the secret goes"},
		{"token_login_body", `{"password":hunter2}`, "is no JSON"},
		{"token_pointer", "/data/0/token~1x", ""},
		{"token_pointer", "data.token", "is no JSON pointer"},
		{"token_expiry_pointer", "/a~2", "is no JSON pointer"},
		{"token_kms_key", "alias/logpipe", ""},
		{"token_kms_key", "1234abcd-12ab-34cd-56ef-1234567890ab", ""},
		{"token_kms_key", "mrk-1234abcd12ab34cd56ef1234567890ab", ""},
		{"token_kms_key", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", ""},
		{"token_kms_key", "arn:aws-cn:kms:cn-north-1:123456789012:alias/a/b", ""},
		{"token_kms_key", "logpipe", "is no KMS key"},
		{"token_refresh_jitter", "61m", "use 0s to 1h"},

		{"token_refresh_ahead", "0s", ""},
		{"token_refresh_ahead", "-1s", "use 0s to 24h"},
		{"poll_lease", "15s", ""},
		{"poll_lease", "4s", "use 5s to 24h"},
		{"heartbeat_timeout", "5s", ""},
		{"heartbeat_timeout", "4999ms", "use 5s to 10m"},
		{"heartbeat_timeout", "11m", "use 5s to 10m"},
		{"max_shards", "10001", "use 1 to 10000"},
		{"worker_activities", "0", ""},
		{"worker_activities", "-1", "use 0 to 10000"},
		{"worker_deliveries", "0", "use 1 to 10000"},
		{"log_level", "DEBUG", ""},
		{"log_level", "info+1", "is no log level"},
		{"metrics_listen", "", ""},
		{"metrics_listen", "127.0.0.1:9464", ""},
		{"metrics_listen", "[::1]:9464", ""},
		{"metrics_listen", "localhost:0", ""},
		{"metrics_listen", "9464", "is no address to listen on"},
		{"metrics_listen", "127.0.0.1", "is no address to listen on"},
		{"metrics_listen", "::1:9464", "is no address to listen on"},
		{"metrics_listen", "http://127.0.0.1:9464", "is no address to listen on"},
		{"metrics_listen", "127.0.0.1:", "has no port"},
		{"metrics_listen", "127.0.0.1:http", "has no port"},
		{"metrics_listen", "127.0.0.1:65536", "has no port"},
		{"metrics_listen", "127.0.0.1:-1", "has no port"},
		{"metrics_listen", "10.0.0.0/8:9464", "has no host"},
		{"metrics_listen", "a b:9464", "has no host"},
	}
	for _, test := range tests {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			t.Parallel()
			name := "LOGPIPE_" + strings.ToUpper(test.key)
			_, err := Load(RoleStarter|RoleWorker, "", required(name+"="+test.value))
			if test.problem == "" {
				if err != nil {
					t.Errorf("Load: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("want an error")
			}
			text := err.Error()
			if !strings.HasPrefix(text, name+": \"") || !strings.Contains(text, test.problem) || strings.Contains(text, "\n") {
				t.Errorf("got %s\nwant one line with %s and %q", text, name, test.problem)
			}
			if strings.Contains(text, "hunter2") || strings.Contains(text, "ter2@") {
				t.Errorf("the error gives a secret away: %s", text)
			}
		})
	}
}

// 0 is no age, it turns sweeping off.
func TestValidateSweepAge(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"0": true, "24h": true, "8760h": true, "23h59m": false, "1ns": false, "-1h": false, "8761h": false} {
		if ok {
			mustLoad(t, RoleNone, "", []string{"LOGPIPE_STAGE_SWEEP_AFTER=" + text})
			continue
		}
		wantLines(t, faultsOf(t, RoleNone, "", []string{"LOGPIPE_STAGE_SWEEP_AFTER=" + text}),
			`LOGPIPE_STAGE_SWEEP_AFTER: "`+text+`" is out of range: use 24h to 8760h, or 0 to sweep nothing`)
	}
}

// Nor is it here, where it keeps what was discarded for ever.
func TestValidateKeepDiscarded(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"0": true, "24h": true, "720h": true, "87600h": true, "23h59m": false, "1ns": false, "-24h": false, "87601h": false} {
		if ok {
			mustLoad(t, RoleNone, "", []string{"LOGPIPE_STAGE_KEEP_DISCARDED=" + text})
			continue
		}
		wantLines(t, faultsOf(t, RoleNone, "", []string{"LOGPIPE_STAGE_KEEP_DISCARDED=" + text}),
			`LOGPIPE_STAGE_KEEP_DISCARDED: "`+text+`" is out of range: use 24h to 87600h, or 0 to keep it for ever`)
	}
}

func TestValidateSettingsTogether(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environ []string
		want    string
	}{
		"heartbeat longer than lease": {
			[]string{"LOGPIPE_POLL_LEASE=10s", "LOGPIPE_HEARTBEAT_TIMEOUT=11s"},
			"LOGPIPE_HEARTBEAT_TIMEOUT: 11s is longer than LOGPIPE_POLL_LEASE, 10s: a poller that is gone would be missed only after its lease; make it shorter",
		},
		"login without a body": {
			[]string{"LOGPIPE_TOKEN_SOURCE=login"},
			`LOGPIPE_TOKEN_LOGIN_BODY: is not set, but required by LOGPIPE_TOKEN_SOURCE: set it, for example to {"username":"{client_id}","password":"{client_secret}"}`,
		},
		"token over secret": {
			[]string{"LOGPIPE_TOKEN_PARAMETER=/logpipe/client-secret"},
			"LOGPIPE_TOKEN_PARAMETER: names the same parameter as LOGPIPE_CLIENT_SECRET_PARAMETER, so that the token would overwrite the client secret: use two parameters",
		},
		"token over a version of the secret": {
			[]string{"LOGPIPE_TOKEN_PARAMETER=secret", "LOGPIPE_CLIENT_SECRET_PARAMETER=secret:2"},
			"LOGPIPE_TOKEN_PARAMETER: names the same parameter as LOGPIPE_CLIENT_SECRET_PARAMETER, so that the token would overwrite the client secret: use two parameters",
		},
		"token over the secret behind an ARN": {
			[]string{"LOGPIPE_TOKEN_PARAMETER=/a/secret", "LOGPIPE_CLIENT_SECRET_PARAMETER=arn:aws:ssm:eu-central-1:123456789012:parameter/a/secret"},
			"LOGPIPE_TOKEN_PARAMETER: names the same parameter as LOGPIPE_CLIENT_SECRET_PARAMETER, so that the token would overwrite the client secret: use two parameters",
		},
		"not while one of them is wrong": {
			[]string{"LOGPIPE_POLL_LEASE=0", "LOGPIPE_HEARTBEAT_TIMEOUT=11s"},
			`LOGPIPE_POLL_LEASE: "0" is out of range: use 5s to 24h`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLines(t, faultsOf(t, RoleStarter|RoleWorker, "", required(test.environ...)), test.want)
		})
	}
}

// Every exported field of Config is a setting, and every setting is one field.
func TestSettingsCoverConfig(t *testing.T) {
	t.Parallel()
	c := Default()
	byField := make(map[any]string)
	for _, s := range settings {
		field := s.field(&c)
		if other, taken := byField[field]; taken {
			t.Errorf("%s and %s are the same field", s.Key, other)
		}
		byField[field] = s.Key
		if s.RequiredBy != 0 && s.Example == "" {
			t.Errorf("%s is required, but has no example", s.Key)
		}
		if s.Meaning == "" {
			t.Errorf("%s has no meaning", s.Key)
		}
	}
	value := reflect.ValueOf(&c).Elem()
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		key, ok := byField[value.Field(i).Addr().Interface()]
		if !ok {
			t.Errorf("field %s is no setting", field.Name)
			continue
		}
		if got := strings.ToLower(field.Name); got != strings.ReplaceAll(key, "_", "") {
			t.Errorf("field %s belongs to the setting %s", field.Name, key)
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	var environ []string
	for _, s := range Describe() {
		if s.Example != "" {
			environ = append(environ, s.Env()+"="+s.Example)
		}
	}
	mustLoad(t, RoleStarter|RoleWorker, "", environ)
}

func TestConfigLogsNoCredentials(t *testing.T) {
	t.Parallel()
	c := valid(t)
	c.DestinationURL = "https://user:hunter2@analytics.example.com/?key=hunter2"
	c.StageURL = "s3://hunter2@bucket?prefix=shown/"
	c.DestinationHeaders = Headers{"X-Key": "hunter2"}
	c.DestinationProxy = "http://user:hunter2@proxy"
	text := fmt.Sprint(c.LogValue())
	if strings.Contains(text, "hunter2") {
		t.Errorf("credentials in %s", text)
	}
	for _, want := range []string{"pipeline=logpipe", "window_max_age=1m", "window_max_bytes=1MB", "log_level=info", "prefix=shown/", "start_position=TRIM_HORIZON"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestDestinationSettingsTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		fault   string
	}{
		{[]string{"LOGPIPE_DESTINATION_CERT_FILE=c", "LOGPIPE_DESTINATION_KEY_FILE=k"}, ""},
		{[]string{"LOGPIPE_DESTINATION_CERT_FILE=c"}, "LOGPIPE_DESTINATION_CERT_FILE: needs LOGPIPE_DESTINATION_KEY_FILE beside it"},
		{[]string{"LOGPIPE_DESTINATION_KEY_FILE=k"}, "needs LOGPIPE_DESTINATION_KEY_FILE beside it, and the other way round"},
		{[]string{"LOGPIPE_DESTINATION_URL=http://a", "LOGPIPE_DESTINATION_CA_FILE=c"}, "LOGPIPE_DESTINATION_CA_FILE: is of no use for the http URL in LOGPIPE_DESTINATION_URL"},
		{[]string{"LOGPIPE_DESTINATION_TOKEN_HEADER=x", "LOGPIPE_DESTINATION_IDEMPOTENCY_HEADER=X"}, "names the header X, as LOGPIPE_DESTINATION_TOKEN_HEADER does"},
		{[]string{`LOGPIPE_DESTINATION_HEADERS={"authorization":"a"}`}, "names the header Authorization, as LOGPIPE_DESTINATION_TOKEN_HEADER does"},
		{[]string{`LOGPIPE_DESTINATION_HEADERS={"authorization":"a"}`, "LOGPIPE_DESTINATION_TOKEN_HEADER=X-Token"}, ""},
	} {
		_, err := Load(RoleWorker, "", required(c.environ...))
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%q: %v", c.environ, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%q: %v, want %s", c.environ, err, c.fault)
		}
	}
}

func TestRole(t *testing.T) {
	t.Parallel()
	for role, want := range map[Role]string{
		RoleNone:                 "none",
		RoleStarter:              "starter",
		RoleWorker:               "worker",
		RoleStarter | RoleWorker: "starter and worker",
	} {
		if got := role.String(); got != want {
			t.Errorf("Role(%d).String() = %q, want %q", role, got, want)
		}
	}
}

// Who asks no endpoint for tokens needs neither its address nor a client.
func TestExternalTokensNeedNoClient(t *testing.T) {
	t.Parallel()
	environ := []string{
		"LOGPIPE_STAGE_URL=file:///var/lib/logpipe", "LOGPIPE_DESTINATION_URL=https://analytics.example.com",
		"LOGPIPE_TOKEN_PARAMETER=/token", "LOGPIPE_TOKEN_SOURCE=external",
	}
	mustLoad(t, RoleWorker, "", environ)
	for _, name := range []string{"LOGPIPE_TOKEN_URL", "LOGPIPE_CLIENT_ID", "LOGPIPE_CLIENT_SECRET_PARAMETER"} {
		if faults := strings.Join(faultsOf(t, RoleWorker, "", environ[:3]), "\n"); !strings.Contains(faults, name) {
			t.Errorf("want %s among the faults of other sources: %s", name, faults)
		}
	}
}

// A parameter of a request may be a secret that belongs elsewhere.
func TestTokenSettingsAreNotLogged(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, RoleNone, "", []string{
		`LOGPIPE_TOKEN_PARAMS={"api_key":"hunter2"}`, `LOGPIPE_TOKEN_LOGIN_BODY=["hunter2","{client_secret}"]`,
	})
	if text := c.LogValue().String(); strings.Contains(text, "hunter2") {
		t.Errorf("the log gives it away: %s", text)
	}
}
