package execution

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// proxyEvent is what is read of the event that a proxy integration sends to a Lambda
// function. It is JSON, so it is exact for as long as it was not cut off.
type proxyEvent struct {
	dec    jsontext.Decoder
	source bytes.Reader

	text     []byte // backs names and values
	resource []byte // template of the path, empty if not there
	// last has the last value of each header, all has all of them. They are used only
	// if they were read to their end.
	last, all           Map
	wholeLast, wholeAll bool
}

// begin of the event of a proxy integration of a REST API.
const proxyBegin = `{"resource":"`

var lenientJSON = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// read reads a body. One that is no such event leaves it empty.
func (p *proxyEvent) read(body []byte) {
	p.text, p.resource = p.text[:0], nil
	p.wholeLast, p.wholeAll = false, false
	if _, ok := cut(body, proxyBegin); !ok {
		return
	}
	p.source.Reset(body)
	p.dec.Reset(&p.source, lenientJSON)
	// An error is the end of a body that was cut off: what came before it counts.
	_ = p.readMembers()
	p.source.Reset(nil)
}

func (p *proxyEvent) readMembers() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() == jsontext.KindString {
		name, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		switch string(name) {
		case `"resource"`:
			value, err := p.dec.ReadValue()
			if err != nil {
				return err
			}
			p.resource = p.keep(value)
		case `"headers"`:
			if p.wholeLast, err = p.readHeaders(&p.last); err != nil {
				return err
			}
		case `"multiValueHeaders"`:
			p.wholeAll, err = p.readHeaders(&p.all)
			return err // nothing is looked for behind them
		case `"body"`:
			return nil
		default:
			if err := p.dec.SkipValue(); err != nil {
				return err
			}
		}
	}
	return nil
}

// readHeaders reads an object of headers, whose values are strings or arrays of
// strings, and tells that it was one.
func (p *proxyEvent) readHeaders(headers *Map) (bool, error) {
	headers.reset()
	if p.dec.PeekKind() != jsontext.KindBeginObject {
		return false, p.dec.SkipValue()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return false, err
	}
	for p.dec.PeekKind() == jsontext.KindString {
		name, err := p.dec.ReadValue()
		if err != nil {
			return false, err
		}
		text := p.keep(name)
		if !isHeaderName(text) {
			return false, errNoHeader
		}
		if err := p.readHeader(headers, text); err != nil {
			return false, err
		}
	}
	_, err := p.dec.ReadToken()
	return err == nil, err
}

// errNoHeader ends the reading of what only looks like the event of a proxy integration,
// as a client's own body can.
var errNoHeader = errors.New("not the name of a header")

// isHeaderName tells whether a text can be the name of a header.
func isHeaderName(text []byte) bool {
	for _, c := range text {
		if !headerName[c] {
			return false
		}
	}
	return len(text) > 0
}

// readHeader reads the value of a header or an array of its values.
func (p *proxyEvent) readHeader(headers *Map, name []byte) error {
	isArray := p.dec.PeekKind() == jsontext.KindBeginArray
	if isArray {
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
	}
	for !isArray || p.dec.PeekKind() != jsontext.KindEndArray {
		value, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		if value.Kind() == jsontext.KindString {
			headers.add(name, p.keep(value), HeaderMap)
		}
		if !isArray {
			return nil
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// keep copies the text of a JSON string out of the decoder's memory.
func (p *proxyEvent) keep(raw jsontext.Value) []byte {
	start := len(p.text)
	switch {
	case raw.Kind() != jsontext.KindString:
		return nil
	case bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw):
		p.text = append(p.text, raw[1:len(raw)-1]...)
	default:
		p.text, _ = jsontext.AppendUnquote(p.text, raw) // the error tells what was replaced
	}
	return p.text[start:len(p.text):len(p.text)]
}

// isMasked tells that API Gateway has masked a value.
func isMasked(value []byte) bool { return bytes.HasPrefix(value, []byte("**")) }

// refine makes headers that were read by rule of thumb exact by those of the proxy
// event, if these are whole. What API Gateway has masked stays masked, whether or not
// the event of the function has it in clear.
func (p *proxyEvent) refine(read *Map) *Map {
	exact := &p.all
	switch {
	case p.wholeAll:
	case p.wholeLast:
		exact = &p.last
	default:
		return read
	}
	for i := range read.Entries {
		e := &read.Entries[i]
		at := exact.find(e.Name)
		masked := isMasked(e.Values[0])
		switch {
		case at >= 0 && (masked || !p.wholeAll && len(e.Values) > 1 && !read.isLastPartial(i)):
			exact.Entries[at].Values = append(exact.Entries[at].Values[:0], e.Values...)
		case at < 0 && masked:
			for _, value := range e.Values {
				exact.add(e.Name, value, HeaderMap)
			}
		}
	}
	return exact
}
