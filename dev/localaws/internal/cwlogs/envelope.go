package cwlogs

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// envelope is what one record of a subscription carries.
type envelope struct {
	messageType string
	owner       string
	logGroup    string
	logStream   string
	filters     []string
	events      []event
}

const (
	dataMessage    = "DATA_MESSAGE"
	controlMessage = "CONTROL_MESSAGE"
	controlOwner   = "CloudwatchLogs"
	controlText    = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."
)

// appendJSON writes the envelope with its members in the service's order.
func (e *envelope) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"messageType":"`...)
	dst = append(dst, e.messageType...)
	dst = append(dst, `","owner":"`...)
	dst = append(dst, e.owner...)
	dst = append(dst, `","logGroup":`...)
	dst = wire.AppendString(dst, e.logGroup)
	dst = append(dst, `,"logStream":`...)
	dst = wire.AppendString(dst, e.logStream)
	dst = append(dst, `,"subscriptionFilters":[`...)
	for i, f := range e.filters {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, f)
	}
	dst = append(dst, `],"logEvents":[`...)
	for i := range e.events {
		ev := &e.events[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":"`...)
		dst = append(dst, ev.id...)
		dst = append(dst, `","timestamp":`...)
		dst = strconv.AppendInt(dst, ev.timestamp, 10)
		dst = append(dst, `,"message":`...)
		dst = wire.AppendString(dst, ev.message)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// compressor holds what compressing needs again and again.
type compressor struct {
	plain []byte
	zip   *gzip.Writer
	out   bytes.Buffer
}

var compressors = sync.Pool{New: func() any { return &compressor{zip: gzip.NewWriter(nil)} }}

// header is how the service's gzip members begin: no time, no hint, no system.
var header = [10]byte{0x1f, 0x8b, 8}

// compress returns the envelope as the bytes of a record.
func (e *envelope) compress() ([]byte, error) {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.plain = e.appendJSON(c.plain[:0])
	c.out.Reset()
	c.zip.Reset(&c.out)
	if _, err := c.zip.Write(c.plain); err != nil {
		return nil, fmt.Errorf("compress envelope: %w", err)
	}
	if err := c.zip.Close(); err != nil {
		return nil, fmt.Errorf("compress envelope: %w", err)
	}
	record := bytes.Clone(c.out.Bytes())
	copy(record, header[:]) // nothing that follows depends on it
	return record, nil
}

// packed is one record and the number of events in it.
type packed struct {
	data   []byte
	events int
}

// pack compresses an envelope, cut into as many records as it takes for each to stay within limit bytes. Events that
// do not fit alone are returned as tooLarge.
func (e *envelope) pack(limit int) (records []packed, tooLarge []event, err error) {
	data, err := e.compress()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(data) <= limit:
		return []packed{{data, len(e.events)}}, nil, nil
	case len(e.events) == 1:
		return nil, e.events, nil
	}
	half := len(e.events) / 2
	for _, part := range [][]event{e.events[:half], e.events[half:]} {
		cut := *e
		cut.events = part
		r, t, err := cut.pack(limit)
		if err != nil {
			return nil, nil, err
		}
		records, tooLarge = append(records, r...), append(tooLarge, t...)
	}
	return records, tooLarge, nil
}

// partitionKey is the key of a log stream, or a random one: 32 hex characters either way.
func partitionKey(logGroup, logStream string, random bool) string {
	if random {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic(err) // crypto/rand does not fail
		}
		return hex.EncodeToString(b[:])
	}
	sum := md5.Sum([]byte(logGroup + "\x00" + logStream))
	return hex.EncodeToString(sum[:])
}
