package localaws

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/cwlogs"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/fault"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/kinesis"
)

// Defaults of Config.
const (
	DefaultRegion     = "us-east-1"
	DefaultAccount    = "123456789012"
	DefaultStateDelay = 20 * time.Millisecond
	DefaultShardLimit = 500
)

// FaultRule says which requests fail and how; see [Server.InjectFault].
type FaultRule = fault.Rule

// FaultDuration is a duration in a FaultRule; JSON carries it as text such as "250ms".
type FaultDuration = fault.Duration

// ForwardedEvent is one log event that PutLogEvents accepted and at least one subscription filter matched.
type ForwardedEvent = cwlogs.Forwarded

// StoredRecord is one record that a Kinesis stream took in.
type StoredRecord = kinesis.Stored

// Request is one request of a client, as far as an observer needs it. Fields that do not apply are empty.
type Request struct {
	Time      time.Time
	Service   string // kinesis, ssm or logs
	Operation string // as in the API, for example GetRecords
	Stream    string // Kinesis stream name
	Shard     string // Kinesis shard id, where the request names one
	// Agent is the User-Agent, in which an AWS SDK says what AWS_SDK_UA_APP_ID is set to.
	Agent string
}

// Config sets up a Server. The zero value is usable.
type Config struct {
	Region  string // DefaultRegion when empty
	Account string // 12 digits; DefaultAccount when empty

	// Now is the clock for everything that ages: records, iterators, tokens, quotas, events; answers carry it in their
	// Date. time.Now when nil. The states of streams and the pauses between deliveries run by the machine's clock.
	Now func() time.Time

	// StateDelay is how long streams and consumers show CREATING, UPDATING or DELETING. DefaultStateDelay when 0,
	// no time at all when negative.
	StateDelay time.Duration

	// ShardLimit is how many open shards the account may have. DefaultShardLimit when 0.
	ShardLimit int

	// Throttle enforces quotas: per shard 5 reads and 2 MiB out, 1000 records and 1 MiB in and 5 iterators a second,
	// ListShards 1000 a second and stream, and in Parameter Store 40 reads and 3 writes a second.
	Throttle bool

	// AcceptOldEvents lets PutLogEvents take events of any timestamp, to replay old logs. The limits on size, order
	// and a batch's span of 24 hours stay.
	AcceptOldEvents bool

	// OnForward is called for each event that PutLogEvents accepted and a subscription filter matched, once however
	// many filters match, before the event is delivered. It is called from requests, for one log stream at a time,
	// and must neither block nor call the server. Nil calls nothing.
	OnForward func(ForwardedEvent)

	// OnStore is called for each record that a Kinesis stream took in, in the order of each shard, whether a client or
	// a subscription put it. It must neither block nor call the server. Nil calls nothing.
	OnStore func(StoredRecord)

	// OnRequest is called for each request of a client when it arrives, before it is carried out or refused by a
	// fault. It must not block. Nil calls nothing.
	OnRequest func(Request)

	// Logger receives what goes wrong inside, such as deliveries given up. slog.Default() when nil.
	Logger *slog.Logger
}

var (
	validAccount = regexp.MustCompile(`^\d{12}$`)
	validRegion  = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.Account != "" && !validAccount.MatchString(c.Account) {
		errs = append(errs, fmt.Errorf("account %q: want 12 digits", c.Account))
	}
	if c.Region != "" && !validRegion.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("region %q: want a name such as %s", c.Region, DefaultRegion))
	}
	if c.ShardLimit < 0 {
		errs = append(errs, fmt.Errorf("shard limit %d: want 1 or more, or 0 for %d", c.ShardLimit, DefaultShardLimit))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Account == "" {
		c.Account = DefaultAccount
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.StateDelay == 0 {
		c.StateDelay = DefaultStateDelay
	}
	if c.ShardLimit == 0 {
		c.ShardLimit = DefaultShardLimit
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
