package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/internal/config"
)

// Axis is something that grows while all else stays the same.
type Axis struct {
	axis   *axis
	Values []int64 // ascending
}

// axis is what can grow.
type axis struct {
	name    string
	label   string // of its values
	bytes   bool   // values are sizes
	usual   []int64
	most    int64
	least   int64
	set     func(*Options, int64) error
	without []string // settings that may not be given, because the values are theirs
}

// Names of settings that axes set.
const (
	windowBytesSetting   = "LOGPIPE_WINDOW_MAX_BYTES"
	windowRecordsSetting = "LOGPIPE_WINDOW_MAX_RECORDS"
	openWindowsSetting   = "LOGPIPE_MAX_OPEN_WINDOWS"
)

// outageAxis is drawn with other figures than the others.
const outageAxis = "outage"

// axes in the order of the report.
var axes = []*axis{
	{
		name: "shards", label: "shards", usual: []int64{1, 4, 16, 64, 256}, least: 1, most: maxShards,
		set: func(o *Options, v int64) error { o.Shards = int(v); return nil },
	},
	{
		name: "backlog", label: "log text", bytes: true, least: 1000, most: 100 * giga,
		usual: []int64{10 * mega, 100 * mega, giga}, // ten times as much has to be asked for
		set: func(o *Options, v int64) (err error) {
			o.Events, err = o.eventsOf(v)
			return err
		},
	},
	{
		name: "workers", label: "workers", usual: []int64{1, 2, 4, 8}, least: 1, most: maxProcesses,
		set: func(o *Options, v int64) error { o.Workers = int(v); return nil },
	},
	{
		name: "windows", label: "window_max_bytes", bytes: true, least: int64(config.KB), most: int64(64 * config.MiB),
		usual:   []int64{64_000, 256_000, mega, 8 * mega},
		set:     func(o *Options, v int64) error { o.WindowBytes = sizeText(v); return nil },
		without: []string{windowBytesSetting},
	},
	{
		name: outageAxis, label: "open windows", usual: []int64{100, 1000, 3000, 10_000}, least: 1, most: maxWaiting,
		set: func(o *Options, v int64) error {
			o.Waiting, o.RecordEvents, o.Patience = int(v), outageRecordEvents, max(o.Patience, outagePatience)
			return nil
		},
		without: []string{windowRecordsSetting, openWindowsSetting},
	},
}

// AxisNames are what can grow.
func AxisNames() []string {
	var names []string
	for _, a := range axes {
		names = append(names, a.name)
	}
	return names
}

// ParseAxes reads texts such as "shards" and "backlog=10MB/1GB", in the order of the report. It
// reports all that is wrong with them, and returns those of which nothing is, so that the
// rest of the flags can be held against them.
func ParseAxes(texts []string) ([]Axis, error) {
	var parsed []Axis
	var errs []error
	for _, text := range texts {
		one, err := parseAxis(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", text, err))
			continue
		}
		if slices.ContainsFunc(parsed, func(other Axis) bool { return other.axis == one.axis }) {
			errs = append(errs, fmt.Errorf("%q: %s is there twice", text, one.axis.name))
		}
		parsed = append(parsed, one)
	}
	slices.SortFunc(parsed, func(a, b Axis) int { return slices.Index(axes, a.axis) - slices.Index(axes, b.axis) })
	return parsed, errors.Join(errs...)
}

func parseAxis(text string) (Axis, error) {
	name, list, given := strings.Cut(text, "=")
	at := slices.IndexFunc(axes, func(a *axis) bool { return a.name == name })
	if at < 0 {
		return Axis{}, fmt.Errorf("nothing that grows is called so: want %s", strings.Join(AxisNames(), ", "))
	}
	parsed := Axis{axis: axes[at], Values: axes[at].usual}
	if !given {
		return parsed, nil
	}
	parsed.Values = nil
	for item := range strings.SplitSeq(list, "/") {
		v, err := parsed.axis.parse(item)
		if err != nil {
			return Axis{}, err
		}
		parsed.Values = append(parsed.Values, v)
	}
	slices.Sort(parsed.Values)
	parsed.Values = slices.Compact(parsed.Values)
	return parsed, nil
}

func (a *axis) parse(text string) (v int64, err error) {
	if a.bytes {
		var size config.ByteSize
		if size, err = config.ParseByteSize(text); err != nil {
			return 0, fmt.Errorf("%q %w", text, err)
		}
		v = int64(size)
	} else if v, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, fmt.Errorf("%q is no number: write whole numbers with / between them", text)
	}
	if v < a.least || v > a.most {
		return 0, fmt.Errorf("%s: want %s to %s", text, a.text(a.least), a.text(a.most))
	}
	return v, nil
}

// text is a value as a person reads it, and as parse does.
func (a *axis) text(v int64) string {
	if !a.bytes {
		return strconv.FormatInt(v, 10)
	}
	return sizeText(v)
}

// sizeText prefers decimal units: 256000 is 256kB, though it is 250KiB, too.
func sizeText(v int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{giga, "GB"}, {mega, "MB"}, {1000, "kB"}} {
		if v%unit.bytes == 0 {
			return strconv.FormatInt(v/unit.bytes, 10) + unit.name
		}
	}
	return config.ByteSize(v).String()
}

// point is what is measured at a value.
func (a *axis) point(o Options, v int64) (Options, error) {
	err := a.set(&o, v)
	return o, err
}

// sampled are how many events of a mix tell how long they are.
const sampled = 20_000

// eventsOf is how many log events come to about so many bytes of text.
func (o Options) eventsOf(bytes int64) (int, error) {
	maker, err := traffic.NewRecords(o.recordsConfig(0))
	if err != nil {
		return 0, err
	}
	events, text := 0, 0
	add := func(r traffic.SubscriptionRecord) error {
		events += len(r.EventIDs)
		text += r.TextBytes
		return nil
	}
	for begun := 0; begun < sampled; {
		n, err := maker.Request(time.Now(), add)
		if err != nil {
			return 0, err
		}
		begun += n
	}
	if err := maker.Flush(add); err != nil {
		return 0, err
	}
	return max(1, int(float64(bytes)/float64(text)*float64(events))), nil
}
