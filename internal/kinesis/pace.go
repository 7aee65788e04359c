package kinesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// ReadInterval is the shortest time between two reads of a shard: Kinesis allows
	// five a second, shared by all who read it.
	ReadInterval = 200 * time.Millisecond
	// readBytesPerSecond is what a shard gives in a second, 2 MiB by its limit, taken a
	// little lower. One answer may hold 10 MiB; whoever reads again before five seconds
	// have passed is throttled.
	readBytesPerSecond = 2_000_000
	// idleLongest is the longest time between two reads at the tip of a shard,
	// unless ReaderOptions say otherwise.
	idleLongest = time.Second

	// A throttled reader waits about throttleShortest at first and throttleLongest in
	// the end. The limit is shared, so a success only halves the wait.
	throttleShortest = 400 * time.Millisecond
	throttleLongest  = 10 * time.Second
	// After any other fault the wait grows from outageShortest to outageLongest, and a
	// success ends it.
	outageShortest = ReadInterval
	outageLongest  = 5 * time.Second
)

// pace decides when a shard may be read next.
type pace struct {
	longestIdle time.Duration

	due      time.Time
	idle     time.Duration // between the last reads at the tip, 0 after others
	throttle time.Duration // the wait that limits have brought about, 0 where none
	outage   time.Duration // the same of other faults
}

func newPace(longestIdle time.Duration) pace {
	if longestIdle == 0 {
		longestIdle = idleLongest
	}
	return pace{longestIdle: longestIdle}
}

// answered sets when to read after a read that was begun then has been answered.
func (p *pace) answered(begun time.Time, b Batch) {
	p.outage = 0
	if p.throttle /= 2; p.throttle < ReadInterval {
		p.throttle = 0
	}
	interval := max(ReadInterval, p.throttle, time.Duration(b.Bytes)*time.Second/readBytesPerSecond)
	if b.Behind > 0 {
		p.idle = 0
	} else {
		// With or without records: what comes to the tip can wait as long as a record can
		// that comes to a quiet shard, and others want to read the shard, too. The shards
		// of a process come to rest at different times, and the jitter of the first wait
		// doubles with it: they do not read in step.
		p.idle = min(max(2*p.idle, shortIdle()), p.longestIdle)
		interval = max(interval, p.idle)
	}
	p.due = begun.Add(interval)
}

// shortIdle is the first wait at the tip of a shard.
func shortIdle() time.Duration { return ReadInterval + rand.N(ReadInterval/4) }

// failed sets when to read after a read has failed.
func (p *pace) failed(err error) {
	var wait time.Duration
	if errors.Is(err, ErrThrottled) {
		p.throttle = min(max(2*p.throttle, throttleShortest), throttleLongest)
		wait = p.throttle
	} else {
		p.outage = min(max(2*p.outage, outageShortest), outageLongest)
		wait = p.outage
	}
	// All shards of a stream fail at once, and must not come back at once.
	p.due = time.Now().Add(max(wait-rand.N(wait/4), ReadInterval))
}

// wait waits until the next read is due.
func (p *pace) wait(ctx context.Context) error {
	if wait := time.Until(p.due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
