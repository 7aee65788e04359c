package sizing

import "math"

func ceil(x float64) float64 { return math.Ceil(x) }

// Limit is something that a pipeline can reach as traffic grows.
type Limit struct {
	Name string
	// Most is how much there is, of what Of takes of a need.
	Most float64
	Of   func(Need) float64
	// Remedy is what to do then.
	Remedy string
}

// Limits are those that are met first. Quotas are defaults, most of which can be raised.
var Limits = []Limit{
	{"one shard: 1 MB/s in", shardBytesIn, func(n Need) float64 { return n.Stored }, "more shards, or a stream on demand; one log stream cannot have more, since `ByLogStream` puts it into one shard"},
	{"one worker of 1 vCPU, half of it for what was not measured", 1 / Assumed.CPUFactor, func(n Need) float64 { return n.Text / Measured.WorkerText }, "workers are added by themselves"},
	{"an API that takes 10 requests a second", 10, func(n Need) float64 { return n.Batches }, "larger `batch_max_bytes`, if the API takes them"},
	{"one Temporal server on one core, with SQLite as in `go run ./dev`", 1, func(n Need) float64 { return n.TemporalCPU }, "larger windows, Temporal with a database that scales, or Temporal Cloud"},
	{"500 actions a second, where a namespace of Temporal Cloud begins", 500, func(n Need) float64 { return n.Actions }, "larger windows; the limit grows with use, or with provisioned capacity"},
	{"3,500 writes a second to a prefix in S3, before S3 divides it", 3500, func(n Need) float64 { return n.Puts }, "larger `batch_max_bytes`; S3 divides what is written to often, and answers 503 until then, which is retried"},
	{"1,000 shards, half used, the quota of many regions", 1000, func(n Need) float64 { return n.Shards }, "ask for more, or several streams with a pipeline each"},
}

// Reached is at how many events a second the limit is reached, to three digits.
func (m Model) Reached(l Limit, like Traffic, s Settings) float64 {
	low, high := 1.0, 1e9
	for high/low > 1.0005 {
		middle := math.Sqrt(low * high)
		like.Events = middle
		if l.Of(m.Need(like, s)) > l.Most {
			high = middle
		} else {
			low = middle
		}
	}
	digits := math.Pow(10, math.Floor(math.Log10(low))-1)
	return math.Round(low/digits) * digits
}
