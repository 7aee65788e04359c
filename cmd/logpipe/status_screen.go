package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/log-event-pipeline/logpipe/operator/status"
)

// screen draws reports for a person.
type screen struct {
	out io.Writer
	all bool // shards
	// terminal: somebody looks at it. Colours and redraws are the codes that it understands.
	terminal, colours, redraws bool
	size                       func() (width, height int, err error)

	drawn bool
	// wrap is the width to which sentences are wrapped, 0 for none.
	wrap int
}

// Rows of shards that are shown where the height of the screen is not known or does not
// matter, and at least.
const (
	mostRows  = 40
	leastRows = 1
)

// The codes of a terminal.
const (
	codeHome   = "\x1b[H"  // to the upper left corner
	codeClear  = "\x1b[2J" // all of it
	codeRest   = "\x1b[J"  // what is below
	codeEnd    = "\x1b[K"  // what is to the right
	codePlain  = "\x1b[0m"
	codeBold   = "\x1b[1m"
	codeRed    = "\x1b[31m"
	codeGreen  = "\x1b[32m"
	codeYellow = "\x1b[33m"
)

// draw prints a report. While somebody watches, it goes over the one before.
func (s *screen) draw(r status.Report, watch bool, interval time.Duration) error {
	width, height := 0, 0
	if s.size != nil {
		if w, h, err := s.size(); err == nil {
			width, height = w, h
		}
	}
	rows := mostRows
	s.wrap = 0
	if watch && s.redraws {
		s.wrap = width
	}
	var text bytes.Buffer
	s.head(&text, r)
	if watch && s.redraws {
		fmt.Fprintf(&text, "every %s, Ctrl-C ends\n", interval)
		if height > 0 {
			rows = max(leastRows, height-bytes.Count(text.Bytes(), []byte("\n"))-4)
		}
	}
	s.table(&text, r, rows)

	var screenful bytes.Buffer
	switch {
	case watch && s.redraws:
		if !s.drawn {
			screenful.WriteString(codeClear)
		}
		screenful.WriteString(codeHome)
		used := 0
		for line := range strings.SplitSeq(strings.TrimSuffix(text.String(), "\n"), "\n") {
			takes := 1
			if strings.HasPrefix(line, nextMark) && width > 0 {
				// To be copied: the terminal breaks it.
				takes = (utf8.RuneCountInString(line) + width - 1) / width
			} else {
				line = cutLine(line, width)
			}
			if used += takes; height > 1 && used > height-1 {
				break
			}
			screenful.WriteString(line + codePlain + codeEnd + "\n")
		}
		screenful.WriteString(codeRest)
	default:
		if s.drawn {
			screenful.WriteString("\n")
		}
		screenful.Write(text.Bytes())
	}
	s.drawn = true
	_, err := s.out.Write(screenful.Bytes())
	return err
}

// cutLine keeps a line within the width of the screen: a line that is broken by the
// terminal would push the others down. The codes for colours take no room.
func cutLine(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	var out strings.Builder
	used := 0
	for len(line) > 0 {
		if strings.HasPrefix(line, "\x1b[") {
			end := strings.IndexByte(line, 'm') + 1
			if end == 0 {
				break
			}
			out.WriteString(line[:end])
			line = line[end:]
			continue
		}
		_, size := utf8.DecodeRuneInString(line)
		if used == width-1 && utf8.RuneCountInString(line) > 1 {
			out.WriteString("…")
			break
		}
		out.WriteString(line[:size])
		line = line[size:]
		used++
	}
	return out.String()
}

func (s *screen) paint(code, text string) string {
	if !s.colours || code == "" {
		return text
	}
	return code + text + codePlain
}

func colourOf(h status.Health) string {
	switch h {
	case status.Healthy:
		return codeGreen
	case status.Stuck:
		return codeRed
	case status.Behind, status.Unknown:
	}
	return codeYellow
}

// head is all but the table.
func (s *screen) head(out io.Writer, r status.Report) {
	fmt.Fprintf(out, "%s · pipeline %s", s.paint(codeBold+colourOf(r.Health), string(r.Health)), s.paint(codeBold, r.Pipeline))
	if r.Stream != "" {
		fmt.Fprintf(out, " · stream %s", r.Stream)
	}
	fmt.Fprintf(out, " · %s\n", r.TakenAt.Format(time.RFC3339))
	for _, p := range r.Problems {
		s.problem(out, r, p)
	}
	if !hasData(r) {
		return
	}
	fmt.Fprintln(out)
	t := r.Throughput
	line := fmt.Sprintf("%s events/s, %s/s: %s events of %s windows in the last %s", rate(t.EventsPerSecond), bytesOf(t.BytesPerSecond), number(t.Events), number(t.Windows), short(t.Seconds))
	if t.Estimated {
		line += ", by a sample"
	}
	fmt.Fprintf(out, "delivered    %s\n", line)
	fmt.Fprintf(out, "undelivered  %s\n", oldest(r))
	line = fmt.Sprintf("%s open, of these %s retrying and %s parked", number(r.Windows.Open), number(r.Windows.Retrying), number(r.Windows.Parked))
	if r.Windows.Listed < r.Windows.Open {
		line += fmt.Sprintf("; by shard: of the %s that were listed", number(r.Windows.Listed))
	}
	fmt.Fprintf(out, "windows      %s\n", line)
	fmt.Fprintf(out, "token        %s\n", tokenLine(r))
	fmt.Fprintf(out, "starters     %s\n", processLine(r.Starters, r.TakenAt))
	fmt.Fprintf(out, "workers      %s\n", processLine(r.Workers, r.TakenAt))
	for _, what := range r.Incomplete {
		fmt.Fprintf(out, "not known    %s\n", what)
	}
	fmt.Fprintln(out)
}

// hasData: Temporal knows the pipeline.
func hasData(r status.Report) bool {
	return len(r.Problems) == 0 || r.Problems[0].Code != status.CodeTemporal && r.Problems[0].Code != status.CodeNoPipeline
}

// longestDetail bounds what is shown of a message; --json has all of it.
const longestDetail = 400

func (s *screen) problem(out io.Writer, r status.Report, p status.Problem) {
	code := codeYellow
	if p.Severity == status.Blocked {
		code = codeRed
	}
	fmt.Fprintf(out, "\n%s %s", s.paint(codeBold+code, fmt.Sprintf("%-8s", p.Severity)), s.paint(codeBold, p.Summary))
	if p.Since != nil {
		fmt.Fprintf(out, ", since %s", ago(*p.Since, r.TakenAt))
	}
	fmt.Fprintln(out)
	if p.Detail != "" {
		detail := strings.Join(strings.Fields(p.Detail), " ")
		if utf8.RuneCountInString(detail) > longestDetail {
			detail = string([]rune(detail)[:longestDetail]) + "…"
		}
		s.sentences(out, p.Code+": "+detail)
	}
	s.sentences(out, p.Advice)
	for _, command := range p.Next {
		fmt.Fprintf(out, "%s%s\n", nextMark, s.paint(codeBold, command))
	}
}

// indent stands before what is said of a problem, and nextMark before what to type.
const (
	indent   = "         "
	nextMark = indent + "→ "
)

// sentences prints a text, on as many lines as it takes where the screen is not to be cut.
func (s *screen) sentences(out io.Writer, text string) {
	line := indent
	for word := range strings.SplitSeq(text, " ") {
		if s.wrap > 0 && line != indent && utf8.RuneCountInString(line)+utf8.RuneCountInString(word) > s.wrap {
			fmt.Fprintln(out, strings.TrimRight(line, " "))
			line = indent
		}
		line += word + " "
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

func oldest(r status.Report) string {
	if r.Oldest == nil {
		return "nothing: every window that was opened is delivered"
	}
	return fmt.Sprintf("the oldest event arrived %s, in %s (%s)", ago(r.Oldest.ArrivedAt, r.TakenAt), r.Oldest.WorkflowID, r.Oldest.Status)
}

func tokenLine(r status.Report) string {
	t := r.Token
	if t == nil {
		return "none yet: no worker was ever started"
	}
	if t.Version == 0 {
		return "none yet"
	}
	line := fmt.Sprintf("version %d of %s", t.Version, t.Parameter)
	switch {
	case t.ExpiresAt == nil:
		line += ", without an expiry"
	case t.Expired:
		line += ", expired " + ago(*t.ExpiresAt, r.TakenAt)
	default:
		line += ", expires in " + short(t.ExpiresAt.Sub(r.TakenAt).Seconds())
	}
	if t.ObtainedAt != nil {
		line += ", refreshed " + ago(*t.ObtainedAt, r.TakenAt)
	}
	if e := t.LastError; e != nil && t.Error == nil {
		line += fmt.Sprintf("; the last trouble, %s, is over", e.Type)
	}
	return line
}

// shownProcesses bounds a line.
const shownProcesses = 4

func processLine(of []status.Process, now time.Time) string {
	var parts []string
	gone := 0
	for _, p := range of {
		if p.Gone {
			gone++
			continue
		}
		if len(parts) == shownProcesses {
			continue
		}
		text := p.Identity
		if p.Shards > 0 {
			text += fmt.Sprintf(" with %d shards", p.Shards)
		}
		parts = append(parts, text+", seen "+ago(p.LastSeen, now))
	}
	running := len(of) - gone
	line := fmt.Sprintf("%d: %s", running, strings.Join(parts, "; "))
	if running == 0 {
		line = "none"
	}
	if more := running - len(parts); more > 0 {
		line += fmt.Sprintf("; and %d more", more)
	}
	if gone > 0 {
		line += fmt.Sprintf("; gone in the last minutes: %d", gone)
	}
	return line
}

// table is that of the shards, the worst first.
func (s *screen) table(out io.Writer, r status.Report, rows int) {
	if len(r.Shards.Rows) == 0 {
		return
	}
	shards := slices.Clone(r.Shards.Rows)
	if s.all {
		rows = len(shards)
	}
	if len(shards) > rows {
		slices.SortStableFunc(shards, worse)
	}
	if r.Shards.Looked < r.Shards.Total {
		fmt.Fprintf(out, "%s of %s shards were looked at this time\n", number(int64(r.Shards.Looked)), number(int64(r.Shards.Total)))
	}
	lines := [][]string{{"SHARD", "STATE", "LAG", "READ TO", "RECORDS", "OPEN", "RETRYING", "PARKED", "GAPS", "LAST FLUSH", "OWNER"}}
	for _, row := range shards[:min(rows, len(shards))] {
		owner := row.Owner
		if row.State != status.ShardReading {
			owner = cmp.Or(row.Owner, row.Reason)
		}
		lines = append(lines, []string{
			row.ID, string(row.State), lag(row), timeAgo(row.CompleteUntil, r.TakenAt), number(row.Records), number(row.Open), number(row.Retrying), number(row.Parked),
			number(int64(row.Gaps)), timeAgo(row.LastFlush, r.TakenAt), cellText(owner),
		})
	}
	if rest := shards[min(rows, len(shards)):]; len(rest) > 0 {
		lines = append(lines, sum(rest, r.TakenAt))
	}
	writeColumns(out, lines)
}

// worse puts the shards first that somebody should look at.
func worse(a, b status.Shard) int {
	rank := []status.ShardState{status.ShardFailing, status.ShardGap, status.ShardUnowned, status.ShardWaiting, status.ShardStarting, status.ShardReading}
	lagOf := func(s status.Shard) float64 {
		if s.LagSeconds == nil {
			return 0
		}
		return *s.LagSeconds
	}
	return cmp.Or(
		cmp.Compare(slices.Index(rank, a.State), slices.Index(rank, b.State)), cmp.Compare(b.Parked, a.Parked), cmp.Compare(b.Retrying, a.Retrying),
		cmp.Compare(lagOf(b), lagOf(a)), cmp.Compare(b.Open, a.Open))
}

// sum is the row of those that there is no room for.
func sum(rest []status.Shard, now time.Time) []string {
	var total status.Shard
	states := map[status.ShardState]bool{}
	for _, s := range rest {
		states[s.State] = true
		total.Records, total.Open, total.Retrying, total.Parked, total.Gaps = total.Records+s.Records, total.Open+s.Open, total.Retrying+s.Retrying, total.Parked+s.Parked, total.Gaps+s.Gaps
		if s.LagSeconds != nil && (total.LagSeconds == nil || *s.LagSeconds > *total.LagSeconds) {
			total.LagSeconds = s.LagSeconds
		}
		if s.LastFlush != nil && (total.LastFlush == nil || s.LastFlush.After(*total.LastFlush)) {
			total.LastFlush = s.LastFlush
		}
	}
	state := "mixed"
	if len(states) == 1 {
		state = string(rest[0].State)
	}
	return []string{
		fmt.Sprintf("+%d", len(rest)), state, "≤ " + lag(total), "", number(total.Records), number(total.Open), number(total.Retrying), number(total.Parked),
		number(int64(total.Gaps)), timeAgo(total.LastFlush, now), "all others together",
	}
}

func writeColumns(out io.Writer, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			text.WriteString(cell)
			if i < len(line)-1 {
				text.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(out, strings.TrimRight(text.String(), " "))
	}
}

func cellText(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > 100 {
		text = string([]rune(text)[:100]) + "…"
	}
	return text
}

func lag(s status.Shard) string {
	if s.LagSeconds == nil {
		return "?"
	}
	return short(*s.LagSeconds)
}

func timeAgo(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	return ago(*at, now)
}

func ago(at, now time.Time) string { return short(now.Sub(at).Seconds()) + " ago" }

// short is a time for a person, to two places.
func short(seconds float64) string {
	d := time.Duration(max(0, seconds) * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// number is a count with its thousands apart.
func number(n int64) string {
	if n < 0 {
		return "-" + number(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", number(n/1000), n%1000)
}

func rate(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return number(int64(perSecond))
}

func bytesOf(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", n/1e3)
	}
	return fmt.Sprintf("%d B", int(n))
}
