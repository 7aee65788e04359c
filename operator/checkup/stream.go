package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// Reading is what is tried of the stream; *kinesis.Stream has it.
type Reading interface {
	Describe(ctx context.Context) (kinesis.Description, error)
	Shards(ctx context.Context, after string) ([]kinesis.Shard, error)
	TryIterator(ctx context.Context, shardID string) (string, error)
	TryRecords(ctx context.Context, iterator string) (int, error)
}

// StreamCheck is what Stream needs.
type StreamCheck struct {
	Name      string
	MaxShards int
	Open      func(context.Context) (Reading, error)
	// Oldest is as that of [TemporalCheck].
	Oldest func(context.Context) (at time.Time, ok bool, err error)
	Now    func() time.Time
}

// Stream tries the actions that reading takes, each once and for one record of one shard
// at most, whose data is not looked at.
func Stream(c StreamCheck) Check {
	return Check{Name: nameStream, Run: func(ctx context.Context, r *Report) {
		stream, err := c.Open(ctx)
		if err != nil {
			r.fail("aws", "", err)
			r.untried("AWS cannot be used", "describe-stream-summary", "list-shards", "get-shard-iterator", "get-records")
			return
		}
		described, err := stream.Describe(ctx)
		r.did("describe-stream-summary", remedyStream(err, "kinesis:DescribeStreamSummary"), err, "stream %s: %s", c.Name, summary(described))
		if err != nil && !errors.Is(err, kinesis.ErrDenied) {
			// Nothing else would be answered in another way.
			r.untried("the stream cannot be described", "list-shards", "get-shard-iterator", "get-records")
			return
		}
		if err == nil {
			c.judge(ctx, described, r)
		}
		c.read(ctx, stream, described, r)
	}}
}

func summary(d kinesis.Description) string {
	mode := "provisioned"
	if d.OnDemand {
		mode = "on-demand"
	}
	return fmt.Sprintf("%s, %s, %d open shards", d.Status, mode, d.OpenShards)
}

func remedyStream(err error, action string) string {
	switch {
	case errors.Is(err, kinesis.ErrDenied):
		return "allow the task role of the starters " + action + " on the stream; if AWS says that a signature or a credential is wrong, check the credentials"
	case errors.Is(err, kinesis.ErrNoStream):
		return "LOGPIPE_STREAM names the stream, AWS_REGION where it is; check both"
	case errors.Is(err, kinesis.ErrKey):
		return "" // the error says it
	case errors.Is(err, kinesis.ErrThrottled):
		return "try again; if it lasts, look who else reads the stream"
	}
	return "AWS_REGION and AWS_ENDPOINT_URL say where Kinesis is: check them, and the way there"
}

// shortRetention loses records when starters are away over a weekend.
const shortRetention = 24 * time.Hour

// judge tells what is unwise about a stream that can be read.
func (c StreamCheck) judge(ctx context.Context, d kinesis.Description, r *Report) {
	switch d.Status {
	case "ACTIVE", "UPDATING": // which is read as any other
		r.ok("status", "the stream is %s", d.Status)
	case "CREATING":
		r.warn("status", "wait until it is ACTIVE", "the stream is being made")
	default:
		r.fail("status", "make the stream again, and give the pipeline a new name: docs/design.md says why", fmt.Errorf("the stream is %s", d.Status))
	}
	if d.Encrypted {
		r.ok("encryption", "records are encrypted with the key %s", d.Key)
	} else {
		r.warn("encryption", fmt.Sprintf("aws kinesis start-stream-encryption --encryption-type KMS --key-id alias/aws/kinesis --stream-name %s", c.Name), "records are stored without encryption")
	}
	if d.Retention <= shortRetention {
		r.warn("retention", fmt.Sprintf("aws kinesis increase-stream-retention-period --retention-period-hours 72 --stream-name %s", c.Name),
			"Kinesis keeps records for %s: what arrives while no starter runs for longer than that is lost", hours(d.Retention))
	} else {
		r.ok("retention", "Kinesis keeps records for %s", hours(d.Retention))
	}
	c.unread(ctx, d.Retention, r)
	if c.MaxShards > 0 && d.OpenShards > c.MaxShards {
		r.note("shards", "%d shards are open, and one starter reads max_shards, %d, at most: it takes %d starters", d.OpenShards, c.MaxShards, (d.OpenShards+c.MaxShards-1)/c.MaxShards)
	}
}

// unread warns of records that Kinesis deletes soon.
func (c StreamCheck) unread(ctx context.Context, retention time.Duration, r *Report) {
	oldest, ok, err := c.Oldest(ctx)
	if err != nil || !ok {
		return // the check of Temporal says it
	}
	if age := max(0, c.Now().Sub(oldest)).Round(time.Second); age > retention/2 {
		r.warn("unread", "start starters, or raise the retention of the stream", "a shard was last read %s ago, and Kinesis keeps records for %s", age, hours(retention))
	}
}

// read tries the other actions, in one shard.
func (c StreamCheck) read(ctx context.Context, stream Reading, d kinesis.Description, r *Report) {
	shards, err := stream.Shards(ctx, "")
	r.did("list-shards", remedyStream(err, "kinesis:ListShards"), err, "listed %d shards, closed ones included", len(shards))
	if err != nil {
		r.untried("no shard is known", "get-shard-iterator", "get-records")
		return
	}
	open := slices.IndexFunc(shards, func(s kinesis.Shard) bool { return !s.Closed })
	if open < 0 {
		r.untried("the stream has no open shard", "get-shard-iterator", "get-records")
		return
	}
	iterator, err := stream.TryIterator(ctx, shards[open].ID)
	r.did("get-shard-iterator", remedyStream(err, "kinesis:GetShardIterator"), err, "found the oldest record of %s", shards[open].ID)
	if err != nil {
		r.untried("there is no iterator to read with", "get-records")
		return
	}
	records, err := stream.TryRecords(ctx, iterator)
	switch {
	case err != nil:
		r.fail("get-records", remedyStream(err, "kinesis:GetRecords"), err)
	case records > 0 && d.Encrypted:
		r.ok("get-records", "read a record, and its key can be used")
	case records > 0:
		r.ok("get-records", "read a record")
	case d.Encrypted:
		r.note("get-records", "reading is allowed, but no record came: whether the key %s can be used (kms:Decrypt) was not tried", d.Key)
	default:
		r.ok("get-records", "reading is allowed, no record came")
	}
}
