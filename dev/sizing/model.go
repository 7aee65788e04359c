package sizing

import "math"

// Traffic is what the pipeline has to take.
type Traffic struct {
	// Events are log events a second.
	Events float64
	// EventsPerRecord is how many CloudWatch Logs puts into one record. It goes by how much one log stream has at once.
	EventsPerRecord float64
	// StoredPerEvent is an event's share of a record as stored, in bytes: small records compress worse.
	StoredPerEvent float64
}

// Settings are those of the pipeline that cost depends on.
type Settings struct {
	WindowMaxBytes float64 // as stored
	WindowMaxAge   float64 // seconds
	BatchMaxBytes  float64
	Gzip           bool
}

// Defaults are the defaults of the settings.
var Defaults = Settings{WindowMaxBytes: 1e6, WindowMaxAge: 60, BatchMaxBytes: 1e6}

// Figures were measured, for JSON access logs.
type Figures struct {
	TextPerEvent      float64 // bytes of log text
	DeliveredPerEvent float64 // bytes of JSON
	GzipRatio         float64 // of batches

	WorkerText     float64 // bytes of log text per CPU-second
	WorkerTextGzip float64 // the same where batches are compressed
	StarterText    float64 // the same

	// Temporal's CPU-seconds for a window: of its own, and for each batch.
	TemporalWindow, TemporalBatch float64
	// Bytes of a window's history: of its own, and for each batch.
	HistoryWindow, HistoryBatch float64
	// ActionsPerWindow as Temporal Cloud bills them; small windows take 5.0.
	ActionsPerWindow float64
	// WindowFill and BatchFill are how full they get, as a share of what they may have.
	WindowFill, BatchFill float64
}

// Measured is what docs/performance.md has, and runs of dev bench of the same day where it does not: 1,000,000 events in
// windows of 15.8 batches; 200,000 in windows of 1.15 (--window-bytes 60kB), by which a batch's share of Temporal is told apart; and
// 200,000 with batch_compression gzip.
var Measured = Figures{
	TextPerEvent: 416, DeliveredPerEvent: 1174, GzipRatio: 0.12,
	WorkerText: 53e6, WorkerTextGzip: 44e6, StarterText: 831e6,
	TemporalWindow: 0.0323, TemporalBatch: 0.0006,
	HistoryWindow: 4_700, HistoryBatch: 560,
	ActionsPerWindow: 5.2,
	WindowFill:       0.96, BatchFill: 0.97,
}

// Assumptions were not measured.
type Assumptions struct {
	// CPUFactor is for what the measurements leave out: S3 rather than a directory, TLS, and another processor.
	CPUFactor float64
	// TaskUse and ShardUse are the shares of tasks and shards that are to be used, the rest is room for peaks.
	TaskUse, ShardUse float64
	// ReadBack is the share of batches that are read from the stage for their first delivery.
	ReadBack float64
	// RetentionHours is how long Temporal keeps the histories of windows.
	RetentionHours float64
	// WorkerCPU, StarterCPU in vCPU, WorkerMemory, StarterMemory in GB are those of one task; MinTasks the least of each.
	WorkerCPU, WorkerMemory, StarterCPU, StarterMemory float64
	MinTasks                                           float64
	ShardsPerStarter                                   float64
}

// Assumed are the defaults of deploy/cloudformation/pipeline.yaml, and guesses on the safe side.
var Assumed = Assumptions{
	CPUFactor: 2, TaskUse: 0.6, ShardUse: 0.5, ReadBack: 1, RetentionHours: 72,
	WorkerCPU: 1, WorkerMemory: 2, StarterCPU: 0.5, StarterMemory: 1, MinTasks: 2, ShardsPerStarter: 64,
}

// Actions beside windows, a second: a heartbeat of each shard's poll in 80 % of the default heartbeat_timeout of 15 s, a
// lease in 4.75 minutes (poll_lease, or up to a tenth less), and the listing of the shards with its timer, once a minute.
const (
	heartbeats = 1 / 12.0
	leases     = 1 / 285.0
	listings   = 2 / 60.0
)

// markers are written to the stage by each shard, a second.
const markers = 1 / 30.0

// Limits of AWS.
const (
	shardBytesIn   = 1e6 // a second
	shardRecordsIn = 1000
)

// Need is what it takes. Rates are by the second.
type Need struct {
	Text, Stored, Delivered float64 // bytes
	Records                 float64

	Shards           float64
	Windows, Batches float64 // batches are requests to the destination, too
	Actions          float64
	TemporalCPU      float64 // CPU-seconds
	Retained         float64 // bytes of history that Temporal keeps

	Puts, Gets        float64 // requests to S3
	Starters, Workers float64 // tasks
}

// Model puts together what needs are computed from.
type Model struct {
	Figures     Figures
	Assumptions Assumptions
}

// Need computes what the traffic takes.
func (m Model) Need(t Traffic, s Settings) Need {
	f, a := m.Figures, m.Assumptions
	n := Need{Text: t.Events * f.TextPerEvent, Stored: t.Events * t.StoredPerEvent, Records: t.Events / t.EventsPerRecord}
	json := t.Events * f.DeliveredPerEvent
	n.Delivered = json
	if s.Gzip {
		n.Delivered *= f.GzipRatio
	}
	n.Shards = math.Max(1, math.Ceil(max(n.Stored/shardBytesIn, n.Records/shardRecordsIn)/a.ShardUse))

	// Each shard closes a window when it is full, or old.
	full := f.WindowFill * s.WindowMaxBytes / (n.Stored / n.Shards)
	n.Windows = n.Shards / min(full, s.WindowMaxAge)
	perWindow := max(1, json/n.Windows/(f.BatchFill*s.BatchMaxBytes))
	n.Batches = n.Windows * perWindow

	n.Actions = n.Windows*f.ActionsPerWindow + n.Shards*(heartbeats+leases) + listings
	n.TemporalCPU = n.Windows * (f.TemporalWindow + perWindow*f.TemporalBatch)
	n.Retained = n.Windows * (f.HistoryWindow + perWindow*f.HistoryBatch) * a.RetentionHours * 3600

	n.Puts = n.Windows + n.Batches + n.Shards*markers
	n.Gets = n.Windows + n.Batches*a.ReadBack

	tasks := func(text, cpu float64) float64 {
		return max(a.MinTasks, math.Ceil(n.Text/text*a.CPUFactor/(cpu*a.TaskUse)))
	}
	n.Workers = tasks(f.WorkerText, a.WorkerCPU)
	if s.Gzip {
		n.Workers = tasks(f.WorkerTextGzip, a.WorkerCPU)
	}
	n.Starters = max(tasks(f.StarterText, a.StarterCPU), math.Ceil(n.Shards/a.ShardsPerStarter))
	return n
}
