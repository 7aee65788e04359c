package sizing

// Prices are in US dollars. Look yours up: they differ by region, and change.
type Prices struct {
	Region, LookedUp string

	ShardHour, PayloadUnits               float64 // a shard for an hour; a million units of 25 KB that are put
	OnDemandHour, OnDemandIn, OnDemandOut float64 // a stream for an hour, a GB in, a GB out
	CPUHour, MemoryHour                   float64 // of Fargate on ARM: a vCPU, a GB
	Put, Get                              float64 // 1,000 requests to S3
	LogIn                                 float64 // a GB into CloudWatch Logs
	Metric, Alarm, Dashboard, Key         float64 // a month of one
	NATHour, NAT                          float64 // a NAT gateway for an hour, a GB through it
	Out                                   []Tier  // a GB to the internet
	Actions                               []Tier  // a million actions of Temporal Cloud
	RetainedHour                          float64 // a GB of history for an hour
}

// Tier is a price up to an amount in a month; without one for all that is more.
type Tier struct{ UpTo, Price float64 }

// Listed are list prices for us-east-1, those of Temporal Cloud for its Business plan, without its support fee and without
// what it includes. Above 200 million actions a month Temporal has no list price: the last one is taken.
var Listed = Prices{
	Region: "us-east-1", LookedUp: "30 November 2026",
	ShardHour: 0.015, PayloadUnits: 0.014, OnDemandHour: 0.04, OnDemandIn: 0.08, OnDemandOut: 0.04,
	CPUHour: 0.03238, MemoryHour: 0.00356,
	Put: 0.005, Get: 0.0004,
	LogIn: 0.50, Metric: 0.30, Alarm: 0.10, Dashboard: 3, Key: 1,
	NATHour: 0.045, NAT: 0.045,
	Out:          []Tier{{10e3, 0.09}, {50e3, 0.085}, {150e3, 0.07}, {0, 0.05}},
	Actions:      []Tier{{5, 50}, {10, 45}, {20, 40}, {50, 35}, {100, 30}, {0, 25}},
	RetainedHour: 0.00105,
}

// Lengths of a month.
const (
	hours   = 730.0
	seconds = hours * 3600
)

// What pipeline.yaml has of each, and ingest.yaml of keys.
const (
	metricsMade, alarmsMade, keysMade = 9, 10, 2
	natGateways                       = 2
	lineBytes                         = 600 // of the log line for a window, with what CloudWatch Logs adds
)

// Cost is what a month costs, in US dollars.
type Cost struct {
	Kinesis, OnDemand float64 // with provisioned shards; if it were on demand
	Fargate           float64
	Stage             float64 // requests to S3
	Temporal          float64 // Temporal Cloud: actions and histories
	Watching          float64 // logs, metrics, alarms, keys
	Total             float64 // of these, without OnDemand
	NAT               float64 // if the destination is reached through NAT gateways
	Out               float64 // if it is reached over the internet
	LogsIn            float64 // what CloudWatch Logs takes for the log text, with or without the pipeline
}

// Cost computes what a need costs.
func (m Model) Cost(n Need, p Prices) Cost {
	a := m.Assumptions
	const gb, million = 1e9, 1e6
	units := n.Records * max(1, ceil(n.Stored/n.Records/25e3))
	c := Cost{
		Kinesis:  n.Shards*p.ShardHour*hours + units*seconds/million*p.PayloadUnits,
		OnDemand: p.OnDemandHour*hours + n.Stored*seconds/gb*(p.OnDemandIn+p.OnDemandOut),
		Fargate: hours * (n.Workers*(a.WorkerCPU*p.CPUHour+a.WorkerMemory*p.MemoryHour) +
			n.Starters*(a.StarterCPU*p.CPUHour+a.StarterMemory*p.MemoryHour)),
		Stage:    seconds / 1000 * (n.Puts*p.Put + n.Gets*p.Get),
		Temporal: tiered(p.Actions, n.Actions*seconds/million) + n.Retained/gb*hours*p.RetainedHour,
		Watching: n.Windows*lineBytes*seconds/gb*p.LogIn + metricsMade*p.Metric + alarmsMade*p.Alarm + p.Dashboard + keysMade*p.Key,
		NAT:      natGateways*hours*p.NATHour + n.Delivered*seconds/gb*p.NAT,
		Out:      tiered(p.Out, n.Delivered*seconds/gb),
		LogsIn:   n.Text * seconds / gb * p.LogIn,
	}
	c.Total = c.Kinesis + c.Fargate + c.Stage + c.Temporal + c.Watching
	return c
}

// tiered is the price of an amount, each part of it by its own tier.
func tiered(tiers []Tier, amount float64) (price float64) {
	from := 0.0
	for _, t := range tiers {
		upTo := t.UpTo
		if upTo == 0 || upTo > amount {
			upTo = amount
		}
		if upTo > from {
			price += (upTo - from) * t.Price
			from = upTo
		}
	}
	return price
}
