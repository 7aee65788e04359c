package apigateway

import (
	"testing"
	"time"
)

const timeLayout = `"2006-01-02T15:04:05.000Z"`

// TestAppendTime tries every day that can be written, each at another time.
func TestAppendTime(t *testing.T) {
	t.Parallel()
	const step = 24*60*60*1000 + 61_001
	for millis := int64(0); millis < 253402300800000; millis += step {
		requireTime(t, millis)
	}
	for _, millis := range []int64{-1, 253402300799999, 253402300800000, 1 << 50} {
		requireTime(t, millis)
	}
}

func requireTime(t *testing.T, millis int64) {
	t.Helper()
	want := time.UnixMilli(millis).UTC().Format(timeLayout)
	if got := string(appendTime(nil, millis)); got != want {
		t.Fatalf("%d is %s, want %s", millis, got, want)
	}
}
