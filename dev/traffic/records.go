package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

// RecordsConfig configures [Records]. The zero value of a field selects its default.
type RecordsConfig struct {
	Mix     Mix    // default Mixed
	Seed    uint64 // the same seed, mix and part give the same APIs, users and requests
	Part    uint64 // tells the traffic of several makers with one seed apart
	Account string // 12 digits; default 123456789012
	Region  string // default eu-west-1
	Filter  string // name of the subscription filter; default to-kinesis
	// Events of a record at least, unless it is flushed: the last request of a record is
	// written whole. Default 250.
	Events int
}

const (
	defaultRecordEvents = 250

	// MaxRecordEvents keeps a record of long lines below the 1 MiB of Kinesis.
	MaxRecordEvents = 5000
)

// SubscriptionRecord is what a subscription filter puts into Kinesis as one record.
type SubscriptionRecord struct {
	Owner, LogGroup, LogStream string
	EventIDs                   []string
	TextBytes                  int    // of the messages
	Data                       []byte // as stored: gzip
}

// Records invents traffic as [Generator] does, and writes it as the subscription filters
// of its log groups would, without CloudWatch Logs: for backlogs of millions of events.
type Records struct {
	config     RecordsConfig
	population *population
	random     *rand.Rand
	line       []byte
	open       map[stream]*openRecord
	order      []stream // of open, as they came up
	next       uint64   // number of the next event

	text []byte
	zip  *gzip.Writer
	out  bytes.Buffer
}

// openRecord is a record to which events are still added.
type openRecord struct {
	events []Event
	bytes  int
}

// NewRecords checks the configuration.
func NewRecords(c RecordsConfig) (*Records, error) {
	if c.Mix == "" {
		c.Mix = Mixed
	}
	if _, err := ParseMix(string(c.Mix)); err != nil {
		return nil, err
	}
	if c.Events < 0 || c.Events > MaxRecordEvents {
		return nil, fmt.Errorf("traffic: %d events of a record: want 1 to %d", c.Events, MaxRecordEvents)
	}
	if c.Part >= 1000 {
		return nil, errors.New("traffic: a part is numbered from 0 to 999")
	}
	if c.Events == 0 {
		c.Events = defaultRecordEvents
	}
	if c.Account == "" {
		c.Account = "123456789012"
	}
	if c.Region == "" {
		c.Region = "eu-west-1"
	}
	if c.Filter == "" {
		c.Filter = "to-kinesis"
	}
	// All parts are requests to the same APIs.
	p := newPopulation(rand.New(rand.NewPCG(c.Seed, 0x6c6f6770697065)), c.Mix, c.Account, c.Region, time.Now())
	return &Records{
		config: c, population: p, random: rand.New(rand.NewPCG(c.Seed, c.Part)),
		open: map[stream]*openRecord{}, zip: gzip.NewWriter(nil),
	}, nil
}

// Request invents a request that was answered at the time given, and hands over the
// records that it has filled. It returns the number of its log events.
func (r *Records) Request(answered time.Time, put func(SubscriptionRecord) error) (int, error) {
	i := r.population.newInteraction(r.random, answered)
	n := 0
	if i.api.level != executionOff {
		events := i.executionEvents()
		n += len(events)
		if err := r.add(stream{i.api.executionGroup, i.api.executionStreams[i.stream]}, events, put); err != nil {
			return n, err
		}
	}
	if i.api.template != nil {
		r.line = i.api.template.appendLine(r.line[:0], i)
		n++
		event := Event{Millis: i.started.Add(i.latency).UnixMilli(), Message: string(r.line)}
		if err := r.add(stream{i.api.accessGroup, i.api.accessStreams[i.stream]}, []Event{event}, put); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Flush hands over the records that are not full.
func (r *Records) Flush(put func(SubscriptionRecord) error) error {
	for _, place := range r.order {
		if err := r.close(place, put); err != nil {
			return err
		}
	}
	return nil
}

func (r *Records) add(place stream, events []Event, put func(SubscriptionRecord) error) error {
	o := r.open[place]
	if o == nil {
		o = &openRecord{}
		r.open[place] = o
		r.order = append(r.order, place)
	}
	o.events = append(o.events, events...)
	for _, e := range events {
		o.bytes += len(e.Message)
	}
	if len(o.events) >= r.config.Events {
		return r.close(place, put)
	}
	return nil
}

// close writes the record of a log stream, if there is one.
func (r *Records) close(place stream, put func(SubscriptionRecord) error) error {
	o := r.open[place]
	if len(o.events) == 0 {
		return nil
	}
	record := SubscriptionRecord{
		Owner: r.config.Account, LogGroup: place.group, LogStream: place.name,
		EventIDs: make([]string, len(o.events)), TextBytes: o.bytes,
	}
	err := r.write(&record, o.events)
	clear(o.events)
	o.events, o.bytes = o.events[:0], 0
	if err != nil {
		return fmt.Errorf("write a record of %q: %w", place.group, err)
	}
	return put(record)
}

// gzipHeader is how CloudWatch Logs begins: no time, no hint, no system.
var gzipHeader = [10]byte{0x1f, 0x8b, 8}

// write sets the ids and the data of a record, with the members in the order of
// CloudWatch Logs.
func (r *Records) write(record *SubscriptionRecord, events []Event) (err error) {
	b := r.text[:0]
	b = append(b, `{"messageType":"DATA_MESSAGE","owner":`...)
	for _, member := range []struct{ before, value, after string }{
		{"", record.Owner, `,"logGroup":`}, {"", record.LogGroup, `,"logStream":`}, {"", record.LogStream, `,"subscriptionFilters":`},
		{"[", r.config.Filter, `],"logEvents":[`},
	} {
		b = append(b, member.before...)
		if b, err = jsontext.AppendQuote(b, member.value); err != nil {
			return err
		}
		b = append(b, member.after...)
	}
	for i, e := range events {
		record.EventIDs[i] = r.eventID(e.Millis)
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"id":"`...), record.EventIDs[i]...)
		b = strconv.AppendInt(append(b, `","timestamp":`...), e.Millis, 10)
		b = append(b, `,"message":`...)
		if b, err = jsontext.AppendQuote(b, e.Message); err != nil {
			return err
		}
		b = append(b, '}')
	}
	b = append(b, `]}`...)
	r.text = b

	r.out.Reset()
	r.zip.Reset(&r.out)
	if _, err := r.zip.Write(r.text); err != nil {
		return err
	}
	if err := r.zip.Close(); err != nil {
		return err
	}
	record.Data = bytes.Clone(r.out.Bytes())
	copy(record.Data, gzipHeader[:]) // nothing that follows depends on it
	return nil
}

// eventID is 56 digits, as those of CloudWatch Logs, that begin with the time and are
// different for each event of each part.
func (r *Records) eventID(millis int64) string {
	b := make([]byte, 0, 56)
	b = append(b, '3')
	b = appendPadded(b, uint64(max(millis, 0)), 15)
	b = appendPadded(b, r.config.Seed%1e10, 20)
	b = appendPadded(b, r.config.Part, 4)
	b = appendPadded(b, r.next, 16)
	r.next++
	return string(b)
}

// appendPadded writes a number with zeros before it.
func appendPadded(b []byte, n uint64, digits int) []byte {
	var text [20]byte
	written := strconv.AppendUint(text[:0], n, 10)
	for range digits - len(written) {
		b = append(b, '0')
	}
	return append(b, written...)
}
