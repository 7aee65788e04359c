package apigateway

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
)

// message is what a log event's message was found to be.
type message struct {
	kind Kind
	body []byte // JSON, for all but access logs
}

// messageText is the text of a message.
type messageText struct {
	bytes  []byte
	clean  bool  // no string of JSON that it may be needs repair
	quotes []int // of [jsonscan.Unescaped], where they are known
}

// classify finds out what the message is. An access log is in w.access then.
func (w *eventWriter) classify(ev *envelope.Event) (message, warnings) {
	raw := ev.Message
	if len(raw) == 0 {
		return message{KindText, []byte("null")}, warnMessageMissing
	}
	valid := ev.Text != nil || utf8.Valid(raw)
	clean := ev.Text != nil
	var quotes []int
	var warned warnings
	if !valid {
		warned |= warnInvalidUTF8
	}

	g := w.header.group
	var text []byte // of the message, if it is worth a closer look
	switch {
	case raw.Kind() != jsontext.KindString:
		warned |= warnMessageNotString
		text, clean = raw, isClean(raw)
	case len(g.templates) > 0 || mayBeAccessLine(raw):
		switch {
		case clean:
			text, quotes = ev.Text, ev.Quotes
		case valid:
			w.message, clean = appendMessage(w.message[:0], raw)
			text = w.message
		default:
			w.message = appendText(w.message[:0], raw)
			text = w.message
		}
	default:
		clean = clean || valid && isClean(raw)
	}
	if len(text) > 0 {
		m, more := w.classifyText(g, messageText{text, clean, quotes})
		warned |= more
		if m.kind != KindText {
			return m, warned
		}
	}
	if raw.Kind() != jsontext.KindString {
		w.body = appendQuoted(w.body[:0], raw)
		return message{KindText, w.body}, warned
	}
	if clean {
		return message{KindText, raw}, warned
	}
	var replaced bool
	if w.body, replaced = appendSafeString(w.body[:0], raw); replaced {
		warned |= warnInvalidUTF8
	}
	return message{KindText, w.body}, warned
}

// textOf is the text of a message that is a string, which is in the buffer if it was not known.
func textOf(ev *envelope.Event, buffer []byte) (text, used []byte) {
	if ev.Text != nil {
		return ev.Text, buffer
	}
	buffer = appendText(buffer[:0], ev.Message)
	return buffer, buffer
}

// classifyText finds out what a text is: an access log by the templates of its
// log group, an access log by its looks, a JSON object, or none of these, which
// is left to be passed on as it is.
func (w *eventWriter) classifyText(g *logGroup, text messageText) (message, warnings) {
	for _, t := range g.templates {
		if w.access.readBy(t, text) {
			return message{kind: KindAccess}, 0
		}
	}
	var warned warnings
	if len(g.templates) > 0 {
		warned |= warnTemplateMismatch
	}
	if text.bytes[firstNonSpace(text.bytes)] == '{' {
		m, more := w.classifyObject(g, text)
		return m, warned | more
	}
	if g.isAccess && w.detect(g, text.bytes) {
		return message{kind: KindAccess}, warned
	}
	return message{kind: KindText}, warned
}

// classifyObject finds out what a text is that begins like a JSON object. A
// text that is none after all is left to be passed on as it is.
func (w *eventWriter) classifyObject(g *logGroup, text messageText) (message, warnings) {
	if g.isAccess {
		isAccess, err := w.access.readJSON(text)
		if isAccess {
			return message{kind: KindAccess}, 0
		}
		if err != nil {
			return message{kind: KindText}, warnInvalidJSON
		}
	}
	var warned warnings
	if w.body, warned = w.appendObject(w.body[:0], text.bytes); warned&warnInvalidJSON != 0 {
		return message{kind: KindText}, warned
	}
	return message{KindJSON, w.body}, warned
}

func firstNonSpace(text []byte) int {
	return min(len(text)-1, len(text)-len(bytes.TrimLeft(text, " \t\r\n")))
}
