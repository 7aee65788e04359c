package compose

import (
	"slices"
	"time"
)

// delivery is a log event that has arrived at the API.
type delivery struct {
	put
	received time.Time
}

// pause is a time in which nothing of a shard arrived at the API, although something was in the stream.
type pause struct {
	Shard string
	Ended time.Time
	Took  time.Duration
}

// longestPause finds the longest pause of any shard that ended between two times. A shard on its own cannot hide behind
// the others. What a window waits for on purpose is part of it.
func longestPause(deliveries []delivery, from, to time.Time) pause {
	shards := map[string][]delivery{}
	for _, d := range deliveries {
		shards[d.shard] = append(shards[d.shard], d)
	}
	var longest pause
	for shard, events := range shards {
		slices.SortFunc(events, func(a, b delivery) int { return a.received.Compare(b.received) })
		// oldest[i] is the first arrival among the events from i on.
		oldest := make([]time.Time, len(events))
		for i := len(events) - 1; i >= 0; i-- {
			oldest[i] = events[i].arrived
			if i+1 < len(events) && oldest[i+1].Before(oldest[i]) {
				oldest[i] = oldest[i+1]
			}
		}
		for i := 1; i < len(events); i++ {
			began, ended := events[i-1].received, events[i].received
			if oldest[i].After(began) {
				began = oldest[i]
			}
			if took := ended.Sub(began); took > longest.Took && ended.After(from) && ended.Before(to) {
				longest = pause{Shard: shard, Ended: ended, Took: took}
			}
		}
	}
	return longest
}
