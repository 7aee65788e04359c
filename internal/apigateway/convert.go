package apigateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"
)

// isAbsent tells whether a value is how API Gateway writes that there is none.
func isAbsent(raw []byte) bool {
	return string(raw) == `null` || string(raw) == `"-"`
}

// isUnquoted tells whether a value is a number or a boolean.
func isUnquoted(raw jsontext.Value) bool {
	switch raw.Kind() {
	case jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
		return true
	}
	return false
}

// convert turns the value of a variable into that of its attribute. The result
// refers to the message or to a.scratch. Times are kept apart and give nil.
func (a *accessLog) convert(as conversion, raw jsontext.Value) ([]byte, bool) {
	kind := raw.Kind()
	switch {
	case as == asDigest:
		return a.digest(raw), true
	case kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray:
		return nil, false
	}
	switch as {
	case asText, asAddress, asRoute, asSession:
		if kind != jsontext.KindString {
			return a.quote(raw), true
		}
		return a.safe(raw), true
	}

	text, ok := a.plainText(raw)
	if !ok {
		return nil, false
	}
	switch as {
	case asNumber, asIntegrationStatus:
		return text, isPlainInteger(text) || jsontext.Value(text).Kind() == jsontext.KindNumber && isNumber(text) && !isHuge(text)
	case asStatus:
		return text, len(text) == 3 && '1' <= text[0] && text[0] <= '9' && isDigits(text)
	case asBool:
		return text, string(text) == "true" || string(text) == "false"
	case asTime:
		t, ok := parseRequestTime(text)
		a.time = t
		return nil, ok
	case asEpoch:
		t, ok := parseEpoch(text)
		a.epoch = t
		return nil, ok
	case asInstant:
		t, ok := parseEpoch(text)
		if !ok {
			return nil, false
		}
		start := len(a.scratch)
		a.scratch = appendTime(a.scratch, t.millis)
		return a.since(start), true
	case asTraceID:
		id, ok := traceID(text)
		if !ok {
			return nil, false
		}
		start := len(a.scratch)
		a.scratch = append(a.scratch, '"')
		a.scratch = append(a.scratch, id[2:10]...)
		a.scratch = append(a.scratch, id[11:]...)
		a.scratch = append(a.scratch, '"')
		return a.since(start), true
	case asProtocol:
		name, version, ok := bytes.Cut(text, []byte{'/'})
		return text, ok && isLetters(name) && isVersion(version)
	}
	return nil, false
}

// plainText is the text of a scalar that holds no escapes.
func (a *accessLog) plainText(raw jsontext.Value) ([]byte, bool) {
	if a.unescaped && raw.Kind() == jsontext.KindString {
		return raw[1 : len(raw)-1], true
	}
	return plainText(raw)
}

// digest is the SHA-256 of a value's text, or of its JSON if it has none.
func (a *accessLog) digest(raw jsontext.Value) []byte {
	text := []byte(raw)
	if raw.Kind() == jsontext.KindString {
		text = appendText(nil, raw)
	}
	sum := sha256.Sum256(text)
	start := len(a.scratch)
	a.scratch = append(a.scratch, '"')
	a.scratch = hex.AppendEncode(a.scratch, sum[:])
	a.scratch = append(a.scratch, '"')
	return a.since(start)
}

// since is what was appended to a.scratch from start on.
func (a *accessLog) since(start int) []byte {
	return a.scratch[start:len(a.scratch):len(a.scratch)]
}

func (a *accessLog) quote(text []byte) []byte {
	start := len(a.scratch)
	a.scratch = appendQuoted(a.scratch, text)
	return a.since(start)
}

// safe is a JSON value that can be written as it is.
func (a *accessLog) safe(raw jsontext.Value) []byte {
	switch raw.Kind() {
	case jsontext.KindString:
		if a.clean {
			return raw
		}
		start := len(a.scratch)
		var replaced bool
		if a.scratch, replaced = appendSafeString(a.scratch, raw); replaced {
			a.warnings |= warnInvalidUTF8
		}
		return a.since(start)
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		start := len(a.scratch)
		var err error
		if a.scratch, err = jsontext.AppendFormat(a.scratch, raw, jsontext.AllowInvalidUTF8(true)); err != nil || isDeep(raw) || hasHugeNumber(raw) {
			a.scratch = appendQuoted(a.scratch[:start], raw)
		}
		return a.since(start)
	case jsontext.KindNumber:
		if isHuge(raw) {
			return a.quote(raw)
		}
	}
	return raw
}

// parseEpoch parses a time in milliseconds or, being smaller, in seconds.
func parseEpoch(text []byte) (instant, bool) {
	const longest = 18 // digits that an int64 can hold
	if !isDigits(text) || len(text) > longest || number(text) == 0 {
		return instant{}, false
	}
	n := number(text)
	if n < 1e11 {
		n *= 1000
	}
	return validInstant(n)
}

// validInstant accepts what RFC 3339 can write.
func validInstant(millis int64) (instant, bool) {
	const year10000 = 253402300800000
	if millis < 0 || millis >= year10000 {
		return instant{}, false
	}
	return instant{millis, true}, true
}

// traceID finds the id in an X-Ray trace id:
// 1-5c7674f4-a3491d0a9c8012c191821b83, alone or as Root=….
func traceID(text []byte) ([]byte, bool) {
	text = bytes.TrimPrefix(text, []byte("Root="))
	if len(text) != 35 || text[0] != '1' || text[1] != '-' || text[10] != '-' {
		return nil, false
	}
	return text, isLowerHex(text[2:10]) && isLowerHex(text[11:])
}

func isLowerHex(text []byte) bool {
	for _, c := range text {
		if !isHexDigit(c) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

func isLetters(text []byte) bool {
	for _, c := range text {
		if c |= 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return len(text) > 0
}

func isVersion(text []byte) bool {
	for _, c := range text {
		if c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return len(text) > 0
}

// isPlainInteger tells whether text is a number in JSON's grammar without sign, point
// and exponent, and not too large. Nearly all are.
func isPlainInteger(text []byte) bool {
	return isDigits(text) && len(text) <= maxDigits && (len(text) == 1 || text[0] != '0')
}

// isNumber tells whether text is a number in JSON's grammar.
func isNumber(text []byte) bool { return jsontext.Value(text).IsValid() }
