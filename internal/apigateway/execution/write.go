package execution

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Redactor replaces what must not be shown.
type Redactor interface {
	// Name tells whether the value of a header, JSON member or parameter of the name
	// must not be shown.
	Name(name []byte) bool
	// AppendText appends a text with what must not be shown in it replaced, and tells
	// how much was.
	AppendText(dst, text []byte) (out []byte, redacted int)
}

// memberWriter writes members of a JSON object, each with a comma before it. What is
// empty has no member.
type memberWriter struct {
	dst      []byte
	redactor Redactor
	redacted int // how much was replaced
	scratch  []byte

	warnings []string
	partial  []string // members whose value is not whole

	headers Map
	proxy   proxyEvent
}

// maxScratch is the largest buffer that is kept.
const maxScratch = 1 << 20

func (w *memberWriter) release() {
	w.dst, w.redactor = nil, nil
	clear(w.partial[:cap(w.partial)])
	for _, m := range []*Map{&w.headers, &w.proxy.last, &w.proxy.all} {
		entries := m.Entries[:cap(m.Entries)]
		for i := range entries {
			entries[i].Name = nil
			clear(entries[i].Values[:cap(entries[i].Values)])
		}
		if cap(m.Entries) > 1024 {
			*m = Map{}
		}
		m.reset()
	}
	for _, buf := range []*[]byte{&w.scratch, &w.proxy.text, &w.headers.names} {
		if cap(*buf) > maxScratch {
			*buf = nil
		}
	}
}

func (w *memberWriter) key(key string) {
	w.dst = append(append(append(w.dst, `,"`...), key...), `":`...)
}

// plain writes a text in which there can be nothing to redact.
func (w *memberWriter) plain(key string, value []byte) {
	if len(value) > 0 {
		w.key(key)
		w.quote(value)
	}
}

// constant writes a text of the package's own.
func (w *memberWriter) constant(key, value string) {
	w.key(key)
	w.dst = append(append(append(w.dst, '"'), value...), '"')
}

// text writes a text after redaction.
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

// body writes a body, with how much of it there is if that is not all.
func (w *memberWriter) body(prefix string, line *Line) {
	if line == nil {
		return
	}
	w.dst = append(append(append(w.dst, `,"`...), prefix...), `.content":`...)
	w.quote(w.redact(line.Value))
	w.dst = append(append(append(w.dst, `,"`...), prefix...), `.truncated":`...)
	w.dst = strconv.AppendBool(w.dst, line.Truncated)
	if line.Truncated {
		w.dst = append(append(append(w.dst, `,"`...), prefix...), `.captured_bytes":`...)
		w.dst = strconv.AppendInt(w.dst, int64(len(line.Value)), 10)
		w.partial = append(w.partial, prefix+".content")
	}
}

// entries writes a map, each name a member with an array of its values.
func (w *memberWriter) entries(prefix string, m *Map, kind MapKind) {
	for i := range m.Entries {
		e := &m.Entries[i]
		if kind == HeaderMap { // names are tokens
			w.dst = append(append(append(append(w.dst, `,"`...), prefix...), e.Name...), `":[`...)
		} else {
			w.scratch = append(append(w.scratch[:0], prefix...), e.Name...)
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
		name := prefix[:len(prefix)-1]
		if n := len(m.Entries); n > 0 {
			name = prefix + string(m.Entries[n-1].Name)
		}
		w.partial = append(w.partial, name)
	}
	if m.Guessed {
		w.warn(WarnMapGuessed)
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
	if w.redactor != nil && len(value) > 0 && w.redactor.Name(name) {
		w.dst = append(w.dst, `"[REDACTED:`...)
		w.dst = strconv.AppendInt(w.dst, int64(len(value)), 10)
		w.dst = append(w.dst, `]"`...)
		w.redacted++
		return
	}
	w.quote(w.redact(value))
}

func (w *memberWriter) redact(text []byte) []byte {
	if w.redactor == nil {
		return text
	}
	var n int
	w.scratch, n = w.redactor.AppendText(w.scratch[:0], text)
	w.redacted += n
	return w.scratch
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
