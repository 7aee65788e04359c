package limit_test

import (
	"testing"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/limit"
)

func TestTakeRefillsByTheClock(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	b := limit.PerSecond(5)
	for i := range 5 {
		if !b.Take(now, 1) {
			t.Fatalf("take %d of 5 refused", i+1)
		}
	}
	if b.Take(now, 1) {
		t.Fatal("a sixth in the same second was admitted")
	}
	if !b.Take(now.Add(200*time.Millisecond), 1) {
		t.Fatal("nothing refilled after a fifth of a second")
	}
	if b.Take(now, 1) {
		t.Fatal("a clock that goes back refilled the bucket")
	}
}

func TestChargeLeavesADebt(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	b := limit.PerSecond(2)
	if !b.Open(now) {
		t.Fatal("a full bucket is not open")
	}
	b.Charge(now, 10)
	if b.Open(now.Add(4 * time.Second)) {
		t.Fatal("open although the debt of four seconds is only just paid")
	}
	if !b.Open(now.Add(4100 * time.Millisecond)) {
		t.Fatal("closed after the debt was paid")
	}
}

func TestZeroAndNilAdmitEverything(t *testing.T) {
	t.Parallel()
	var nilBucket *limit.Bucket
	for _, b := range []*limit.Bucket{nilBucket, {}} {
		b.Charge(time.Now(), 1e9)
		if !b.Take(time.Now(), 1e9) || !b.Open(time.Now()) {
			t.Fatal("an unlimited bucket refused")
		}
	}
}
