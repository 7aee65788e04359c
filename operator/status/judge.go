package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// assemble puts the report together.
func (g *gathered) assemble() {
	r := &g.report
	r.Windows, r.Oldest = g.windows.totals, g.windows.oldest
	r.Token, r.Throughput = g.tokenReport(), g.flushes.throughput
	held := map[string]int{}
	for i := range g.shards {
		s := &g.shards[i]
		s.Open, s.Parked, s.Retrying = 0, 0, 0
		if counts := g.windows.byShard[s.ID]; counts != nil {
			s.Open, s.Parked, s.Retrying = counts.Open, counts.Parked, counts.Retrying
		}
		if at, known := g.flushes.last[s.ID]; known {
			s.LastFlush = &at
		}
		if s.Owner != "" {
			held[s.Owner]++
			r.Shards.Held++
		}
		r.Shards.Rows = append(r.Shards.Rows, s.Shard)
		g.seen[s.ID] = *s
	}
	now := g.now.Add(-g.ownAhead())
	r.Starters, r.Workers = processes(g.queues.starters, held, now), processes(g.queues.workers, nil, now)
	r.Incomplete = append(r.Incomplete, g.incomplete...)
}

// judge names what is wrong, and sums it up.
func (g *gathered) judge() {
	g.judgeProcesses()
	g.judgePauses()
	g.judgeShards()
	g.judgeToken()
	g.judgeWindows()
	g.judgeLateness()
	g.judgeClocks()
	g.judgeQuarantine()
	rank := []Severity{Blocked, Late, Warning}
	slices.SortStableFunc(g.report.Problems, func(a, b Problem) int {
		return cmp.Compare(slices.Index(rank, a.Severity), slices.Index(rank, b.Severity))
	})
	g.report.Health = Healthy
	if len(g.report.Problems) > 0 {
		switch g.report.Problems[0].Severity {
		case Blocked:
			g.report.Health = Stuck
		case Late:
			g.report.Health = Behind
		case Warning:
		}
	}
	if g.report.Health == Healthy && len(g.report.Incomplete) > 0 {
		g.report.Health = Unknown
	}
}

func (g *gathered) add(p Problem) {
	if p.Next == nil {
		p.Next = []string{}
	}
	g.report.Problems = append(g.report.Problems, p)
}

// ownAhead is by how much the clock of this process is ahead of Temporal's at least, as far
// as that can be told: no heartbeat and no poll comes from the future, and a lease that runs
// was heard of within its timeout.
func (g *gathered) ownAhead() time.Duration {
	var latest time.Time
	for _, of := range []map[string]time.Time{g.queues.starters, g.queues.workers} {
		for _, at := range of {
			latest = maxTime(latest, at)
		}
	}
	stale := time.Duration(0)
	for _, s := range g.shards {
		if !s.fresh || s.Owner == "" {
			continue
		}
		latest = maxTime(latest, s.heartbeat)
		if s.silence > 0 {
			silent := g.now.Sub(s.heartbeat) - s.silence
			if stale == 0 || silent < stale {
				stale = silent
			}
		}
	}
	if latest.After(g.now) {
		return g.now.Sub(latest)
	}
	return max(0, stale)
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// judgeProcesses finds out whether anybody does the work.
func (g *gathered) judgeProcesses() {
	now := g.now.Add(-g.ownAhead())
	var unowned []shard
	for _, s := range g.shards {
		if s.State == ShardUnowned {
			unowned = append(unowned, s)
		}
	}
	starts, lastStarter := alive(g.queues.starters, now)
	switch {
	case g.report.Shards.Held == 0 && len(unowned) > 0, g.queues.startersAsked && !starts && g.report.Shards.Held == 0:
		p := Problem{
			Code: CodeNoStarter, Severity: Blocked, Count: int64(len(unowned)),
			Summary: fmt.Sprintf("no starter polls task queue %s: nothing is read from the stream", window.StarterQueue(g.pipeline)), Detail: seen("starter", lastStarter),
			Advice: "start one, or look why it ended; Kinesis keeps the records meanwhile, for as long as the retention of the stream",
			Next:   []string{"logpipe starter"},
		}
		for _, s := range unowned {
			if p.Since == nil || s.unownedSince.Before(*p.Since) {
				p.Since = timeOrNil(s.unownedSince)
			}
		}
		g.add(p)
	case len(unowned) > 0:
		p := Problem{
			Code: CodeNoSlot, Severity: Blocked, Count: int64(len(unowned)), Summary: fmt.Sprintf("%s: no starter takes it, though others are read", named(unowned)),
			Advice: "all starters hold as many shards as max_shards allows: start more of them, or raise it", Next: []string{"logpipe starter"},
		}
		p.Shards = ids(unowned)
		p.Since = timeOrNil(unowned[0].unownedSince)
		g.add(p)
	}
	works, lastWorker := alive(g.queues.workers, now)
	if g.queues.workersAsked && !works || g.pendings && g.token.from == fromHistory {
		g.add(Problem{
			Code: CodeNoWorker, Severity: Blocked, Count: g.windows.totals.Open,
			Summary: fmt.Sprintf("no worker polls task queue %s: nothing is delivered", window.WorkerQueue(g.pipeline)), Detail: seen("worker", lastWorker),
			Advice: "start one, or look why it ended; what was read waits in the stage", Next: []string{"logpipe worker"},
		})
	}
}

func seen(who string, last time.Time) string {
	if last.IsZero() {
		return "none was seen in the last minutes"
	}
	return fmt.Sprintf("the last %s asked for work at %s", who, last.UTC().Format(time.RFC3339))
}

func (g *gathered) judgePauses() {
	if why := g.report.PausedReading; why != "" {
		g.add(Problem{Code: CodePausedReading, Severity: Late, Summary: "reading is paused by an operator", Detail: why, Advice: "resume it when the reason is over", Next: []string{"logpipe resume reading"}})
	}
	if why := g.report.PausedDelivery; why != "" {
		g.add(Problem{Code: CodePausedDeliver, Severity: Late, Summary: "delivery is paused by an operator", Detail: why, Advice: "resume it when the reason is over", Next: []string{"logpipe resume delivery"}})
	}
}

// ids are those of shards, as many as a person reads.
func ids(of []shard) []string {
	var out []string
	for _, s := range of {
		if len(out) == 50 {
			break
		}
		out = append(out, s.ID)
	}
	return out
}

// named is what a person calls some shards.
func named(of []shard) string {
	switch all := ids(of); {
	case len(of) == 1:
		return "shard " + all[0]
	case len(of) <= 4:
		return "shards " + strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
	default:
		return fmt.Sprintf("%d shards (%s, …)", len(of), strings.Join(all[:3], ", "))
	}
}

func (g *gathered) judgeShards() {
	failing, waiting := map[string][]shard{}, map[workflows.WaitingFor][]shard{}
	var stopped []shard
	for _, s := range g.shards {
		switch s.State {
		case ShardFailing:
			failing[s.failure.kind] = append(failing[s.failure.kind], s)
		case ShardWaiting:
			waiting[s.waits] = append(waiting[s.waits], s)
		case ShardGap:
			stopped = append(stopped, s)
		case ShardReading, ShardStarting, ShardUnowned:
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(failing)) {
		of := failing[kind]
		p := g.problem(of[0].failure, named(of))
		p.Count, p.Shards = int64(len(of)), ids(of)
		g.add(p)
	}
	for _, what := range slices.Sorted(maps.Keys(waiting)) {
		if what == "" && g.report.PausedReading != "" {
			continue // that is why
		}
		g.add(g.waits(what, waiting[what]))
	}
	for _, f := range g.listing {
		g.add(g.problem(f, "the shards cannot be listed"))
	}
	if len(stopped) > 0 {
		p := Problem{Code: CodeGapStopped, Severity: Blocked, Count: int64(len(stopped)), Shards: ids(stopped), Summary: named(stopped) + ": reading has stopped at a gap, because on_gap is fail", Advice: "records between these times may be lost; have it read on behind the gap"}
		p.Detail = gapText(stopped[0].gap)
		p.Since = timeOrNil(stopped[0].gap.At)
		for _, s := range stopped[:min(len(stopped), 3)] {
			p.Next = append(p.Next, fmt.Sprintf("temporal workflow signal --workflow-id %s --name %s", window.ShardReaderID(g.pipeline, window.LongShard(s.ID)), workflows.SignalSkipGap))
		}
		g.add(p)
	}
	g.judgeGaps()
	if len(g.stopped) > 0 {
		g.add(Problem{
			Code: CodeReaderEnded, Severity: Late, Count: int64(len(g.stopped)), Shards: g.stopped,
			Summary: fmt.Sprintf("shards that nobody reads, because their ShardReader was terminated or has failed: %s", strings.Join(g.stopped[:min(len(g.stopped), 10)], ", ")),
			Advice:  "it is started again by itself within the hour, where the stage remembers it to have been",
			Next:    []string{fmt.Sprintf("temporal workflow describe --workflow-id %s", window.ShardReaderID(g.pipeline, window.LongShard(g.stopped[0])))},
		})
	}
}

// gapLife is how long a gap that was passed is told of.
const gapLife = 24 * time.Hour

func (g *gathered) judgeGaps() {
	var met []shard
	var gaps int64
	for _, s := range g.shards {
		if s.State != ShardGap && s.Gaps > 0 && g.now.Sub(s.gap.At) < gapLife {
			met = append(met, s)
			gaps += int64(s.Gaps)
		}
	}
	if len(met) == 0 {
		return
	}
	last := slices.MaxFunc(met, func(a, b shard) int { return a.gap.At.Compare(b.gap.At) })
	g.add(Problem{
		Code: CodeGap, Severity: Warning, Count: gaps, Shards: ids(met), Since: timeOrNil(last.gap.At),
		Summary: named(met) + ": reading has met a gap in the last day and gone on behind it", Detail: gapText(last.gap),
		Advice: "what is between these times of arrival may never be delivered; the page of the ShardReader says the same",
		Next:   []string{fmt.Sprintf("temporal workflow describe --workflow-id %s", window.ShardReaderID(g.pipeline, window.LongShard(last.ID)))},
	})
}

func gapText(m workflows.GapsMemo) string {
	if m.Gaps == 0 {
		return ""
	}
	text := fmt.Sprintf("%s, after record %s", m.Last.Kind, orElse(string(m.Last.After), "(none)"))
	if !m.Last.From.IsZero() {
		text += ", arrived after " + m.Last.From.UTC().Format(time.RFC3339)
	}
	if !m.Last.To.IsZero() {
		text += " and before " + m.Last.To.UTC().Format(time.RFC3339)
	}
	return text
}

// waits is the problem of shards that a starter holds and does not read.
func (g *gathered) waits(what workflows.WaitingFor, of []shard) Problem {
	p := Problem{Severity: Late, Count: int64(len(of)), Shards: ids(of), Detail: of[0].Reason}
	switch what {
	case workflows.WaitingForRoom:
		p.Code, p.Summary = CodeRoom, fmt.Sprintf("%s: reading pauses, because as many windows are open as max_open_windows allows", named(of))
		p.Advice = "it goes on by itself when windows are delivered; parked ones count, too: decide about them"
		p.Next = []string{"logpipe redrive --all --dry-run"}
	case workflows.WaitingForMemory:
		p.Code, p.Summary, p.Advice = CodeMemory, named(of)+": the starter holds as many answers of Kinesis as read_memory allows", "it goes on by itself; if it lasts, raise read_memory, or start more starters"
		p.Severity = Warning
	case workflows.WaitingForThrottle:
		return g.refine(g.problem(failure{kind: "StreamThrottled", message: of[0].Reason}, named(of)), of)
	case workflows.WaitingForStream:
		return g.refine(g.problem(failure{kind: "StreamUnavailable", message: of[0].Reason}, named(of)), of)
	default:
		p.Code, p.Summary, p.Advice = "Waiting", named(of)+": not being read at the moment", "the reason says more"
	}
	return p
}

func (g *gathered) refine(p Problem, of []shard) Problem {
	p.Count, p.Shards = int64(len(of)), ids(of)
	return p
}

func (g *gathered) judgeToken() {
	if g.token.failure.kind == "" {
		return
	}
	p := g.problem(g.token.failure, "token")
	if t := g.report.Token; t.ExpiresAt != nil && !t.Expired && p.Severity == Blocked && g.windows.totals.Retrying == 0 {
		p.Detail += fmt.Sprintf(" (the current token is good until %s)", t.ExpiresAt.Format(time.RFC3339))
	}
	g.add(p)
}

// ofToken are failures of windows that wait for what the TokenKeeper tells better.
func (g *gathered) ofToken(f failure) bool {
	return g.token.failure.kind != "" && (f.activity == workflows.AcquireTokenName || f.kind == workflows.ErrorTokenUnavailable || f.kind == workflows.ErrorTokenRefused)
}

func (g *gathered) judgeWindows() {
	parkedGroups := 0
	for _, of := range g.windows.groups {
		if of.status == visibility.StatusParked {
			parkedGroups++
		}
	}
	told := map[string]bool{}
	var waiting int64
	for _, of := range g.windows.groups {
		if of.status == visibility.StatusParked {
			g.add(g.parkedProblem(of, parkedGroups))
			continue
		}
		waiting += of.count
		for _, reason := range of.reasons {
			if g.ofToken(reason) || told[reason.kind] {
				continue
			}
			told[reason.kind] = true
			p := g.problem(reason, windows(of.count, of.count < g.windows.totals.Retrying)+" retrying")
			p.Count = of.count
			g.add(p)
		}
	}
	for _, reason := range g.windows.slow {
		if !g.ofToken(reason) && !told[reason.kind] {
			told[reason.kind] = true
			g.add(g.problem(reason, "windows"))
		}
	}
	if waiting > 0 && len(told) == 0 && g.token.failure.kind == "" {
		g.add(Problem{
			Code: CodeUndelivered, Severity: Late, Count: waiting, Summary: windows(waiting, false) + " retrying", Advice: "the page of each says what it waits for",
			Next: []string{g.fill("temporal workflow list --query \"LogpipePipeline = '$PIPELINE' AND LogpipeStatus = 'retrying'\"")},
		})
	}
}

func windows(n int64, some bool) string {
	switch {
	case n == 1:
		return "1 window"
	case some:
		return fmt.Sprintf("%d of the windows", n)
	}
	return fmt.Sprintf("%d windows", n)
}

// parkedProblem is that of windows that wait for an operator.
func (g *gathered) parkedProblem(of *group, groups int) Problem {
	count := of.count
	if groups == 1 {
		count = max(count, g.windows.totals.Parked)
	}
	p := Problem{Code: "Parked", Severity: Blocked, Count: count, Since: timeOrNil(of.oldest)}
	why := "the page of each says why"
	if len(of.reasons) > 0 {
		c := causeOf(of.reasons[0])
		p.Code, p.Detail, p.Advice = of.reasons[0].kind, of.reasons[0].message, g.fill(c.advice)
		why = c.says
		if c.severity != Blocked { // given up after delivery_give_up_after
			p.Advice = "the cause may be over: have them tried again, or give them up with `logpipe discard`"
		}
	}
	if of.http != "" {
		why += fmt.Sprintf(" (HTTP status %s)", of.http)
	}
	p.Summary = fmt.Sprintf("%s parked, %d events: %s", windows(count, false), of.events, why)
	if p.Advice == "" {
		p.Advice = "mend what is named there, then have them tried again, or give them up with `logpipe discard`"
	}
	query := fmt.Sprintf("%s = '%s'", visibility.HTTPStatus.GetName(), of.http)
	if of.http == "" {
		query = visibility.HTTPStatus.GetName() + " IS NULL"
	}
	switch {
	case groups == 1 && g.windows.totals.Retrying == 0:
		p.Next = []string{"logpipe redrive --all --dry-run"}
	default:
		p.Next = []string{fmt.Sprintf("logpipe redrive --query \"%s = '%s' AND %s\" --dry-run", visibility.Status.GetName(), visibility.StatusParked, query)}
	}
	return p
}

// judgeLateness holds what is not delivered, and not read, against the time it may take.
func (g *gathered) judgeLateness() {
	if late := g.windows.late; late != nil && g.now.Sub(late.ArrivedAt) > g.maxAge() {
		p := Problem{
			Code: CodeUndelivered, Severity: Late, Count: g.windows.totals.Open, Since: timeOrNil(late.ArrivedAt),
			Summary: fmt.Sprintf("delivery is behind: the oldest event that is under way arrived %s ago", g.now.Sub(late.ArrivedAt).Round(time.Second)),
			Detail:  "in window " + late.WorkflowID, Advice: "if nothing else is said here, more is read than is delivered: start more workers, or raise worker_deliveries or delivery_concurrency",
			Next: []string{"temporal workflow describe --workflow-id " + late.WorkflowID},
		}
		if g.queues.rateLimited {
			p.Code, p.Advice = CodeRateLimited, "as many requests are sent as delivery_rate allows: raise it, if the API can take more"
		}
		g.add(p)
	}
	var behind []shard
	for _, s := range g.shards {
		if s.LagSeconds != nil && *s.LagSeconds > g.maxAge().Seconds() {
			behind = append(behind, s)
		}
	}
	if len(behind) == 0 {
		return
	}
	worst := slices.MaxFunc(behind, func(a, b shard) int { return cmp.Compare(*a.LagSeconds, *b.LagSeconds) })
	g.add(Problem{
		Code: CodeReading, Severity: Late, Count: int64(len(behind)), Shards: ids(behind), Since: worst.CompleteUntil,
		Summary: fmt.Sprintf("%s: reading is behind, by %s at most", named(behind), time.Duration(*worst.LagSeconds*float64(time.Second)).Round(time.Second)),
		Advice:  "if nothing else is said here, it catches up by itself; if it does not, the shards take in more than the starters read: start more of them, raise read_memory, or split the shards",
		Next:    []string{"logpipe status --watch"},
	})
}

func (g *gathered) judgeClocks() {
	skew := func(whose string, ahead time.Duration, advice string) {
		if ahead.Abs() < workflows.ClockTolerance {
			return
		}
		word := "ahead of"
		if ahead < 0 {
			word = "behind"
		}
		g.add(Problem{
			Code: CodeClockSkew, Severity: Warning, Summary: fmt.Sprintf("the clock of %s is %s Temporal's by %s", whose, word, ahead.Abs().Round(time.Second)),
			Advice: advice, Next: []string{"timedatectl"},
		})
	}
	starters := map[string]time.Duration{}
	var kinesis time.Duration
	for _, s := range g.shards {
		if !s.fresh || s.Owner == "" {
			continue
		}
		if ahead := time.Duration(s.clocks.StarterAheadMillis) * time.Millisecond; ahead.Abs() > starters[s.Owner].Abs() {
			starters[s.Owner] = ahead
		}
		if ahead := time.Duration(s.clocks.KinesisAheadMillis) * time.Millisecond; ahead.Abs() > kinesis.Abs() {
			kinesis = ahead
		}
	}
	for _, identity := range slices.Sorted(maps.Keys(starters)) {
		skew(identity, starters[identity], "set it right: have its machine keep time by NTP")
	}
	skew("Kinesis", kinesis, "it is Temporal's that is wrong, or both: times of arrival are Kinesis', all others Temporal's")
	if g.token.known {
		skew("the worker that obtained the token", time.Duration(g.token.state.WorkerAheadMillis)*time.Millisecond, "set it right: tokens are taken for expired too early, or too late")
	}
	skew("this machine", g.ownAhead(), "set it right: the ages in this report are wrong by as much")
}

func (g *gathered) judgeQuarantine() {
	if n := g.flushes.throughput.Quarantined; n > 0 {
		g.add(Problem{
			Code: CodeQuarantined, Severity: Warning, Count: n, Summary: fmt.Sprintf("%s of the last hour had pieces that could not be read, which are quarantined; all else of them was delivered", windows(n, false)),
			Advice: "look what they are and why; with a version or settings that read them, have them tried again by `logpipe quarantine retry`",
			Next:   []string{"logpipe quarantine list"},
		})
	}
}
