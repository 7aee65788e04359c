package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Setting describes one setting to people.
type Setting struct {
	// Key is the name in the YAML file.
	Key string
	// Default is the value where none is given, empty where there is none.
	Default string
	// RequiredBy are the roles that do not start without it.
	RequiredBy Role
	// Example is a valid value of a setting that has no default.
	Example string
	// Lowest and Highest are the limits of a value, empty where there are none.
	Lowest, Highest string
	// IsMap tells that the value is a map of text by name in the YAML file, and a
	// JSON object in the environment.
	IsMap bool
	// Meaning is one sentence or two in Markdown.
	Meaning string
}

// Env is the name of the setting in the environment.
func (s Setting) Env() string { return envName(s.Key) }

// Describe lists all settings in the order of the documentation.
func Describe() []Setting {
	list := make([]Setting, len(settings))
	defaults := Default()
	for i, s := range settings {
		list[i] = s.Setting
		list[i].Default = s.value(&defaults)
	}
	return list
}

// setting ties a [Setting] to its field of [Config] and to the rules for its value.
type setting struct {
	Setting
	// field points to the field, for the decoder.
	field func(*Config) any
	// value is the field as text. Only a string setting that is not set gives "".
	value func(*Config) string
	// check says what is wrong with the field's value.
	check func(*Config) error
	// shown masks what must not be printed of a value.
	shown func(string) string
	// needless tells that other settings make this one unnecessary for the roles that
	// require it; nil never does.
	needless func(*Config) bool
}

// define makes a setting of the field that at returns.
func define[T any](at func(*Config) *T, check func(T) error, describe Setting) setting {
	return setting{
		Setting: describe,
		field:   func(c *Config) any { return at(c) },
		value:   func(c *Config) string { return formatValue(*at(c)) },
		check:   func(c *Config) error { return check(*at(c)) },
		shown:   func(text string) string { return text },
	}
}

// defineRange is define for values from low to high.
func defineRange[T cmp.Ordered](at func(*Config) *T, low, high T, describe Setting) setting {
	describe.Lowest, describe.Highest = formatValue(low), formatValue(high)
	return define(at, func(value T) error {
		if value < low || value > high {
			return fmt.Errorf("is out of range: use %s to %s", describe.Lowest, describe.Highest)
		}
		return nil
	}, describe)
}

// maxDestinationTimeout leaves an attempt to deliver, which has a minute in all, the
// time to read the batch and the token.
const maxDestinationTimeout = 50 * time.Second

// maxTokenTimeout leaves an attempt to get a token the time to read and to write
// parameters.
const maxTokenTimeout = 30 * time.Second

// minHeartbeatTimeout is the least that tells a dead starter from a slow one: at the
// tip of a shard a poller reads once a second, and staging a window can take longer. A
// lease is never shorter than the timeout.
const minHeartbeatTimeout = 5 * time.Second

// minSweepAfter leaves a poller that was asleep, and a person who looks after a crash,
// more time than either takes.
const (
	minSweepAfter = 24 * time.Hour
	maxSweepAfter = 365 * 24 * time.Hour
)

// minKeepDiscarded is time to notice a mistake, maxKeepDiscarded what is left of a stage
// that is no archive.
const (
	minKeepDiscarded = 24 * time.Hour
	maxKeepDiscarded = 10 * 365 * 24 * time.Hour
)

// The least rate is a request in 100 seconds, the highest more than Temporal hands out from
// a queue by its own settings.
const (
	minDeliveryRate = 0.01
	maxDeliveryRate = 10_000.0
)

// minGiveUpAfter leaves a batch the first few attempts.
const (
	minGiveUpAfter = time.Minute
	maxGiveUpAfter = 365 * 24 * time.Hour
)

// defineURL is define for text that may hold credentials by mistake.
func defineURL(at func(*Config) *string, check func(string) error, describe Setting) setting {
	s := define(at, check, describe)
	s.shown = redactURL
	return s
}

// defineHeaders is define for values by name that may be secrets by mistake.
func defineHeaders(at func(*Config) *Headers, check func(Headers) error, describe Setting) setting {
	s := define(at, check, describe)
	s.shown = func(text string) string {
		if text == "" {
			return ""
		}
		return redacted
	}
	return s
}

// defineSensitive is define for text that is likely to be mistaken for a secret:
// a value that is refused is not shown.
func defineSensitive(at func(*Config) *string, check func(string) error, describe Setting) setting {
	s := define(at, check, describe)
	s.shown = func(string) string { return redacted }
	return s
}

// defineLong is define for a value of which only the beginning is shown.
func defineLong[T any](at func(*Config) *T, check func(T) error, describe Setting) setting {
	s := define(at, check, describe)
	s.shown = shorten
	return s
}

// defineParams is defineLong for a map that may hold a secret by mistake: no value of it
// is shown.
func defineParams(at func(*Config) *TextMap, check func(TextMap) error, describe Setting) setting {
	s := define(at, check, describe)
	s.shown = func(text string) string {
		if text == "" {
			return ""
		}
		return redacted
	}
	return s
}

// unlessExternal marks what nobody needs who asks no endpoint for tokens.
func unlessExternal(s setting) setting {
	s.needless = func(c *Config) bool { return c.TokenSource == TokenFromOthers }
	return s
}

// anyValue is the check of types that cannot hold a wrong value.
func anyValue[T any](T) error { return nil }

func formatValue(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return formatDuration(v)
	case slog.Level:
		return strings.ToLower(v.String())
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

const bothRoles = RoleStarter | RoleWorker

// settings is the one list that loading, validation and documentation go by.
var settings = []setting{
	define(func(c *Config) *string { return &c.Pipeline }, checkPipeline, Setting{
		Key:     "pipeline",
		Meaning: "Name of the pipeline, first part of every workflow id. Two pipelines in one Temporal namespace need two names: 1 to 64 of `a-z`, `0-9` and `-`.",
	}),
	define(func(c *Config) *string { return &c.Stream }, checkStream, Setting{
		Key:        "stream",
		RequiredBy: RoleStarter,
		Example:    "api-logs",
		Meaning:    "Kinesis data stream to read, by name or by ARN.",
	}),
	define(func(c *Config) *StartPosition { return &c.StartPosition }, anyValue[StartPosition], Setting{
		Key:     "start_position",
		Meaning: "Where to begin on a shard that was never read: `TRIM_HORIZON`, `LATEST`, or an RFC 3339 time.",
	}),
	defineURL(func(c *Config) *string { return &c.StageURL }, checkStageURL, Setting{
		Key:        "stage_url",
		RequiredBy: bothRoles,
		Example:    "s3://my-bucket?region=eu-central-1&prefix=logpipe/",
		Meaning:    "Blob store for windows and batches: `s3://bucket?prefix=path/` or `file:///directory`, the same for both processes.",
	}),
	define(func(c *Config) *time.Duration { return &c.StageSweepAfter }, checkSweepAfter, Setting{
		Key:     "stage_sweep_after",
		Lowest:  formatDuration(minSweepAfter),
		Highest: formatDuration(maxSweepAfter),
		Meaning: "Raw windows and batches of this age that no open window refers to are deleted from the stage; `0` keeps them.",
	}),
	define(func(c *Config) *time.Duration { return &c.StageKeepDiscarded }, checkKeepDiscarded, Setting{
		Key:     "stage_keep_discarded",
		Lowest:  formatDuration(minKeepDiscarded),
		Highest: formatDuration(maxKeepDiscarded),
		Meaning: "But what belongs to a window that an operator has discarded stays for this long after that; `0` keeps it.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.WindowMaxAge }, 100*time.Millisecond, time.Hour, Setting{
		Key:     "window_max_age",
		Meaning: "A window is closed when its first record has waited this long.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.WindowMaxBytes }, 1*KB, 64*MiB, Setting{
		Key:     "window_max_bytes",
		Meaning: "A window is closed when it holds this much record data, counted as Kinesis stores it (compressed).",
	}),
	defineRange(func(c *Config) *int { return &c.WindowMaxRecords }, 1, 1_000_000, Setting{
		Key:     "window_max_records",
		Meaning: "A window is closed when it holds this many Kinesis records.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.RecordMaxInflatedBytes }, 1*MiB, 1*GiB, Setting{
		Key:     "record_max_inflated_bytes",
		Meaning: "Most bytes that one Kinesis record may inflate to. What stands behind them goes to quarantine.",
	}),
	defineRange(func(c *Config) *int { return &c.RecordMaxInflateRatio }, 1, 10_000, Setting{
		Key:     "record_max_inflate_ratio",
		Meaning: "How many times its stored size one Kinesis record may inflate to, if that is more than 1 MiB. A record beyond it is taken for a decompression bomb.",
	}),
	define(func(c *Config) *string { return &c.BatchFormat }, checkChoice(BatchArray, BatchNDJSON, BatchObject), Setting{
		Key:     "batch_format",
		Meaning: "Body of a delivery request: `array` is a JSON array of events, `ndjson` one event a line, `object` a JSON object that says where its `events` come from. See `docs/delivery.md`.",
	}),
	define(func(c *Config) *string { return &c.BatchCompression }, checkChoice(CompressNone, CompressGzip), Setting{
		Key:     "batch_compression",
		Meaning: "`gzip` compresses the body of a delivery request, `none` does not.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.BatchMaxBytes }, 1*KB, 64*MiB, Setting{
		Key:     "batch_max_bytes",
		Meaning: "Largest body of one delivery request, in bytes before compression, all that stands around the events included.",
	}),
	defineRange(func(c *Config) *int { return &c.BatchMaxEvents }, 1, 1_000_000, Setting{
		Key:     "batch_max_events",
		Meaning: "Most events in one delivery request.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.BatchMemory }, 0, 64*GiB, Setting{
		Key:     "batch_memory",
		Meaning: "Batches that one worker keeps in memory from when it has formatted them to their first delivery. The others are read from the stage again; `0` keeps none.",
	}),
	define(func(c *Config) *string { return &c.ExecutionLogs }, checkChoice(ExecutionLogsInteractions, ExecutionLogsLines), Setting{
		Key:     "execution_logs",
		Meaning: "What becomes of execution logs: `interactions` makes one event of the lines of a request, `lines` an event of each line.",
	}),
	defineLong(func(c *Config) *AccessLogTemplates { return &c.AccessLogTemplates }, checkTemplates, Setting{
		Key:     "access_log_templates",
		IsMap:   true,
		Meaning: "Access log templates as API Gateway has them, by log group or a glob for it: a map in the file, a JSON object in the environment. The console's own forms need none. See `docs/events.md`.",
	}),
	define(func(c *Config) *string { return &c.Redact }, checkChoice(RedactOn, RedactOff), Setting{
		Key:     "redact",
		Meaning: "`on` takes secrets out of events, `docs/events.md` says which; `off` delivers them as they were logged.",
	}),
	define(func(c *Config) *string { return &c.RedactNames }, checkRedactNames, Setting{
		Key:     "redact_names",
		Meaning: "Further names of headers, JSON members, parameters and fields whose values are secret, separated by spaces: `tenant-key *ssn*`.",
	}),
	define(func(c *Config) *string { return &c.RedactPatterns }, checkRedactPatterns, Setting{
		Key:     "redact_patterns",
		Meaning: "RE2 expressions for further secrets in any text, separated by spaces, with `\\s` for a space: `EMP-\\d{6} card\\s(\\d{12,19})`. Of a match its first group is replaced, or all of it.",
	}),
	define(func(c *Config) *string { return &c.Bodies }, checkChoice(BodiesKeep, BodiesDrop), Setting{
		Key:     "bodies",
		Meaning: "`keep` delivers the bodies of requests and responses that execution logs show, `drop` does not.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.BodyMaxBytes }, 0, 10*MiB, Setting{
		Key:     "body_max_bytes",
		Meaning: "Most that is delivered of one such body, `0` for all of it.",
	}),
	defineURL(func(c *Config) *string { return &c.DestinationURL }, checkEndpointURL, Setting{
		Key:        "destination_url",
		RequiredBy: RoleWorker,
		Example:    "https://analytics.example.com/v1/events",
		Meaning:    "Where batches are posted to: an `https` URL, or `http` on a trusted network, where the token travels unprotected.",
	}),
	define(func(c *Config) *string { return &c.DestinationTokenHeader }, checkHeaderName, Setting{
		Key:     "destination_token_header",
		Meaning: "Header of a delivery request that carries the token.",
	}),
	define(func(c *Config) *string { return &c.DestinationTokenScheme }, checkTokenScheme, Setting{
		Key:     "destination_token_scheme",
		Meaning: "Word before the token in that header; the type that the token endpoint has named, mostly `Bearer`, if empty, and `none` for the token alone.",
	}),
	define(func(c *Config) *string { return &c.DestinationIdempotencyHeader }, checkHeaderName, Setting{
		Key:     "destination_idempotency_header",
		Meaning: "Header that carries the key of a batch, the same on every attempt.",
	}),
	defineHeaders(func(c *Config) *Headers { return &c.DestinationHeaders }, checkHeaders, Setting{
		Key:     "destination_headers",
		IsMap:   true,
		Meaning: "Further headers of a delivery request by name: a map in the file, a JSON object in the environment. `ssm:NAME` as a value is what the SSM parameter of that name holds, read again every five minutes.",
	}),
	define(func(c *Config) *string { return &c.DestinationFailedItems }, checkListPointer, Setting{
		Key:     "destination_failed_items",
		Meaning: "JSON pointer to the list of events that failed in the answer to a batch that was accepted otherwise, such as `/errors`, or `#` if the answer is that list; answers list none if empty. See `docs/delivery.md`.",
	}),
	define(func(c *Config) *string { return &c.DestinationFailedIndex }, checkPointer, Setting{
		Key:     "destination_failed_index",
		Meaning: "JSON pointer to the number of the event, from 0, in an item of that list.",
	}),
	define(func(c *Config) *string { return &c.DestinationFailedStatus }, checkPointer, Setting{
		Key:     "destination_failed_status",
		Meaning: "JSON pointer to the event's HTTP status in such an item, which says whether it is sent again.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.DestinationTimeout }, 100*time.Millisecond, maxDestinationTimeout, Setting{
		Key:     "destination_timeout",
		Meaning: "Limit of one delivery request, from dialling to the last byte of the answer.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.DestinationConnectTimeout }, 100*time.Millisecond, maxDestinationTimeout, Setting{
		Key:     "destination_connect_timeout",
		Meaning: "Limit within it of the connection, and once more of TLS.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.DestinationResponseTimeout }, 100*time.Millisecond, maxDestinationTimeout, Setting{
		Key:     "destination_response_timeout",
		Meaning: "Limit within it from the last byte of the request to the answer's headers.",
	}),
	define(func(c *Config) *string { return &c.DestinationCAFile }, anyValue[string], Setting{
		Key:     "destination_ca_file",
		Meaning: "File of the certificates, in PEM, of who may have signed the destination's, instead of the system's. It is read at the start.",
	}),
	define(func(c *Config) *string { return &c.DestinationCertFile }, anyValue[string], Setting{
		Key:     "destination_cert_file",
		Meaning: "File of the client's certificate, in PEM, for a destination that asks for one. It is read for each new connection.",
	}),
	define(func(c *Config) *string { return &c.DestinationKeyFile }, anyValue[string], Setting{
		Key:     "destination_key_file",
		Meaning: "File of its private key, in PEM.",
	}),
	defineURL(func(c *Config) *string { return &c.DestinationProxy }, checkProxy, Setting{
		Key:     "destination_proxy",
		Meaning: "Proxy to the destination, such as `http://proxy:3128`. If empty, `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` hold, and with `none` nothing does.",
	}),
	defineRange(func(c *Config) *int { return &c.DeliveryConcurrency }, 1, 256, Setting{
		Key:     "delivery_concurrency",
		Meaning: "Batches of one window that are delivered at once.",
	}),
	define(func(c *Config) *float64 { return &c.DeliveryRate }, checkDeliveryRate, Setting{
		Key:     "delivery_rate",
		Lowest:  formatValue(minDeliveryRate),
		Highest: formatValue(maxDeliveryRate),
		Meaning: "Delivery requests that all workers of the pipeline together begin in a second, such as `20` or `0.5`; `0` sets no limit. Give all workers the same. See `docs/delivery.md`.",
	}),
	define(func(c *Config) *time.Duration { return &c.DeliveryGiveUpAfter }, checkGiveUpAfter, Setting{
		Key:     "delivery_give_up_after",
		Lowest:  formatDuration(minGiveUpAfter),
		Highest: formatDuration(maxGiveUpAfter),
		Meaning: "A batch that could not be delivered for this long is parked; `0` tries without end.",
	}),
	define(func(c *Config) *string { return &c.TokenSource }, checkChoice(TokenFromClientCredentials, TokenFromLogin, TokenFromOthers), Setting{
		Key:     "token_source",
		Meaning: "Where tokens come from: `client_credentials` asks an OAuth 2.0 token endpoint, `login` posts a JSON body to an API of another form, `external` reads what others write into the parameter.",
	}),
	unlessExternal(defineURL(func(c *Config) *string { return &c.TokenURL }, checkEndpointURL, Setting{
		Key:        "token_url",
		RequiredBy: RoleWorker,
		Example:    "https://login.example.com/oauth2/token",
		Meaning:    "Endpoint that is asked for tokens: an OAuth 2.0 token endpoint, or where to log in. Not needed by `token_source: external`.",
	})),
	defineRange(func(c *Config) *time.Duration { return &c.TokenTimeout }, 100*time.Millisecond, maxTokenTimeout, Setting{
		Key:     "token_timeout",
		Meaning: "Limit of one request for a token, from dialling to the last byte of the answer.",
	}),
	define(func(c *Config) *string { return &c.TokenParameter }, checkTokenParameter, Setting{
		Key:        "token_parameter",
		RequiredBy: RoleWorker,
		Example:    "/logpipe/access-token",
		Meaning:    "Name of the SSM parameter (SecureString) that caches the access token. The pipeline creates and overwrites it, unless `token_source` is `external`.",
	}),
	define(func(c *Config) *string { return &c.TokenKMSKey }, checkKMSKey, Setting{
		Key:     "token_kms_key",
		Meaning: "KMS key that encrypts this parameter: an id, `alias/NAME`, or the ARN of either. If empty, the key that the parameter has, at first `alias/aws/ssm`.",
	}),
	unlessExternal(define(func(c *Config) *string { return &c.ClientID }, checkClientID, Setting{
		Key:        "client_id",
		RequiredBy: RoleWorker,
		Example:    "logpipe",
		Meaning:    "Client id, or user name, for the token endpoint. Not needed by `token_source: external`.",
	})),
	unlessExternal(defineSensitive(func(c *Config) *string { return &c.ClientSecretParameter }, checkSecretParameter, Setting{
		Key:        "client_secret_parameter",
		RequiredBy: RoleWorker,
		Example:    "/logpipe/client-secret",
		Meaning:    "Name or ARN of the SSM parameter that holds the client secret, `:version` or `:label` may follow a name. The secret itself is never a setting. Not needed by `token_source: external`.",
	})),
	define(func(c *Config) *string { return &c.TokenAuth }, checkChoice(TokenAuthBasic, TokenAuthPost), Setting{
		Key:     "token_auth",
		Meaning: "How an OAuth 2.0 token endpoint is told id and secret: `client_secret_basic` by HTTP Basic, `client_secret_post` in the form.",
	}),
	define(func(c *Config) *string { return &c.TokenScope }, checkScope, Setting{
		Key:     "token_scope",
		Meaning: "Scopes to ask for, separated by spaces; none if empty.",
	}),
	define(func(c *Config) *string { return &c.TokenAudience }, checkAudience, Setting{
		Key:     "token_audience",
		Meaning: "Audience to ask for; none if empty.",
	}),
	defineParams(func(c *Config) *TextMap { return &c.TokenParams }, checkTokenParams, Setting{
		Key:     "token_params",
		Example: `{"resource":"https://analytics.example.com"}`,
		IsMap:   true,
		Meaning: "Further parameters of the request to an OAuth 2.0 token endpoint: a map in the file, a JSON object in the environment. None of them may be secret.",
	}),
	defineSensitive(func(c *Config) *string { return &c.TokenLoginBody }, checkLoginBody, Setting{
		Key:     "token_login_body",
		Example: `{"username":"{client_id}","password":"{client_secret}"}`,
		Meaning: "JSON body that `token_source: login` posts. `{client_id}` and `{client_secret}` in its strings stand for id and secret.",
	}),
	define(func(c *Config) *string { return &c.TokenPointer }, checkPointer, Setting{
		Key:     "token_pointer",
		Meaning: "Where the token is in the answer to a login, or in an external parameter that holds JSON, as a JSON pointer (RFC 6901).",
	}),
	define(func(c *Config) *string { return &c.TokenExpiryPointer }, checkPointer, Setting{
		Key:     "token_expiry_pointer",
		Meaning: "Where its expiry is: seconds to live, seconds or milliseconds since 1970, or an RFC 3339 time. If empty, `/expires_in` and `/expires_at` are looked at, and the claims of a JSON Web Token.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.TokenRefreshAhead }, 0, 24*time.Hour, Setting{
		Key:     "token_refresh_ahead",
		Meaning: "A token is replaced this long before it expires, a fifth of its life at most.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.TokenRefreshJitter }, 0, time.Hour, Setting{
		Key:     "token_refresh_jitter",
		Meaning: "And by chance up to this much earlier, a tenth of its life at most, so that pipelines which were started together do not ask together.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.PollLease }, minHeartbeatTimeout, 24*time.Hour, Setting{
		Key:     "poll_lease",
		Meaning: "A starter hands a shard back after this time, or up to a tenth less, so that load moves to starters that joined since.",
	}),
	defineRange(func(c *Config) *time.Duration { return &c.HeartbeatTimeout }, minHeartbeatTimeout, 10*time.Minute, Setting{
		Key:     "heartbeat_timeout",
		Meaning: "A starter that has been silent this long counts as gone, and others take over its shards.",
	}),
	defineRange(func(c *Config) *int { return &c.MaxShards }, 1, 10_000, Setting{
		Key:     "max_shards",
		Meaning: "Shards that one starter polls at once.",
	}),
	defineRange(func(c *Config) *ByteSize { return &c.ReadMemory }, 10*MiB, 64*GiB, Setting{
		Key:     "read_memory",
		Meaning: "Answers of Kinesis that one starter holds at once, in bytes of record data. One answer can be 10 MiB.",
	}),
	defineRange(func(c *Config) *int { return &c.MaxOpenWindows }, 1, 1_000_000, Setting{
		Key:     "max_open_windows",
		Meaning: "Reading pauses while the pipeline has this many windows open; Kinesis keeps the rest. Parked windows count, too.",
	}),
	define(func(c *Config) *string { return &c.OnGap }, checkChoice(OnGapContinue, OnGapFail), Setting{
		Key:     "on_gap",
		Meaning: "What follows where records are missing that Kinesis has deleted: `continue` reports it and reads on, `fail` stops the shard until somebody sends its ShardReader the signal `skip-gap`.",
	}),
	defineRange(func(c *Config) *int { return &c.WorkerActivities }, 0, 10_000, Setting{
		Key:     "worker_activities",
		Meaning: fmt.Sprintf("Activities that one worker runs at once, deliveries apart; 0 means %d for each core.", ActivitiesPerCore),
	}),
	defineRange(func(c *Config) *int { return &c.WorkerDeliveries }, 1, 10_000, Setting{
		Key:     "worker_deliveries",
		Meaning: "Delivery requests that one worker has under way at once, and connections that it keeps; all workers together have this times their number.",
	}),
	define(func(c *Config) *string { return &c.WorkerDeployment }, checkDeployment, Setting{
		Key:     "worker_deployment",
		Meaning: "Temporal Worker Deployment that starters and workers belong to, one for each pipeline, such as `logpipe-orders`: they take tasks only while their version is the current one. Empty turns versioning off. See `docs/operations.md`.",
	}),
	define(func(c *Config) *string { return &c.WorkerBuildID }, checkBuildID, Setting{
		Key:     "worker_build_id",
		Meaning: "Version that this process is in its `worker_deployment`; if empty, the commit or the module version that the binary was built from.",
	}),
	define(func(c *Config) *slog.Level { return &c.LogLevel }, anyValue[slog.Level], Setting{
		Key:     "log_level",
		Meaning: "Least severe level to log: `debug`, `info`, `warn` or `error`.",
	}),
	define(func(c *Config) *string { return &c.MetricsListen }, checkListenAddress, Setting{
		Key:     "metrics_listen",
		Meaning: "Where to serve metrics for Prometheus under `/metrics`, and health under `/healthz` and `/readyz`, which `logpipe health` asks for: `127.0.0.1:9464`, or `:9464` for all addresses of the machine; not at all if empty.",
	}),
}
