package apigateway

import "bytes"

// maxFields is how many fields of a line are told apart: more than any form has.
const maxFields = 12

// readCSV reads a line of comma-separated values and tells whether it is an
// access log of API Gateway:
//
//	ip,caller,user,time,method,path,protocol,status,length,request-id[,extended-id]
//	ip,time,method,route,protocol,status,length,request-id[,extended-id]
//	ip,caller,user,time,event,route,connection,status,request-id[,extended-id]
//
// The time tells which. No other server is known to write any of these.
func (a *accessLog) readCSV(text []byte) bool {
	var buf [maxFields]csvField
	f := splitCSV(buf[:0], text)
	var l consoleLine
	if !l.parseCSV(f) {
		return false
	}
	a.setLine(&l)
	return true
}

func (l *consoleLine) parseCSV(f []csvField) bool {
	const shortest = 8
	if len(f) < shortest || !isAddress(f[0].value) {
		return false
	}
	l.sourceIP = f[0].value
	next := 3
	if _, ok := parseRequestTime(f[1].value); ok {
		next = 1
	} else {
		l.caller, l.user = f[1].value, f[2].value
	}
	l.time = f[next].value
	if _, ok := parseRequestTime(l.time); !ok {
		return false
	}
	f = f[next+1:]
	if len(f) < 5 {
		return false
	}
	l.method, l.route, l.protocol, l.status = f[0].value, f[1].value, f[2].value, f[3].value
	l.isWebSocket = isEventType(l.method) && !isProtocol(l.protocol)
	if f = f[4:]; !l.isWebSocket {
		isHTTP := (isDash(l.method) || isMethod(l.method)) && (isDash(l.protocol) || isProtocol(l.protocol))
		if l.length = f[0].value; !isHTTP || !isCount(l.length) {
			return false
		}
		f = f[1:]
	}
	if !isStatus(l.status) || len(f) == 0 {
		return false
	}
	l.requestID = f[0].value
	if !isExtendedRequestID(l.requestID) && (l.isWebSocket || !isRESTRequestID(l.requestID)) {
		return false
	}
	if f = f[1:]; len(f) > 0 && (isExtendedRequestID(f[0].value) || isDash(f[0].value)) {
		l.extendedID = f[0].value
		f = f[1:]
	}
	if len(f) > 0 {
		l.trailing = f[0].onward
	}
	return true
}

// csvField is a field and what stands from there on.
type csvField struct{ value, onward []byte }

// splitCSV cuts a line at its commas, as far as fields has room. Quotes around a
// value are dropped; since API Gateway does not escape those within a value, one
// only ends it where a comma or the end follows.
func splitCSV(fields []csvField, text []byte) []csvField {
	for len(fields) < cap(fields) {
		text = bytes.TrimLeft(text, " ")
		field := csvField{onward: text}
		end := bytes.IndexByte(text, ',')
		if len(text) > 1 && text[0] == '"' {
			if n := closingQuote(text); n > 0 {
				field.value = text[1:n]
				end = n + 1
				if end == len(text) {
					end = -1
				}
				fields = append(fields, field)
				if end < 0 {
					return fields
				}
				text = text[end+1:]
				continue
			}
		}
		if end < 0 {
			field.value = text
			return append(fields, field)
		}
		field.value = text[:end]
		fields = append(fields, field)
		text = text[end+1:]
	}
	return fields
}

// closingQuote finds the quote that ends the value that text begins with.
func closingQuote(text []byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] == '"' && (i+1 == len(text) || text[i+1] == ',') {
			return i
		}
	}
	return 0
}
