package cwlogs

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
)

// envelope is what one record of a subscription carries, its members in the service's order.
type envelope struct {
	MessageType         string   `json:"messageType"`
	Owner               string   `json:"owner"`
	LogGroup            string   `json:"logGroup"`
	LogStream           string   `json:"logStream"`
	SubscriptionFilters []string `json:"subscriptionFilters"`
	LogEvents           []event  `json:"logEvents"`
}

const (
	dataMessage    = "DATA_MESSAGE"
	controlMessage = "CONTROL_MESSAGE"
	controlOwner   = "CloudwatchLogs"
	controlText    = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."
)

// compressor holds what compressing needs again and again.
type compressor struct {
	zip *gzip.Writer
	out bytes.Buffer
}

var compressors = sync.Pool{New: func() any { return &compressor{zip: gzip.NewWriter(nil)} }}

// header is how the service's gzip members begin: no time, no hint, no system.
var header = [10]byte{0x1f, 0x8b, 8}

// compress returns the envelope as the bytes of a record.
func (e *envelope) compress() ([]byte, error) {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.out.Reset()
	c.zip.Reset(&c.out)
	if err := json.MarshalWrite(c.zip, e); err != nil {
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
		return []packed{{data, len(e.LogEvents)}}, nil, nil
	case len(e.LogEvents) == 1:
		return nil, e.LogEvents, nil
	}
	half := len(e.LogEvents) / 2
	for _, part := range [][]event{e.LogEvents[:half], e.LogEvents[half:]} {
		cut := *e
		cut.LogEvents = part
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
