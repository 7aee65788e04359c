package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func faultChecks() []check {
	return []check{
		{name: "fault/each-is-told-and-loses-nothing", run: faultsLoseNothing},
		{name: "fault/iterator-is-told-and-loses-nothing", run: iteratorFaults},
		{name: "fault/expired-iterators-are-replaced", run: expiryReplaced},
		{name: "fault/iterators-expire-by-themselves", run: expiryByAge, ages: true},
	}
}

// fault is one that can happen on the way, and what a reader makes of it.
type fault struct {
	what   string
	answer answer
	means  error
}

// faults returns some of every kind.
func faults() []fault {
	return []fault{
		{"a limit", refuse(400, "ProvisionedThroughputExceededException"), kinesis.ErrThrottled},
		{"a refusal", refuse(400, "AccessDeniedException"), kinesis.ErrDenied},
		{"a key", refuse(400, "KMSAccessDeniedException"), kinesis.ErrKey},
		{"a failure", refuse(500, "InternalFailure"), kinesis.ErrUnavailable},
		{"a proxy", page(502), kinesis.ErrUnavailable},
		{"a proxy that says all is well", page(200), kinesis.ErrUnavailable},
		{"a lost request", lose, kinesis.ErrUnavailable},
		{"a lost answer", cut, kinesis.ErrUnavailable},
	}
}

// faulty reads after each fault of an operation. prepare is called before it.
func (b *bench) faulty(ctx context.Context, operation string, faults []fault, prepare func(subject)) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	r := s.from(begin)
	var errs []error
	for i, f := range faults {
		if _, err := b.put(ctx, s.name, fmt.Sprint("r", i, "-"), 2, lowKey); err != nil {
			return err
		}
		prepare(s)
		s.net.set(operation, f.answer)
		made := s.net.made(operation)
		_, err := r.Next(ctx)
		errs = append(errs, is(f.what, err, f.means))
		if n := s.net.made(operation) - made; n != 1 {
			errs = append(errs, fmt.Errorf("%s: %d requests, want one", f.what, n))
		}
		if !r.Due().After(time.Now()) {
			errs = append(errs, fmt.Errorf("%s: the next read is due at once", f.what))
		}
		errs = append(errs, brings(ctx, "after "+f.what, r, series(fmt.Sprint("r", i, "-"), 0, 2)))
	}
	var want kinesis.Stats
	for _, f := range faults {
		switch {
		case errors.Is(f.means, kinesis.ErrThrottled):
			want.Throttled++
		case errors.Is(f.means, kinesis.ErrUnavailable):
			want.Unavailable++
		}
	}
	if got := r.Stats(); got.Throttled != want.Throttled || got.Unavailable != want.Unavailable {
		errs = append(errs, fmt.Errorf("counted %+v, want %+v", got, want))
	}
	return errors.Join(errs...)
}

func faultsLoseNothing(ctx context.Context, b *bench) error {
	return b.faulty(ctx, "GetRecords", faults(), func(subject) {})
}

func iteratorFaults(ctx context.Context, b *bench) error {
	some := slices.DeleteFunc(faults(), func(f fault) bool {
		return !slices.Contains([]string{"a limit", "a proxy", "a lost answer"}, f.what)
	})
	return b.faulty(ctx, "GetShardIterator", some, func(s subject) {
		s.net.set("GetRecords", refuse(400, "ExpiredIteratorException"))
	})
}

func expiryReplaced(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	r := s.from(begin)
	var errs []error
	for i := range 4 {
		prefix := fmt.Sprint("r", i, "-")
		if _, err := b.put(ctx, s.name, prefix, 2, lowKey); err != nil {
			return err
		}
		s.net.set("GetRecords", refuse(400, "ExpiredIteratorException"))
		errs = append(errs, brings(ctx, prefix, r, series(prefix, 0, 2)))
	}
	if got := r.Stats(); got.Expired != 4 || got.Unavailable != 0 {
		errs = append(errs, fmt.Errorf("counted %+v", got))
	}
	return errors.Join(errs...)
}

func expiryByAge(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	r, _, err := b.readingOne(ctx, s)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "new", 2, lowKey); err != nil {
		return err
	}
	b.advance(5*time.Minute + time.Second)
	err = brings(ctx, "after five minutes", r, series("new", 0, 2))
	if got := r.Stats(); got.Expired != 1 {
		err = errors.Join(err, fmt.Errorf("counted %+v", got))
	}
	return err
}
