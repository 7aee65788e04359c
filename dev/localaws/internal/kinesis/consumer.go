package kinesis

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// consumer is a registered consumer with throughput of its own.
type consumer struct {
	name, arn string
	created   time.Time
	activeAt  time.Time // by the machine's clock
}

const maxConsumers = 20

var consumerARN = regexp.MustCompile(`^(arn:aws[a-z-]*:kinesis:[^:]*:[^:]*:stream/[a-zA-Z0-9_.-]{1,128})/consumer/([a-zA-Z0-9_.-]{1,128}):(\d+)$`)

func (c *consumer) status() string {
	if time.Now().Before(c.activeAt) {
		return statusCreating
	}
	return statusActive
}

type consumerOut struct {
	ConsumerName              string
	ConsumerARN               string
	ConsumerStatus            string
	ConsumerCreationTimestamp wire.Time
	StreamARN                 string `json:",omitempty"`
}

func (c *consumer) describe(streamARN string) consumerOut {
	return consumerOut{c.name, c.arn, c.status(), wire.TimeOf(c.created), streamARN}
}

type registerIn struct {
	StreamARN    string
	ConsumerName string
	Tags         map[string]string
}

type registerOut struct{ Consumer consumerOut }

func (s *Service) registerConsumer(_ context.Context, in *registerIn) (*registerOut, error) {
	if in.StreamARN == "" {
		return nil, wire.Missing("streamARN")
	}
	if !streamName.MatchString(in.ConsumerName) {
		return nil, wire.Invalid("consumerName", in.ConsumerName, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+, with 1 to 128 characters")
	}
	if len(in.Tags) > 0 {
		return nil, wire.Errorf("InvalidArgumentException", "Tags of consumers are not supported by this local endpoint.")
	}
	st, err := s.stream(streamRef{StreamARN: in.StreamARN})
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := s.writable(st); err != nil {
		return nil, err
	}
	if st.consumers[in.ConsumerName] != nil {
		return nil, wire.Errorf("ResourceInUseException", "Consumer %s of stream %s already exists.", in.ConsumerName, st.name)
	}
	if len(st.consumers) == maxConsumers {
		return nil, wire.Errorf("LimitExceededException", "Stream %s has %d consumers already, the most it can have.", st.name, maxConsumers)
	}
	now := s.cfg.Now()
	c := &consumer{
		name: in.ConsumerName, created: now, activeAt: time.Now().Add(s.cfg.StateDelay),
		arn: fmt.Sprintf("%s/consumer/%s:%d", st.arn, in.ConsumerName, now.Unix()),
	}
	st.consumers[c.name] = c
	return &registerOut{c.describe("")}, nil
}

// consumerRef names a consumer by its ARN, or by its name and its stream's ARN.
type consumerRef struct {
	ConsumerARN  string
	ConsumerName string
	StreamARN    string
}

func (s *Service) findConsumer(ref consumerRef) (*stream, *consumer, error) {
	if ref.ConsumerARN != "" {
		m := consumerARN.FindStringSubmatch(ref.ConsumerARN)
		if m == nil {
			return nil, nil, wire.Invalid("consumerARN", ref.ConsumerARN, `satisfy regular expression pattern: arn:...:stream/NAME/consumer/NAME:TIMESTAMP`)
		}
		ref.StreamARN, ref.ConsumerName = m[1], m[2]
	}
	if ref.StreamARN == "" || ref.ConsumerName == "" {
		return nil, nil, wire.Errorf("InvalidArgumentException", "Either ConsumerARN or both StreamARN and ConsumerName must be given.")
	}
	st, err := s.stream(streamRef{StreamARN: ref.StreamARN})
	if err != nil {
		return nil, nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	c := st.consumers[ref.ConsumerName]
	if c == nil || (ref.ConsumerARN != "" && c.arn != ref.ConsumerARN) {
		return nil, nil, wire.Errorf("ResourceNotFoundException", "Consumer %s of stream %s under account %s not found.", ref.ConsumerName, st.name, s.cfg.Account)
	}
	return st, c, nil
}

func (s *Service) deregisterConsumer(_ context.Context, in *consumerRef) (*wire.Empty, error) {
	st, c, err := s.findConsumer(*in)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	if st.consumers[c.name] == c {
		delete(st.consumers, c.name)
	}
	st.mu.Unlock()
	s.subs.endOf(c.arn)
	return &wire.Empty{}, nil
}

type describeConsumerOut struct{ ConsumerDescription consumerOut }

func (s *Service) describeConsumer(_ context.Context, in *consumerRef) (*describeConsumerOut, error) {
	st, c, err := s.findConsumer(*in)
	if err != nil {
		return nil, err
	}
	return &describeConsumerOut{c.describe(st.arn)}, nil
}

type listConsumersIn struct {
	StreamARN  string
	NextToken  string
	MaxResults *int
}

type listConsumersOut struct {
	Consumers []consumerOut
	NextToken string `json:",omitempty"`
}

func (s *Service) listConsumers(_ context.Context, in *listConsumersIn) (*listConsumersOut, error) {
	limit := 100
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < 1 {
			return nil, wire.Invalid("maxResults", limit, "have value greater than or equal to 1")
		}
	}
	st, err := s.stream(streamRef{StreamARN: in.StreamARN})
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := &listConsumersOut{Consumers: []consumerOut{}}
	for _, name := range slices.Sorted(maps.Keys(st.consumers)) {
		if strings.Compare(name, in.NextToken) <= 0 {
			continue
		}
		if len(out.Consumers) == limit {
			out.NextToken = out.Consumers[limit-1].ConsumerName
			break
		}
		out.Consumers = append(out.Consumers, st.consumers[name].describe(""))
	}
	return out, nil
}
