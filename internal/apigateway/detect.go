package apigateway

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// form is one of the forms of access logs that no brace begins. Which one a line
// has is a matter of the line alone.
type form uint8

const (
	formUnknown form = iota
	formCLF
	formCSV
)

// maxGroups bounds the log groups that something is remembered of, maxGroupName their
// names: CloudWatch Logs allows 512 characters.
const maxGroups, maxGroupName = 4096, 2048

// logGroup is what is known of a log group.
type logGroup struct {
	templates []*accessTemplate
	isAccess  bool // it may hold access logs of templates that nobody configured
	// form is the one that the last message had. It is tried first, which saves
	// time and changes nothing else.
	form form
}

// groupOf finds what is known of a log group.
func (w *eventWriter) groupOf(name string) *logGroup {
	g, ok := w.groups[name]
	if !ok {
		if len(w.groups) >= maxGroups {
			clear(w.groups)
		}
		g = &logGroup{templates: w.templates.forGroup(name), isAccess: mayHoldAccessLogs(name)}
		if len(name) <= maxGroupName {
			w.groups[name] = g
		}
	}
	return g
}

// trimLine leaves out what may stand around a line. Any other white space is of a value that
// is there.
func trimLine(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }

// detect tells whether a message that is no JSON is an access log in one of the
// forms that the console of API Gateway offers.
func (w *eventWriter) detect(g *logGroup, text []byte) bool {
	text = trimLine(text)
	if len(text) == 0 {
		return false
	}
	if text[0] == '<' {
		return w.access.readXML(text)
	}
	if g.form != formUnknown && w.readForm(g.form, text) {
		return true
	}
	for _, f := range [...]form{formCLF, formCSV} {
		if f != g.form && w.readForm(f, text) {
			g.form = f
			return true
		}
	}
	g.form = formUnknown
	return false
}

func (w *eventWriter) readForm(f form, text []byte) bool {
	if f == formCLF {
		return w.access.readCLF(text, w.header.isAccessStream)
	}
	return w.access.readCSV(text)
}

// mayBeAccessLine tells by the beginning of a message, a JSON string, whether it
// is worth a closer look: an object, an element, or an address of a client.
func mayBeAccessLine(raw jsontext.Value) bool {
	text := raw[1 : len(raw)-1]
	for {
		text = bytes.TrimLeft(text, " ")
		if len(text) == 0 {
			return false
		}
		switch text[0] {
		case '{', '<', '-', ':':
			return true
		case '\\':
			if c := text[1]; c != 'n' && c != 'r' && c != 't' {
				return c == '"' || c == 'u' // a quoted field, or who knows
			}
			text = text[2:]
		default:
			return isHexDigit(text[0])
		}
	}
}
