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

// classify finds out what the message is. An access log is in w.access then.
func (w *eventWriter) classify(ev *envelope.Event) (message, warnings) {
	raw := ev.Message
	if len(raw) == 0 {
		return message{KindText, []byte("null")}, warnMessageMissing
	}
	clean := isClean(raw)
	var warned warnings
	if !clean && !utf8.Valid(raw) {
		warned |= warnInvalidUTF8
	}

	var text []byte // of the message, if it begins like a JSON object
	switch {
	case raw.Kind() != jsontext.KindString:
		warned |= warnMessageNotString
		text = raw
	case beginsObject(raw):
		w.message = appendText(w.message[:0], raw)
		text = w.message
	}
	if len(text) > 0 && text[firstNonSpace(text)] == '{' {
		m, more := w.classifyObject(text, clean)
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

// classifyObject finds out what a text is that begins like a JSON object. A
// text that is none after all is left to be passed on as it is.
func (w *eventWriter) classifyObject(text []byte, clean bool) (message, warnings) {
	if w.header.isAccess {
		isAccess, err := w.access.read(text, clean)
		if isAccess {
			return message{kind: KindAccess}, 0
		}
		if err != nil {
			var repaired bool
			if w.repaired, repaired = appendRepaired(w.repaired[:0], text); repaired {
				if isAccess, _ = w.access.read(w.repaired, clean); isAccess {
					return message{kind: KindAccess}, warnUnquotedDash
				}
			}
			return message{kind: KindText}, warnInvalidJSON
		}
	}
	var warned warnings
	if w.body, warned = w.appendObject(w.body[:0], text); warned&warnInvalidJSON != 0 {
		return message{kind: KindText}, warned
	}
	return message{KindJSON, w.body}, warned
}

// beginsObject tells whether the text of a JSON string begins with a brace,
// blanks aside.
func beginsObject(raw jsontext.Value) bool {
	text := raw[1:]
	for {
		text = bytes.TrimLeft(text, " ")
		if len(text) < 2 || text[0] != '\\' {
			return len(text) > 0 && text[0] == '{'
		}
		switch text[1] {
		case 'n', 'r', 't':
			text = text[2:]
		default:
			return false
		}
	}
}

func firstNonSpace(text []byte) int {
	return min(len(text)-1, len(text)-len(bytes.TrimLeft(text, " \t\r\n")))
}
