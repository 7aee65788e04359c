package ledger

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Records knows every record that a stream took in, in the order of each shard, by the
// local AWS's own account. It is safe for concurrent use.
type Records struct {
	mu     sync.Mutex
	shards map[string][]window.SequenceNumber
	count  int
}

// NewRecords makes an empty ledger.
func NewRecords() *Records { return &Records{shards: map[string][]window.SequenceNumber{}} }

// Add enters a record. It is a hook for [localaws.Config].
func (l *Records) Add(r localaws.StoredRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shards[r.ShardID] = append(l.shards[r.ShardID], window.SequenceNumber(r.SequenceNumber))
	l.count++
}

// Count is the number of records so far.
func (l *Records) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Window is a window as Temporal holds it.
type Window struct {
	ID      string // of its workflow
	RunID   string // of its workflow's last run
	ShardID string
	First   window.SequenceNumber
	Last    window.SequenceNumber
	Records int // as the window itself states it
}

// Run is a row of neighbouring records of one shard.
type Run struct {
	ShardID     string
	First, Last window.SequenceNumber
	Records     int
}

func (r Run) String() string {
	return fmt.Sprintf("shard %s, %d records from %s to %s", window.ShortShard(r.ShardID), r.Records, r.First, r.Last)
}

// Partition is how the records are divided among the windows. All is well where each
// record is in exactly one.
type Partition struct {
	Records int
	Windows int
	// Missing are the records that no window holds.
	Missing []Run
	// Twice are the records that more than one window holds.
	Twice []Run
	// Miscounted are windows that state another number of records than there are between
	// their ends.
	Miscounted []Window
}

// Lost is the number of records in no window.
func (p Partition) Lost() int { return total(p.Missing) }

// Doubled is the number of records in more than one window.
func (p Partition) Doubled() int { return total(p.Twice) }

func total(runs []Run) int {
	n := 0
	for _, r := range runs {
		n += r.Records
	}
	return n
}

// Divide finds the windows of each record. A window that is listed again, under the same
// id and run, counts once.
func (l *Records) Divide(windows []Window) Partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[[2]string]bool, len(windows))
	byShard := map[string][]Window{}
	p := Partition{Records: l.count}
	for _, w := range windows {
		run := [2]string{w.ID, w.RunID}
		if seen[run] {
			continue
		}
		seen[run] = true
		p.Windows++
		if _, known := l.shards[w.ShardID]; !known {
			p.Miscounted = append(p.Miscounted, w)
			continue
		}
		byShard[w.ShardID] = append(byShard[w.ShardID], w)
	}
	for _, shard := range slices.Sorted(maps.Keys(l.shards)) {
		p.divide(shard, l.shards[shard], byShard[shard])
	}
	return p
}

func (p *Partition) divide(shard string, records []window.SequenceNumber, windows []Window) {
	// change[i] is how many more windows hold record i than the one before it.
	change := make([]int, len(records)+1)
	for _, w := range windows {
		first, _ := slices.BinarySearchFunc(records, w.First, window.SequenceNumber.Compare)
		end, found := slices.BinarySearchFunc(records, w.Last, window.SequenceNumber.Compare)
		if found {
			end++
		}
		if end-first != w.Records {
			p.Miscounted = append(p.Miscounted, w)
		}
		if end > first {
			change[first]++
			change[end]--
		}
	}
	holders := 0
	var missing, twice *Run
	for i, record := range records {
		holders += change[i]
		missing = extend(&p.Missing, missing, holders == 0, shard, record)
		twice = extend(&p.Twice, twice, holders > 1, shard, record)
	}
}

// extend adds a record to the run that is open, or begins one; a record that does not
// belong closes it.
func extend(runs *[]Run, open *Run, belongs bool, shard string, record window.SequenceNumber) *Run {
	if !belongs {
		return nil
	}
	if open == nil {
		*runs = append(*runs, Run{ShardID: shard, First: record})
		open = &(*runs)[len(*runs)-1]
	}
	open.Last = record
	open.Records++
	return open
}
