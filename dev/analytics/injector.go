package analytics

import (
	"bytes"
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// injector decides which requests meet a fault. The n-th request of a server with
// the same seed and faults gets the same decisions.
type injector struct {
	mu      sync.Mutex
	faults  Faults
	armed   time.Time // outages are counted from here
	random  *rand.Rand
	tokens  *rand.Rand // apart, so that token requests do not shift ingest decisions
	answers *rand.Rand // apart for the same reason
	allowed float64    // requests that the rate limit still lets through
	refill  time.Time
}

// decision is what one request meets. Where several apply, the handler takes the
// first: outage, too many requests, server error, and at the end the lost answer.
type decision struct {
	wait        time.Duration
	outage      *Outage
	serverError int // status; 0 is none
	tooMany     bool
	lostAnswer  bool
	answer      answerFault
	retryAfter  time.Duration
	faults      Faults // in force when it was taken
}

func newInjector(seed uint64, f Faults, now time.Time) *injector {
	i := &injector{random: rand.New(rand.NewPCG(seed, 1)), tokens: rand.New(rand.NewPCG(seed, 2)), answers: rand.New(rand.NewPCG(seed, 3))}
	i.set(f, now, true)
	return i
}

// set puts faults in force. Outages count from now where rearm is set, else from
// when they were set before.
func (i *injector) set(f Faults, now time.Time, rearm bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if f.RateLimit != i.faults.RateLimit {
		i.allowed, i.refill = max(1, f.RateLimit), now
	}
	i.faults = f
	if rearm {
		i.armed = now
	}
}

func (i *injector) current() Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

func (i *injector) outage(now time.Time) *Outage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.outageLocked(now)
}

func (i *injector) outageLocked(now time.Time) *Outage {
	since := now.Sub(i.armed)
	for n, o := range i.faults.Outages {
		if since >= o.After && since < o.After+o.For {
			return &i.faults.Outages[n]
		}
	}
	return nil
}

func (i *injector) ingest(now time.Time) decision {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.faults
	// Each request draws the same number of values, whatever the faults: changing
	// one fault leaves the decisions on the others as they were.
	jitter, fail, many, lost := i.random.Float64(), i.random.Float64(), i.random.Float64(), i.random.Float64()
	answer := i.answers.Float64()
	d := decision{
		wait:       f.Latency + time.Duration(jitter*float64(f.Jitter)),
		outage:     i.outageLocked(now),
		tooMany:    many < f.TooManyRequests,
		lostAnswer: lost < f.LostAnswers,
		retryAfter: retryAfter(f),
		faults:     f,
	}
	switch {
	case answer < f.Drips:
		d.answer = drips
	case answer < f.Drips+f.HugeAnswers:
		d.answer = isHuge
	case answer < f.Drips+f.HugeAnswers+f.ClosedAnswers:
		d.answer = closes
	}
	if fail < f.ServerErrors {
		d.serverError = 500
		if f.ServerErrorStatus != 0 {
			d.serverError = f.ServerErrorStatus
		}
	}
	if d.outage == nil && f.RateLimit > 0 {
		i.allowed = min(max(1, f.RateLimit), i.allowed+now.Sub(i.refill).Seconds()*f.RateLimit)
		i.refill = now
		if i.allowed < 1 {
			d.tooMany = true
			untilNext := time.Duration(math.Ceil((1 - i.allowed) / f.RateLimit * float64(time.Second)))
			d.retryAfter = max(d.retryAfter, untilNext)
		} else {
			i.allowed--
		}
	}
	return d
}

func (i *injector) token(now time.Time) decision {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.faults
	jitter, fail := i.tokens.Float64(), i.tokens.Float64()
	d := decision{
		wait:       f.Latency + f.TokenLatency + time.Duration(jitter*float64(f.Jitter)),
		outage:     i.outageLocked(now),
		retryAfter: retryAfter(f),
		faults:     f,
	}
	if fail < f.TokenErrors {
		d.serverError = 503
	}
	return d
}

func retryAfter(f Faults) time.Duration {
	if f.RetryAfter == 0 {
		return time.Second
	}
	return f.RetryAfter
}

// refuses reports whether the body is among those refused for good. The choice
// hangs on the body alone, so that a retry meets it again.
func (f Faults) refuses(body []byte) bool {
	if f.RefuseMatch != "" && bytes.Contains(body, []byte(f.RefuseMatch)) {
		return true
	}
	return chosen(f.Refusals, body)
}

// chosen reports whether the text is among that share of all texts.
func chosen(share float64, text ...[]byte) bool {
	if share == 0 {
		return false
	}
	h := fnv.New64a()
	for _, t := range text {
		h.Write(t)
	}
	return float64(mix(h.Sum64()))/(1<<64) < share
}

// mix spreads the bits of a hash, since the high ones of FNV vary little between
// bodies that differ at their end only. It is the finaliser of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// pause waits, and reports whether the request is still wanted.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
