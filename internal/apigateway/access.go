package apigateway

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/template"
)

const (
	// maxMembers is more than an access log can have: API Gateway accepts
	// templates of at most 3 KB.
	maxMembers = 256
	// maxDepth is how deep objects in an access log are looked into.
	maxDepth = 8
	// maxResolved and maxResolvedName bound the names whose meaning is
	// remembered, in number and in bytes.
	maxResolved     = 4096
	maxResolvedName = 256
	// minKnown is how many variables an access log must have at least. The
	// smallest default template of the console has eight.
	minKnown = 4
)

// lambdaLogGroup begins the names of the log groups that only Lambda functions
// write to. What they log of a request is not an access log.
const lambdaLogGroup = "/aws/lambda/"

// attribute is one that is not in the list of variables.
type attribute struct {
	key, value []byte // key as text, value as JSON
}

// accessLog holds the values of an access log, whatever its form. It is reused
// from message to message.
type accessLog struct {
	json     jsonscan.Scanner
	clean    bool   // the message's strings can be copied as they are
	path     []byte // of the member being read
	members  int
	repaired []byte

	unescaped bool // no backslash is in the message

	resolved map[string]*target // by path
	order    []*target          // of the last message, by number of the member
	norm     []byte

	template *accessTemplate // that the members are read by, or nil
	listed   int             // members that the template has
	unlisted int             // and that it does not have
	spans    []template.Span

	values  [][]byte    // JSON by slot, nil where absent
	present variableSet // slots that have a value, or had one
	named   variableSet // whether or not they have a value
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
		resolved: make(map[string]*target),
		values:   make([][]byte, len(variables)),
	}
}

// begin forgets the message before. It is the caller's to say whether the
// strings of JSON in this one need no repair.
func (a *accessLog) begin(clean bool) {
	a.clean, a.unescaped = clean, false
	a.path, a.members = a.path[:0], 0
	a.template, a.listed, a.unlisted = nil, 0, 0
	for id := range a.present.all() {
		a.values[id] = nil
	}
	a.present, a.named = variableSet{}, variableSet{}
	a.extra, a.scratch = a.extra[:0], a.scratch[:0]
	a.time, a.epoch = instant{}, instant{}
	a.warnings = 0
}

// release lets go of the message and of outsized buffers.
func (a *accessLog) release() {
	for _, buf := range []*[]byte{&a.scratch, &a.repaired} {
		if cap(*buf) > maxRetained {
			*buf = nil
		}
	}
	a.json = jsonscan.Scanner{}
	clear(a.values)
	a.present = variableSet{}
}

// put gives a slot its value.
func (a *accessLog) put(slot varID, value []byte) {
	a.values[slot] = value
	a.present.add(slot)
}

// isAccessLog judges by what was found. API Gateway insists on a request id in
// every template; with the status and a name that only API Gateway uses, that
// leaves out what applications log about requests, whole Lambda events
// included: those have no status.
func (a *accessLog) isAccessLog() bool {
	return a.identified() && a.named.has(statusVariable) && a.named.len() >= minKnown && a.named.meets(&marks)
}

// identified tells whether the message names a request.
func (a *accessLog) identified() bool {
	return a.named.has(requestIDVariable) || a.named.has(extendedRequestIDVariable)
}

// target tells what the member at a.path stands for. Members mostly come in the
// same order as in the message before, and comparing is faster than looking up.
func (a *accessLog) target() *target {
	for len(a.order) <= a.members {
		a.order = append(a.order, &custom)
	}
	last := &a.order[a.members]
	if len(a.path) > 0 && bytes.Equal((*last).path, a.path) {
		return *last
	}
	if t, ok := a.resolved[string(a.path)]; ok {
		*last = t
		return t
	}
	a.norm = appendNormalized(a.norm[:0], a.path)
	t := resolve(string(a.norm))
	if len(a.resolved) < maxResolved && len(a.path) <= maxResolvedName {
		t.path = bytes.Clone(a.path)
		if quoted := appendQuoted(nil, t.path); len(quoted) == len(t.path)+2 {
			t.member = string(quoted) + ":"
		}
		a.resolved[string(t.path)] = &t
	}
	return &t
}

// setText takes a value that is text as it stands.
func (a *accessLog) setText(t *target, text []byte) error {
	return a.assign(t, a.quote(text))
}

// assign puts a value where it belongs.
func (a *accessLog) assign(t *target, raw jsontext.Value) error {
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
		a.named.add(t.variable)
		return nil
	}
	value, ok := a.convert(v.as, raw)
	switch {
	case ok:
		a.named.add(t.variable)
	case t.variable == statusVariable && a.template == nil:
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
		a.put(slot, value)
	case t.variable == subjectVariable || bytes.Equal(a.values[slot], value):
	case v.as == asDigest:
		a.setExtra(t, value)
	default:
		a.setExtra(t, a.safe(raw))
	}
	return nil
}

// setExtra keeps a value under an attribute made from the variable's name or,
// where that is not known, from the member's path.
func (a *accessLog) setExtra(t *target, value []byte) {
	if isAbsent(value) {
		return
	}
	name := t.name
	switch {
	case name != nil:
	case t.path != nil:
		name = t.path
	default:
		name = a.path
	}
	a.addExtra(t.prefix, pathWithout(name, t.skip), value)
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
	case a.values[routeVariable] != nil || isRESTRequestID(stringText(a.values[requestIDVariable])):
		return "REST"
	}
	return ""
}

// settle decides what depends on the kind of API: $context.integrationStatus is
// the status of the service that was called in the logs of a REST API, and in
// the others the same as $context.integration.status.
func (a *accessLog) settle() {
	value := a.values[integrationStatusVariable]
	if value == nil {
		return
	}
	a.values[integrationStatusVariable] = nil
	slot := serviceStatusVariable
	if kind := a.apiType(); kind == "HTTP" || kind == "WEBSOCKET" {
		slot = functionStatusVariable
	}
	switch {
	case a.values[slot] == nil:
		a.put(slot, value)
	case !bytes.Equal(a.values[slot], value):
		a.addExtra(customPrefix, []byte("integrationStatus"), value)
	}
}

// stringText is that of a JSON string without escapes, or nil.
func stringText(raw []byte) []byte {
	if len(raw) < 2 {
		return nil
	}
	return raw[1 : len(raw)-1]
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
