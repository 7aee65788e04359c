// Package config holds the settings of the starter and of the worker.
//
// A setting has one name in two spellings: LOGPIPE_WINDOW_MAX_AGE in the
// environment is window_max_age in the YAML file. [Load] takes the defaults,
// puts the file over them and the environment over the file, and reports every
// fault of both in one error. How to reach AWS and Temporal is not in here: their
// SDKs read their own variables.
package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// The values of OnGap.
const (
	OnGapContinue = "continue"
	OnGapFail     = "fail"
)

// The values of ExecutionLogs.
const (
	ExecutionLogsInteractions = "interactions"
	ExecutionLogsLines        = "lines"
)

// The values of TokenSource.
const (
	// TokenFromClientCredentials asks an OAuth 2.0 token endpoint.
	TokenFromClientCredentials = "client_credentials"
	// TokenFromLogin posts a JSON body to an endpoint of another form.
	TokenFromLogin = "login"
	// TokenFromOthers reads what somebody else writes into the parameter.
	TokenFromOthers = "external"
)

// The values of TokenAuth, as OAuth 2.0 names them.
const (
	TokenAuthBasic = "client_secret_basic"
	TokenAuthPost  = "client_secret_post"
)

// The values of Redact and Bodies.
const (
	RedactOn   = "on"
	RedactOff  = "off"
	BodiesKeep = "keep"
	BodiesDrop = "drop"
)

// Config is the complete set of settings. The zero value is of no use: start from
// [Default] or [Load], and call [Config.Validate] after changing a field.
type Config struct {
	// Pipeline names this pipeline. Every workflow id begins with it, so two
	// pipelines in one Temporal namespace need two names.
	Pipeline string
	// Stream is the Kinesis data stream to read, by name or ARN.
	Stream string
	// StartPosition is where the chain of windows of a shard begins. It counts only
	// the first time that a shard is read.
	StartPosition StartPosition
	// StageURL is the blob store of raw windows and formatted batches.
	StageURL string

	// StageSweepAfter is how old an object of the stage gets that no open window refers
	// to; 0 keeps it for ever.
	StageSweepAfter time.Duration
	// StageKeepDiscarded is how long all that is staged of a window is kept after an
	// operator has discarded it; 0 keeps it for ever.
	StageKeepDiscarded time.Duration

	// WindowMaxAge is how long the first record of a window waits for others.
	WindowMaxAge time.Duration
	// WindowMaxBytes limits the record data of a window, counted as Kinesis stores it.
	WindowMaxBytes ByteSize
	// WindowMaxRecords limits the Kinesis records of a window.
	WindowMaxRecords int

	// RecordMaxInflatedBytes is the most that one Kinesis record may inflate to; what is
	// beyond it goes to quarantine.
	RecordMaxInflatedBytes ByteSize
	// RecordMaxInflateRatio is the most that a record may inflate by, where it inflates to
	// more than 1 MiB.
	RecordMaxInflateRatio int

	// BatchFormat is the form of the body of a delivery request: BatchArray, BatchNDJSON
	// or BatchObject.
	BatchFormat string
	// BatchCompression is the content encoding of the body: CompressNone or CompressGzip.
	BatchCompression string
	// BatchMaxBytes limits the body of one delivery request, counted before compression.
	BatchMaxBytes ByteSize
	// BatchMaxEvents limits the events in one delivery request.
	BatchMaxEvents int
	// BatchMemory is how much of the batches that it has formatted a worker keeps in memory
	// until it delivers them; 0 keeps none.
	BatchMemory ByteSize

	// ExecutionLogs says what becomes of execution logs: ExecutionLogsInteractions or
	// ExecutionLogsLines.
	ExecutionLogs string
	// AccessLogTemplates are the access log templates of log groups. Forms that the
	// console of API Gateway offers need none.
	AccessLogTemplates AccessLogTemplates
	// Redact is whether secrets are taken out of events: RedactOn or RedactOff.
	Redact string
	// RedactNames are further names of secrets, separated by spaces.
	RedactNames string
	// RedactPatterns are RE2 expressions for further secrets, separated by spaces.
	RedactPatterns string
	// Bodies is what becomes of the bodies of requests and responses: BodiesKeep or
	// BodiesDrop.
	Bodies string
	// BodyMaxBytes limits what is kept of one body; 0 keeps all.
	BodyMaxBytes ByteSize

	// DestinationURL is where batches are posted to.
	DestinationURL string
	// DestinationTokenHeader carries the token.
	DestinationTokenHeader string
	// DestinationTokenScheme stands before the token: empty for the type that the token
	// endpoint has named, or None.
	DestinationTokenScheme string
	// DestinationIdempotencyHeader carries the key of a batch.
	DestinationIdempotencyHeader string
	// DestinationHeaders are sent with each delivery request.
	DestinationHeaders Headers
	// DestinationFailedItems is a JSON pointer to the events that failed in the answer to
	// a batch, empty if answers list none. The other two point into an item of that list.
	DestinationFailedItems  string
	DestinationFailedIndex  string
	DestinationFailedStatus string
	// DestinationTimeout limits one delivery request, from dialling to the last byte
	// of the answer.
	DestinationTimeout time.Duration
	// DestinationConnectTimeout limits the connection, and then TLS.
	DestinationConnectTimeout time.Duration
	// DestinationResponseTimeout limits the wait from the end of the request to the end of
	// the answer's headers.
	DestinationResponseTimeout time.Duration
	// DestinationCAFile holds the certificates that the destination's is verified with,
	// empty for those of the system.
	DestinationCAFile string
	// DestinationCertFile and DestinationKeyFile are the client's certificate and key.
	DestinationCertFile, DestinationKeyFile string
	// DestinationProxy is the URL of a proxy, empty for that of the environment, or None.
	DestinationProxy string
	// DeliveryConcurrency is how many batches of one window are delivered at once.
	DeliveryConcurrency int
	// DeliveryRate is the most attempts to deliver that all workers of the pipeline begin
	// in a second; 0 is no limit.
	DeliveryRate float64
	// DeliveryGiveUpAfter is how long a batch is tried before it is parked; 0 is for ever.
	DeliveryGiveUpAfter time.Duration

	// TokenSource is where tokens come from: TokenFromClientCredentials, TokenFromLogin
	// or TokenFromOthers.
	TokenSource string
	// TokenURL is the endpoint that is asked for tokens.
	TokenURL string
	// TokenTimeout limits one request to it, from dialling to the last byte of the answer.
	TokenTimeout time.Duration
	// TokenParameter is the SSM parameter that caches the access token.
	TokenParameter string
	// TokenKMSKey encrypts that parameter, empty for the account's key for Parameter Store.
	TokenKMSKey string
	// ClientID identifies the pipeline to the token endpoint.
	ClientID string
	// ClientSecretParameter is the SSM parameter that holds the client secret.
	ClientSecretParameter string
	// TokenAuth is how an OAuth 2.0 endpoint is told the secret: TokenAuthBasic or
	// TokenAuthPost.
	TokenAuth string
	// TokenScope is the scope to ask for, empty for the endpoint's default.
	TokenScope string
	// TokenAudience is the audience to ask for, empty for none.
	TokenAudience string
	// TokenParams are further parameters of the request.
	TokenParams TextMap
	// TokenLoginBody is the JSON body of a login, with placeholders for id and secret.
	TokenLoginBody string
	// TokenPointer is where the token is in the answer to a login, or in a parameter that
	// others write, as a JSON pointer.
	TokenPointer string
	// TokenExpiryPointer is where its expiry is, empty for the usual places.
	TokenExpiryPointer string
	// TokenRefreshAhead is how long before its expiry a token is replaced. A fifth of
	// the token's life is the most that is used.
	TokenRefreshAhead time.Duration
	// TokenRefreshJitter is how much earlier than that it may be, by chance. A tenth of
	// the token's life is the most that is used.
	TokenRefreshJitter time.Duration

	// PollLease is how long one PollShard activity keeps a shard before it hands it back.
	PollLease time.Duration
	// HeartbeatTimeout is how long a starter may be silent before it counts as gone and
	// others take over its shards. It is not that of deliveries.
	HeartbeatTimeout time.Duration
	// MaxShards is how many shards one starter polls at once.
	MaxShards int
	// ReadMemory bounds the answers of Kinesis that one starter holds at once. One answer
	// can be 10 MiB.
	ReadMemory ByteSize
	// MaxOpenWindows is how many windows of the pipeline are open at once before reading
	// pauses.
	MaxOpenWindows int
	// OnGap is what follows where records may be missing: OnGapContinue or OnGapFail.
	OnGap string
	// WorkerActivities is how many activities one worker runs at once beside deliveries; 0
	// stands for [ActivitiesPerCore] for each core.
	WorkerActivities int
	// WorkerDeliveries is how many batches one worker delivers at once, each with a request
	// of its own.
	WorkerDeliveries int

	// WorkerDeployment is the Worker Deployment of Temporal that the processes are versions of,
	// empty for none; WorkerBuildID is which one, empty for that of the binary.
	WorkerDeployment, WorkerBuildID string

	// LogLevel is the least severe level that is logged.
	LogLevel slog.Level
	// MetricsListen is the address to serve metrics on, empty for none.
	MetricsListen string

	// origins tells where a setting was given, for the sake of error messages.
	origins map[string]origin
}

// ActivitiesPerCore is how many activities a worker runs for each core when
// [Config.WorkerActivities] is 0. They mostly wait for other services, so they
// outnumber the cores.
const ActivitiesPerCore = 16

// Default returns the settings that hold where nothing else is said. The required
// ones are empty in it.
func Default() Config {
	return Config{
		Pipeline:               "logpipe",
		StartPosition:          TrimHorizon(),
		StageSweepAfter:        7 * 24 * time.Hour,
		StageKeepDiscarded:     30 * 24 * time.Hour,
		WindowMaxAge:           60 * time.Second,
		WindowMaxBytes:         1 * MB,
		WindowMaxRecords:       10_000,
		ExecutionLogs:          ExecutionLogsInteractions,
		RecordMaxInflatedBytes: 64 * MiB,
		RecordMaxInflateRatio:  200,
		BatchFormat:            BatchArray,
		BatchCompression:       CompressNone,
		BatchMaxBytes:          1 * MB,
		BatchMaxEvents:         5_000,
		BatchMemory:            16 * MiB,
		Redact:                 RedactOn,
		Bodies:                 BodiesKeep,
		DestinationTimeout:     30 * time.Second,

		DestinationTokenHeader: "Authorization", DestinationIdempotencyHeader: "Idempotency-Key",
		DestinationFailedIndex: "/index", DestinationFailedStatus: "/status",
		DestinationConnectTimeout: 10 * time.Second, DestinationResponseTimeout: 30 * time.Second,

		DeliveryConcurrency: 4,
		WorkerDeliveries:    32,
		TokenSource:         TokenFromClientCredentials,
		TokenTimeout:        10 * time.Second,
		TokenAuth:           TokenAuthBasic,
		TokenPointer:        "/access_token",
		TokenRefreshAhead:   60 * time.Second,
		TokenRefreshJitter:  10 * time.Second,
		PollLease:           5 * time.Minute,
		ReadMemory:          64 * MiB, MaxOpenWindows: 10_000, OnGap: OnGapContinue,
		HeartbeatTimeout: 15 * time.Second,
		MaxShards:        256,
		LogLevel:         slog.LevelInfo,
	}
}

// LogValue lists every setting under its YAML key. Credentials that somebody put
// into a URL are masked.
func (c Config) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(settings))
	for _, s := range settings {
		attrs = append(attrs, slog.String(s.Key, s.shown(s.value(&c))))
	}
	return slog.GroupValue(attrs...)
}

// origin is where a setting was given.
type origin struct {
	file string // empty: the environment
	line int
}

// name spells a setting the way its user did: as a key of the file, or else as an
// environment variable.
func (c *Config) name(key string) string {
	if o := c.origins[key]; o.file != "" {
		return fmt.Sprintf("%s (%s:%d)", key, o.file, o.line)
	}
	return envName(key)
}

const (
	envPrefix = "LOGPIPE_"
	fileKey   = "config"

	// FileVariable is the environment variable that names the settings file where
	// no flag does.
	FileVariable = "LOGPIPE_CONFIG"
)

func envName(key string) string { return envPrefix + strings.ToUpper(key) }
