package apigateway

import "bytes"

// These stand for variables in forms that tell them by their place.
var (
	sourceIPTarget    = newTarget("identity.sourceIp")
	callerTarget      = newTarget("identity.caller")
	userTarget        = newTarget("identity.user")
	requestTimeTarget = newTarget("requestTime")
	methodTarget      = newTarget("httpMethod")
	pathTarget        = newTarget("path")
	resourceTarget    = newTarget("resourcePath")
	routeKeyTarget    = newTarget("routeKey")
	protocolTarget    = newTarget("protocol")
	statusTarget      = newTarget("status")
	lengthTarget      = newTarget("responseLength")
	requestIDTarget   = newTarget("requestId")
	extendedIDTarget  = newTarget("extendedRequestId")
	eventTypeTarget   = newTarget("eventType")
	connectionTarget  = newTarget("connectionId")
	trailingTarget    = &target{variable: unknownVariable, prefix: customPrefix, name: []byte("trailing_text")}
)

func newTarget(variable string) *target {
	t := variableTarget(variable)
	return &t
}

// consoleLine holds the values of a line in one of the console's forms.
type consoleLine struct {
	sourceIP, caller, user, time []byte
	// method, route and protocol are those of a request; of a WebSocket message
	// they are event type, route key and connection id.
	method, route, protocol []byte
	status, length          []byte
	requestID, extendedID   []byte
	trailing                []byte // what follows the last value that the console knows
	isWebSocket             bool
}

// readCLF reads a line in the common log format and tells whether it is an
// access log of API Gateway. Web servers write that format, too, so the ids
// behind the length decide. A UUID alone does not, since others log such request
// ids as well: then the log stream has to have a name that API Gateway gives.
func (a *accessLog) readCLF(text []byte, isAccessStream bool) bool {
	var l consoleLine
	if !l.parseCLF(text) {
		return false
	}
	switch {
	case isExtendedRequestID(l.requestID), isReplacedID(l.requestID):
	case l.isWebSocket:
		return false
	case isExtendedRequestID(l.extendedID):
	case !isAccessStream || !isUUID(l.requestID):
		return false
	}
	a.setLine(&l)
	return true
}

// parseCLF takes a line apart:
//
//	ip caller user [time] "method route protocol" status length request-id [extended-id] [text]
//	ip caller user [time] "event route connection" status request-id [extended-id] [text]
func (l *consoleLine) parseCLF(text []byte) bool {
	f := fields{text}
	l.sourceIP, l.caller, l.user = f.next(), f.next(), f.next()
	if !isAddress(l.sourceIP) || len(f.rest) < 2+clockLength || f.rest[0] != '[' || f.rest[1+clockLength] != ']' {
		return false
	}
	l.time = f.rest[1 : 1+clockLength]
	f.skip(2 + clockLength)
	if _, ok := parseRequestTime(l.time); !ok || len(f.rest) == 0 || f.rest[0] != '"' {
		return false
	}
	request, ok := f.request()
	if !ok || !l.parseRequest(request) {
		return false
	}
	l.status = f.next()
	if !l.isWebSocket {
		if l.length = f.next(); !isCount(l.length) {
			return false
		}
	}
	l.requestID = f.next()
	before := f
	if l.extendedID = f.next(); !isExtendedRequestID(l.extendedID) && !isDash(l.extendedID) {
		l.extendedID, f = nil, before
	}
	l.trailing = f.rest
	return true
}

// parseRequest takes apart what stands between quotes. The console's template
// for WebSocket APIs has a connection id at the end, which some leave out.
func (l *consoleLine) parseRequest(request []byte) bool {
	method, rest, ok := bytes.Cut(request, []byte{' '})
	if !ok {
		return false
	}
	l.method, l.route = method, rest
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		l.route, l.protocol = rest[:i], rest[i+1:]
	}
	if isEventType(method) && !isProtocol(l.protocol) {
		l.isWebSocket = true
		return len(l.route) > 0
	}
	return (isDash(method) || isMethod(method)) && (isDash(l.protocol) || isProtocol(l.protocol))
}

// setLine takes the values of a line that is an access log.
func (a *accessLog) setLine(l *consoleLine) {
	a.begin(true)
	set := func(t *target, value []byte) {
		if len(value) > 0 {
			_ = a.setText(t, value) // a status was looked at before
		}
	}
	set(requestTimeTarget, l.time)
	set(requestIDTarget, l.requestID)
	set(extendedIDTarget, l.extendedID)
	set(sourceIPTarget, l.sourceIP)
	set(callerTarget, l.caller)
	set(userTarget, l.user)
	set(statusTarget, l.status)
	set(lengthTarget, l.length)
	if l.isWebSocket {
		set(eventTypeTarget, l.method)
		set(routeKeyTarget, l.route)
		set(connectionTarget, l.protocol)
	} else {
		set(methodTarget, l.method)
		set(l.routeTarget(), l.route)
		set(protocolTarget, l.protocol)
	}
	set(trailingTarget, l.trailing)
}

// routeTarget tells what stands in the place of the route: the template of a
// resource in the logs of REST APIs; in those of HTTP APIs the route's key, which
// begins with a method of its own, or the path where somebody wanted that.
func (l *consoleLine) routeTarget() *target {
	switch {
	case len(l.route) == 0 || l.route[0] != '/':
		return routeKeyTarget
	case isExtendedRequestID(l.requestID):
		return pathTarget
	}
	return resourceTarget
}

// fields cuts a text at its blanks.
type fields struct{ rest []byte }

// next is the text up to the next blanks, without them.
func (f *fields) next() []byte {
	n := bytes.IndexByte(f.rest, ' ')
	if n < 0 {
		n = len(f.rest)
	}
	field := f.rest[:n]
	f.skip(n)
	return field
}

// skip skips bytes and the blanks behind them.
func (f *fields) skip(n int) { f.rest = bytes.TrimLeft(f.rest[n:], " ") }

// request is the text between the quotes that f begins with. A path may hold
// quotes, so only one with a status behind it ends the text.
func (f *fields) request() (request []byte, ok bool) {
	for at := 1; ; {
		n := bytes.IndexByte(f.rest[at:], '"')
		if n < 0 {
			return nil, false
		}
		at += n
		if behind := (fields{f.rest[at+1:]}); bytes.HasPrefix(behind.rest, []byte{' '}) {
			behind.skip(0)
			if after := behind; isStatus(after.next()) {
				request, *f = f.rest[1:at], behind
				return request, true
			}
		}
		at++
	}
}

func isDash(text []byte) bool { return len(text) == 1 && text[0] == '-' }

func isCount(text []byte) bool { return isDash(text) || isDigits(text) }

// isStatus tells whether text is a status, or none.
func isStatus(text []byte) bool {
	return isDash(text) || len(text) == 3 && '1' <= text[0] && text[0] <= '9' && isDigits(text)
}

func isProtocol(text []byte) bool { return bytes.HasPrefix(text, []byte("HTTP/")) }

func isEventType(text []byte) bool {
	switch string(text) {
	case "CONNECT", "MESSAGE", "DISCONNECT":
		return true
	}
	return false
}

// isAddress tells whether text looks like an IP address, or none.
func isAddress(text []byte) bool {
	for _, c := range text {
		if !isHexDigit(c) && (c < 'A' || 'F' < c) && c != '.' && c != ':' && c != '-' {
			return false
		}
	}
	return len(text) > 0
}
