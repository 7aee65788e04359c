package apigateway

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxMembers is more than an access log can have: API Gateway accepts
	// templates of at most 3 KB.
	maxMembers = 256
	// maxDepth is how deep objects in an access log are looked into.
	maxDepth = 8
	// maxResolved bounds the names whose meaning is remembered.
	maxResolved = 4096
	// minKnown is how many variables an access log must have at least. The
	// smallest default template of the console has eight.
	minKnown = 4
)

// lambdaLogGroup begins the names of the log groups that only Lambda functions
// write to. What they log of a request is not an access log.
const lambdaLogGroup = "/aws/lambda/"

// errNotAccessLog ends the reading of an object that cannot be an access log.
var errNotAccessLog = errors.New("not an access log")

var lenient = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// attribute is one that is not in the list of variables.
type attribute struct {
	key, value []byte // key as text, value as JSON
}

// accessLog reads access logs in JSON. It is reused from message to message.
type accessLog struct {
	dec    jsontext.Decoder
	reader bytes.Reader

	message []byte
	clean   bool   // the message's strings can be copied as they are
	path    []byte // of the member being read
	members int

	resolved map[string]target // by path
	norm     []byte

	values  [][]byte // JSON by slot, nil where absent
	named   []bool   // by variable, whether or not it has a value
	extra   []attribute
	scratch []byte // backs converted values
	time    instant
	epoch   instant

	warnings warnings
}

// instant is a time in milliseconds since 1970.
type instant struct {
	millis int64
	ok     bool
}

func newAccessLog() *accessLog {
	return &accessLog{
		resolved: make(map[string]target),
		values:   make([][]byte, len(variables)),
		named:    make([]bool, len(variables)),
	}
}

// read reads a message and tells whether it is an access log. It is the
// caller's to say whether its strings need no repair. The error tells that
// the message is no JSON object.
func (a *accessLog) read(message []byte, clean bool) (bool, error) {
	a.message, a.clean = message, clean
	a.path, a.members = a.path[:0], 0
	clear(a.values)
	clear(a.named)
	a.extra, a.scratch = a.extra[:0], a.scratch[:0]
	a.time, a.epoch = instant{}, instant{}
	a.warnings = 0

	a.reader.Reset(message)
	a.dec.Reset(&a.reader, lenient)
	if err := a.readObject(1); err != nil {
		if errors.Is(err, errNotAccessLog) {
			return false, nil
		}
		return false, err
	}
	if _, err := a.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return false, errors.New("more than one JSON value")
	}
	return a.isAccessLog(), nil
}

// isAccessLog judges by what was found. API Gateway insists on a request id in
// every template; with the status and a name that only API Gateway uses, that
// leaves out what applications log about requests, whole Lambda events
// included: those have no status.
func (a *accessLog) isAccessLog() bool {
	if !a.named[requestIDVariable] && !a.named[extendedRequestIDVariable] {
		return false
	}
	if !a.named[statusVariable] {
		return false
	}
	known, marks := 0, 0
	for i, named := range a.named {
		if !named {
			continue
		}
		known++
		if variables[i].mark {
			marks++
		}
	}
	return known >= minKnown && marks > 0
}

// readObject reads an object whose path is a.path.
func (a *accessLog) readObject(depth int) error {
	if _, err := a.dec.ReadToken(); err != nil {
		return err
	}
	base := len(a.path)
	for a.dec.PeekKind() != jsontext.KindEndObject {
		name, err := a.dec.ReadValue()
		if err != nil {
			return err
		}
		if base > 0 {
			a.path = append(a.path, '.')
		}
		a.path = appendText(a.path, name)
		if err := a.readMember(depth); err != nil {
			return err
		}
		a.path = a.path[:base]
	}
	_, err := a.dec.ReadToken()
	return err
}

func (a *accessLog) readMember(depth int) error {
	if a.members++; a.members > maxMembers {
		return errNotAccessLog
	}
	if a.dec.PeekKind() == jsontext.KindBeginObject && depth < maxDepth {
		before := a.members
		if err := a.readObject(depth + 1); err != nil {
			return err
		}
		if a.members == before {
			return a.set(jsontext.Value("{}"))
		}
		return nil
	}
	value, err := a.dec.ReadValue()
	if err != nil {
		return err
	}
	// The decoder's buffer is overwritten by what it reads next, the
	// message is not.
	end := int(a.dec.InputOffset())
	return a.set(a.message[end-len(value) : end])
}

// target tells what the member at a.path stands for.
func (a *accessLog) target() target {
	t, ok := a.resolved[string(a.path)]
	if !ok {
		a.norm = appendNormalized(a.norm[:0], a.path)
		t = resolve(string(a.norm))
		if len(a.resolved) < maxResolved {
			a.resolved[string(a.path)] = t
		}
	}
	return t
}

// set takes the value of the member at a.path.
func (a *accessLog) set(raw jsontext.Value) error {
	t := a.target()
	if t.variable == unknownVariable {
		value := a.safe(raw)
		if t.prefix != customPrefix && isUnquoted(raw) {
			value = a.quote(raw)
		}
		a.setExtra(t, value)
		return nil
	}
	v := &variables[t.variable]
	if isAbsent(raw) || t.variable == basePathVariable && string(raw) == `"(none)"` {
		a.named[t.variable] = true
		return nil
	}
	value, ok := a.convert(v.as, raw)
	switch {
	case ok:
		a.named[t.variable] = true
	case t.variable == statusVariable:
		return errNotAccessLog
	default:
		a.warnings |= warnUnconverted
		a.setExtra(t, a.safe(raw))
		return nil
	}
	if t.variable == subjectVariable {
		a.addExtra(claimsPrefix, []byte("sub"), value)
	}
	switch slot := slots[t.variable]; {
	case value == nil: // a time
	case a.values[slot] == nil:
		a.values[slot] = value
	case t.variable == subjectVariable || bytes.Equal(a.values[slot], value):
	case v.as == asDigest:
		a.setExtra(t, value)
	default:
		a.setExtra(t, a.safe(raw))
	}
	return nil
}

// setExtra keeps a value under an attribute made from the member's path.
func (a *accessLog) setExtra(t target, value []byte) {
	if !isAbsent(value) {
		a.addExtra(t.prefix, pathWithout(a.path, t.skip), value)
	}
}

// addExtra keeps a value under an attribute of its own. A second value for the
// same attribute gets a number after its name.
func (a *accessLog) addExtra(prefix string, suffix, value []byte) {
	start := len(a.scratch)
	a.scratch = append(a.scratch, prefix...)
	a.scratch = append(a.scratch, suffix...)
	name := len(a.scratch)
	for n := 2; a.hasExtra(a.scratch[start:]); n++ {
		a.warnings |= warnRepeatedName
		a.scratch = append(a.scratch[:name], '#')
		a.scratch = appendInt(a.scratch, int64(n))
	}
	a.extra = append(a.extra, attribute{a.scratch[start:len(a.scratch):len(a.scratch)], value})
}

func (a *accessLog) hasExtra(key []byte) bool {
	for _, e := range a.extra {
		if bytes.Equal(e.key, key) {
			return true
		}
	}
	return false
}

// eventTime is when the request was received, if the log says so.
func (a *accessLog) eventTime() instant {
	if a.epoch.ok {
		return a.epoch
	}
	return a.time
}

// apiType tells the kind of API from which variables have a value.
func (a *accessLog) apiType() string {
	switch {
	case a.values[connectionVariable] != nil || a.values[eventTypeVariable] != nil:
		return "WEBSOCKET"
	case a.values[routeKeyVariable] != nil:
		return "HTTP"
	case a.values[routeVariable] != nil || isUUID(a.values[requestIDVariable]):
		return "REST"
	}
	return ""
}

// severity follows the status of the response.
func (a *accessLog) severity() string {
	status := a.values[statusVariable]
	switch {
	case status == nil:
		return ""
	case status[0] >= '5':
		return "ERROR"
	case status[0] == '4':
		return "WARN"
	}
	return "INFO"
}

// mayHoldAccessLogs tells by its name whether a log group can have access logs.
func mayHoldAccessLogs(logGroup string) bool {
	return !strings.HasPrefix(logGroup, lambdaLogGroup)
}
