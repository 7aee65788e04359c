// The race detector takes memory of its own, and twenty times as long.
//go:build !race

package apigateway

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// What formatting needs in memory does not depend on what is formatted: a window of 1 MB
// that inflates to 60 MB needs less than 64 MB, whatever it inflates to.
//
//nolint:paralleltest // what other tests need would be counted
func TestMemory(t *testing.T) {
	const inflated, most = 60 << 20, 64 << 20
	const head = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":%q,"logStream":"s","subscriptionFilters":[],"logEvents":[`
	const unowned = `{"messageType":"DATA_MESSAGE","logGroup":%q,"logStream":"s","subscriptionFilters":[],"logEvents":[`
	body := func(i int, text string) string {
		return fmt.Sprintf("(%08d-afe6-11e8-b7eb-8d53f824f304) Method request body before transformations: %s", i, text)
	}
	long := strings.Repeat("x", 900)
	for name, c := range map[string]struct {
		group, head string
		message     func(i int) string
		reason      string // of what is quarantined
	}{
		"access logs":             {group, head, accessLine, ""},
		"requests":                {executionGroup, head, func(i int) string { return body(i, long) }, ""},
		"lines of one request":    {executionGroup, head, func(int) string { return body(1, long) }, ""},
		"events of a batch each":  {group, head, func(int) string { return strings.Repeat("y", 900_000) }, ""},
		"events of many batches":  {group, head, func(int) string { return `{"a":"` + strings.Repeat("token=4711 ", 300_000) + `"}` }, "event_too_large"},
		"lines of many batches":   {executionGroup, head, func(i int) string { return body(i, strings.Repeat("token=4711 ", 300_000)) }, "event_too_large"},
		"one event":               {group, head, func(int) string { return strings.Repeat("token=4711 ", inflated/11) }, "value_limit"},
		"events before the owner": {group, unowned, accessLine, "value_limit"},
	} {
		t.Run(name, func(t *testing.T) {
			var stored bytes.Buffer
			z := gzip.NewWriter(&stored)
			fmt.Fprintf(z, c.head, c.group)
			size := 0
			for i := 0; size < inflated; i++ {
				message := quote(c.message(i))
				if size += len(message) + 100; i > 0 {
					fmt.Fprint(z, ",")
				}
				fmt.Fprintf(z, `{"id":"%056d","timestamp":1725544035523,"message":%s}`, i, message)
			}
			fmt.Fprint(z, `],"owner":"123456789012"}`)
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			formatter, err := New(Options{Redactor: newRedactor(t), MaxInflateRatio: 2000})
			if err != nil {
				t.Fatal(err)
			}
			var summary Summary
			peak := peakOfHeap(func() {
				summary, err = formatter.Format(t.Context(), sequence(record(stored.Bytes())), discard{})
			})
			if err != nil {
				t.Fatal(err)
			}
			if (c.reason == "") != (summary.Quarantined == 0) || summary.Quarantined != summary.Reasons[c.reason] || summary.Events == 0 && c.reason == "" {
				t.Errorf("%+v", summary)
			}
			if peak > most {
				t.Errorf("%d bytes of heap for a record of %d bytes", peak, stored.Len())
			}
			t.Logf("%d MB of heap", peak>>20)
		})
	}
}

// peakOfHeap is how many bytes of heap are in use while f runs, at most, beyond those
// that are before.
func peakOfHeap(f func()) int64 {
	inUse := func() int64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapInuse)
	}
	runtime.GC()
	runtime.GC() // for what pools hold
	before := inUse()
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		most := before
		for {
			most = max(most, inUse())
			select {
			case <-done:
				peak <- most - before
				return
			case <-ticker.C:
			}
		}
	}()
	f()
	close(done)
	return <-peak
}
