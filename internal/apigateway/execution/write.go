package execution

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// Shown is how much of what the lines say is shown. The zero value shows all.
type Shown struct {
	Redactor *redact.Redactor
	Bodies   redact.Bodies
}

// memberWriter writes members of a JSON object, each with a comma before it. What is
// empty has no member.
type memberWriter struct {
	dst      []byte
	shown    Shown
	redacted int    // how much was replaced
	scratch  []byte // name of a member
	clear    []byte // text without secrets

	warnings []string
	partial  []string // members whose value is not whole

	headers Map
	proxy   proxyEvent
}

// maxScratch is the largest buffer that is kept.
const maxScratch = 1 << 20

func (w *memberWriter) release() {
	w.dst, w.shown = nil, Shown{}
	clear(w.partial[:cap(w.partial)])
	for _, m := range []*Map{&w.headers, &w.proxy.last, &w.proxy.all} {
		entries := m.Entries[:cap(m.Entries)]
		for i := range entries {
			entries[i].Name, entries[i].written = nil, nil
			clear(entries[i].Values[:cap(entries[i].Values)])
		}
		if cap(m.Entries) > 1024 {
			*m = Map{}
		}
		m.reset()
	}
	for _, buf := range []*[]byte{&w.scratch, &w.clear, &w.proxy.text, &w.headers.names} {
		if cap(*buf) > maxScratch {
			*buf = nil
		}
	}
}

func (w *memberWriter) key(key string) {
	w.dst = append(append(append(w.dst, `,"`...), key...), `":`...)
}

// constant writes a text of the package's own.
func (w *memberWriter) constant(key, value string) {
	w.key(key)
	w.dst = append(append(append(w.dst, '"'), value...), '"')
}

// text writes a text after redaction. There is none that needs it not: clients send
// what becomes an address or a request id, and nobody can tell what else.
func (w *memberWriter) text(key string, value []byte) {
	if len(value) > 0 {
		w.key(key)
		w.quote(w.redact(value))
	}
}

// named writes the value of something that has the name in the outside world.
func (w *memberWriter) named(key, name string, value []byte) {
	if len(value) > 0 {
		w.key(key)
		w.value([]byte(name), value)
	}
}

func (w *memberWriter) number(key string, n int64) {
	w.key(key)
	w.dst = strconv.AppendInt(w.dst, n, 10)
}

func (w *memberWriter) boolean(key string, b bool) {
	w.key(key)
	w.dst = strconv.AppendBool(w.dst, b)
}

// status writes an HTTP status, if there is one.
func (w *memberWriter) status(key string, status int) {
	if status >= minStatus {
		w.number(key, int64(status))
	}
}

// strings writes an array of constants, if there are any.
func (w *memberWriter) strings(key string, values []string) {
	if len(values) == 0 {
		return
	}
	w.key(key)
	separator := byte('[')
	for _, value := range values {
		w.dst = append(w.dst, separator)
		w.quote([]byte(value))
		separator = ','
	}
	w.dst = append(w.dst, ']')
}

// body writes a body as far as it is shown, with how much of it there is if that is not
// all.
func (w *memberWriter) body(prefix string, line *Line) {
	if line == nil {
		return
	}
	kept, left := w.cut(line.Value)
	if len(kept) > 0 || left == 0 {
		w.dst = append(append(append(w.dst, `,"`...), prefix...), `.content":`...)
		w.quote(kept)
	}
	if left > 0 {
		w.dst = append(append(append(w.dst, `,"`...), prefix...), `.dropped_bytes":`...)
		w.dst = strconv.AppendInt(w.dst, int64(left), 10)
	}
	w.dst = append(append(append(w.dst, `,"`...), prefix...), `.truncated":`...)
	w.dst = strconv.AppendBool(w.dst, line.Truncated)
	if line.Truncated {
		w.dst = append(append(append(w.dst, `,"`...), prefix...), `.captured_bytes":`...)
		w.dst = strconv.AppendInt(w.dst, int64(len(line.Value)), 10)
		w.partial = append(w.partial, prefix+".content")
	}
}

// cut is what is shown of a body, without secrets, and how many bytes are left out.
func (w *memberWriter) cut(body []byte) (kept []byte, left int) {
	if w.shown.Bodies.Drop {
		return nil, len(body)
	}
	body = w.redact(body)
	kept = w.shown.Bodies.Cut(body)
	return kept, len(body) - len(kept)
}

// rest writes the text of a line that no other member is made from, as an element.
func (w *memberWriter) rest(line *Line) {
	text := line.Text
	if at := len(text) - len(line.Value); line.Kind.isBody() && at >= 0 && bytes.Equal(text[at:], line.Value) {
		if kept, left := w.cut(line.Value); left > 0 {
			w.scratch = append(append(w.scratch[:0], text[:at]...), kept...)
			w.scratch = strconv.AppendInt(append(w.scratch, " [DROPPED:"...), int64(left), 10)
			w.quote(append(w.scratch, ']'))
			return
		}
	}
	w.quote(w.redact(text))
}

// entries writes a map, each name a member with an array of its values.
func (w *memberWriter) entries(prefix string, m *Map, kind MapKind) {
	partial := prefix[:len(prefix)-1]
	for i := range m.Entries {
		e := &m.Entries[i]
		name := w.name(m, i)
		if m.Partial && i == len(m.Entries)-1 {
			partial = prefix + string(name)
		}
		if kind == HeaderMap { // names are tokens
			w.dst = append(append(append(append(w.dst, `,"`...), prefix...), name...), `":[`...)
		} else {
			w.scratch = append(append(w.scratch[:0], prefix...), name...)
			w.dst = append(w.dst, ',')
			w.quote(w.scratch)
			w.dst = append(w.dst, `:[`...)
		}
		for j, value := range e.Values {
			if j > 0 {
				w.dst = append(w.dst, ',')
			}
			w.value(e.Name, value)
		}
		w.dst = append(w.dst, ']')
	}
	if m.Partial {
		w.partial = append(w.partial, partial)
	}
	if m.Guessed {
		w.warn(WarnMapGuessed)
	}
}

// name is the name of an entry. One that is a secret itself gives way to where it
// stands: as placeholders, two could be the same. Some secrets are known by capitals,
// so it is looked at as it was written.
func (w *memberWriter) name(m *Map, i int) []byte {
	const instead = "redacted-"
	var n int
	if w.clear, n = w.shown.Redactor.RedactText(w.clear[:0], m.Entries[i].written); n == 0 {
		return m.Entries[i].Name
	}
	w.redacted += n
	for number := i; ; number += len(m.Entries) {
		w.clear = strconv.AppendInt(append(w.clear[:0], instead...), int64(number), 10)
		if m.find(w.clear) < 0 {
			return w.clear
		}
	}
}

// maps writes the map of a line. It returns false if that is none.
func (w *memberWriter) maps(prefix string, line *Line, kind MapKind) bool {
	if line == nil || isNoMap(line.Value) {
		return true
	}
	if !w.headers.parse(line.Value, kind, line.Truncated) {
		return false
	}
	w.entries(prefix, &w.headers, kind)
	return true
}

// isNoMap tells that there is no map where there could be one.
func isNoMap(text []byte) bool { return len(text) == 0 || string(text) == "null" }

// value writes a value by its name: redacted as a whole or where needed.
func (w *memberWriter) value(name, value []byte) {
	if w.shown.Redactor.Class(name).Covers(value) {
		w.dst = append(w.dst, `"[REDACTED:`...)
		w.dst = strconv.AppendInt(w.dst, int64(len(value)), 10)
		w.dst = append(w.dst, `]"`...)
		w.redacted++
		return
	}
	w.quote(w.redact(value))
}

// redact is a text without the secrets in it, until the next call.
func (w *memberWriter) redact(text []byte) []byte {
	var n int
	if w.clear, n = w.shown.Redactor.RedactText(w.clear[:0], text); n == 0 {
		return text
	}
	w.redacted += n
	return w.clear
}

// quote appends a JSON string, with invalid UTF-8 replaced; that is all its error
// would tell.
func (w *memberWriter) quote(text []byte) {
	w.dst, _ = jsontext.AppendQuote(w.dst, text)
}

func (w *memberWriter) warn(warning string) {
	if !slices.Contains(w.warnings, warning) {
		w.warnings = append(w.warnings, warning)
	}
}
