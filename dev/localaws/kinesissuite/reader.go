package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// RunReader runs every check of the pipeline's own reader as a subtest of its own, with a target from newTarget for
// each. What goes wrong on the way to an endpoint is made in the client, so that it is the same at all of them.
func RunReader(t *testing.T, newTarget func(testing.TB) Target, opt Options) {
	t.Helper()
	run(t, readerChecks(), newTarget, opt)
}

func readerChecks() []check {
	return slices.Concat(readingChecks(), startingChecks(), lineageChecks(), missingChecks(), faultChecks())
}

// subject is a stream as the pipeline reads it.
type subject struct {
	*kinesis.Stream
	name string
	net  *network
}

// subject makes a stream of n shards and reads it by its name.
func (b *bench) subject(ctx context.Context, n int32) (subject, error) {
	name, err := b.stream(ctx, n)
	return b.subjectOf(name), err
}

// subjectOf reads a stream, known by its name or its ARN, with a client of its own.
func (b *bench) subjectOf(nameOrARN string) subject {
	net := &network{next: b.Options().HTTPClient}
	return subject{Stream: kinesis.NewStream(net.client(b.Client), nameOrARN), name: nameOrARN, net: net}
}

// from reads the first shard.
func (s subject) from(p kinesis.Position) *kinesis.Reader {
	return s.Reader(firstShard, p, kinesis.ReaderOptions{})
}

// beginning is the position before all records of a shard.
func (s subject) beginning(ctx context.Context, shardID string) (kinesis.Position, error) {
	return s.Resolve(ctx, shardID, "TRIM_HORIZON", 0, time.Now(), func() {})
}

// collect reads on until it has n records and returns their data. It fails when there are more at once, or when
// nothing more comes.
func collect(ctx context.Context, r *kinesis.Reader, n int) ([]window.Record, error) {
	var got []window.Record
	for quiet := 0; len(got) < n; {
		b, err := r.Next(ctx)
		if err != nil {
			return got, err
		}
		got = append(got, b.Records...)
		if quiet++; len(b.Records) > 0 || b.Behind > 0 {
			quiet = 0
		}
		if b.End || quiet == quietPages {
			break
		}
	}
	if len(got) != n {
		return got, fmt.Errorf("read %d records %.200q, want %d", len(got), dataOf(got), n)
	}
	return got, nil
}

// brings checks what reading on brings.
func brings(ctx context.Context, what string, r *kinesis.Reader, want []string) error {
	got, err := collect(ctx, r, len(want))
	if err == nil {
		err = sameData("records", dataOf(got), want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// bringsFrom is brings of a new reader of the first shard.
func (s subject) bringsFrom(ctx context.Context, p kinesis.Position, want []string) error {
	return brings(ctx, p.String(), s.from(p), want)
}

// drain reads to the end of a closed shard, which endpoints may take a moment to tell.
func drain(ctx context.Context, r *kinesis.Reader) ([]window.Record, kinesis.Batch, error) {
	var got []window.Record
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return got, b, err
		}
		got = append(got, b.Records...)
		if b.End {
			return got, b, nil
		}
	}
}

func dataOf(records []window.Record) []string {
	out := make([]string, len(records))
	for i, rec := range records {
		out[i] = string(rec.Data)
	}
	return out
}

// is checks what an error means.
func is(what string, err error, want ...error) error {
	if slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s: got no error, want %v", what, want)
	}
	return fmt.Errorf("%s: want %v, got error %w", what, want, err)
}

// nextSecond returns when the endpoint's clock shows another second, so that what comes is not in the second of what
// was. Answers can tell a time that is a little old: some servers remember their Date.
func (b *bench) nextSecond(ctx context.Context) error {
	if b.advance != nil {
		b.advance(time.Second)
		return nil
	}
	for began := time.Now().Unix(); time.Now().Unix() < began+2; {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}
