package envelope

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
)

// lookAhead is how much is inflated ahead of the log events that are looked for in it:
// many as they usually are, and little beside what a single one may take.
const lookAhead = 64 << 10

// What a decoder has read that is in an array of log events: behind the bracket, and behind
// an element.
const (
	opened    = `{"":[`
	openedOne = opened + `""`
)

// decodeUsual reads the array of log events that was peeked at, and hands the events on. It looks
// for them in what is inflated ahead, without a copy, and their texts are unescaped as they are
// found. What it does not find there in whole, or is anything else than a log event, it leaves to the
// decoder, with all that follows in the array: only that one tells what is wrong. The
// result is whether the end of the envelope was read, too.
func (d *Decoder) decodeUsual() (ended bool, err error) {
	if !d.src.takeBack(d.values.UnreadBuffer()) {
		return false, d.decodeEvents(&d.values, d.base)
	}
	before := jsonscan.New(d.src.ahead)
	before.Take(':')
	before.Take('[')
	d.src.advance(before.Offset())
	read := opened
	for {
		scan := jsonscan.New(d.src.ahead)
		if scan.Take(']') {
			if scan.Take('}') {
				d.src.advance(scan.Offset())
				d.resetValues("")
				return true, nil
			}
		} else if (read == opened || scan.Take(',')) && scan.Peek() == '{' && d.scanEvent(&scan) {
			d.src.advance(scan.Offset())
			if err := d.handleEvent(&d.usual); err != nil {
				return false, err
			}
			d.current = d.src.offset()
			read = openedOne
			continue
		}
		if !d.src.more() {
			break
		}
	}
	d.resetValues(read)
	for range strings.Count(read, `"`)/2 + len(`{[`) {
		if _, err := d.values.ReadToken(); err != nil {
			return false, err
		}
	}
	return false, d.decodeElements(&d.values, d.base)
}

// scanEvent reads the log event that a scanner is at into d.usual, which then refers to what
// is ahead. It returns false for what is none, or not there in whole.
func (d *Decoder) scanEvent(scan *jsonscan.Scanner) bool {
	ev := &d.usual
	ev.Message, ev.ExtractedFields = nil, nil // they are not its own
	ev.reset(&d.header.Header, d.userRecord, d.src.offset()+int64(scan.Offset()))
	scan.Take('{')
	if scan.Take('}') {
		return true
	}
	for {
		name, err := scan.Name()
		if err != nil {
			return false
		}
		if !d.scanMember(scan, eventField(name)) {
			return false
		}
		if !scan.Take(',') {
			return scan.Take('}')
		}
	}
}

// scanMember reads the value of a member into d.usual.
func (d *Decoder) scanMember(scan *jsonscan.Scanner, f field) bool {
	ev := &d.usual
	if f == fieldMessage {
		ev.Text, ev.Quotes = nil, nil
		if raw, ok := scan.Text(&d.text); ok {
			ev.Message, ev.Text, ev.Quotes = raw, d.text.Text, d.text.Quotes
			return true
		}
	}
	value, err := scan.Value()
	if err != nil {
		return false
	}
	raw := slices.Clip(value)
	if raw.Kind() == jsontext.KindNull {
		raw = nil
	}
	switch f {
	case fieldMessage:
		ev.Message = raw
	case fieldExtractedFields:
		ev.ExtractedFields = raw
	default:
		ev.set(f, value)
	}
	return true
}
