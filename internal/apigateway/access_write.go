package apigateway

import "bytes"

// keys holds the beginning of each variable's member: `,"key":`.
var keys = func() []string {
	keys := make([]string, len(variables))
	for i, v := range variables {
		keys[i] = `,"` + v.key + `":`
	}
	return keys
}()

// append appends the members of an access log: the variables in their order,
// then what is not among them in the order of the message.
func (a *accessLog) append(dst []byte) []byte {
	a.settle()
	if kind := a.apiType(); kind != "" {
		dst = append(append(append(dst, `,"aws.apigateway.api_type":"`...), kind...), '"')
	}
	for id := range a.present.all() {
		value := a.values[id]
		if value == nil || id == accountVariable || id == traceIDVariable {
			continue
		}
		switch variables[id].as {
		case asProtocol:
			name, version, _ := bytes.Cut(value, []byte{'/'})
			dst = append(append(dst, keys[id]...), '"')
			for _, c := range name {
				dst = append(dst, c|0x20) // letters only
			}
			dst = append(append(dst, `","network.protocol.version":"`...), version...)
			dst = append(dst, '"')
			continue
		case asRoute:
			if a.values[routeVariable] == nil {
				dst = append(dst, keys[routeVariable]...)
				dst = appendRoute(dst, value)
			}
		}
		dst = append(append(dst, keys[id]...), value...)
		switch variables[id].as {
		case asAddress:
			dst = append(append(dst, `,"network.peer.address":`...), value...)
		case asSession:
			dst = append(append(dst, `,"session.id":`...), value...)
		}
	}
	for _, e := range a.extra {
		dst = appendQuoted(append(dst, ','), e.key)
		dst = append(append(dst, ':'), e.value...)
	}
	return dst
}

// appendRoute appends a route key, a JSON string, without its method.
func appendRoute(dst, routeKey []byte) []byte {
	if method, route, ok := bytes.Cut(routeKey[1:], []byte{' '}); ok && isMethod(method) {
		return append(append(dst, '"'), route...)
	}
	return append(dst, routeKey...)
}

func isMethod(text []byte) bool {
	for _, c := range text {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(text) > 0
}
