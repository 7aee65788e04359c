package apigateway

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
)

// isClean tells that no string in a JSON text needs repair before it is passed
// on: it is valid UTF-8, and no escape can stand for half a surrogate pair.
func isClean(raw []byte) bool {
	return utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u`))
}

// appendQuoted appends text as a JSON string, with invalid UTF-8 replaced. Most are ids
// and the like, with nothing to be escaped.
func appendQuoted[T ~string | ~[]byte](dst []byte, text T) []byte {
	start := len(dst)
	dst = append(append(dst, '"'), text...)
	if jsonscan.IsPlain(dst[start+1:]) {
		return append(dst, '"')
	}
	dst, _ = jsontext.AppendQuote(dst[:start], text) // the error tells what was replaced
	return dst
}

// appendText appends the text of a JSON string, with invalid UTF-8 replaced.
func appendText(dst []byte, raw jsontext.Value) []byte {
	if plain, ok := plainText(raw); ok && utf8.Valid(plain) {
		return append(dst, plain...)
	}
	dst, _ = jsontext.AppendUnquote(dst, raw) // the error tells what was replaced
	return dst
}

// appendMessage appends the text of a JSON string like appendText, for strings
// with many escapes. It tells whether the string has none that can stand for
// half a surrogate pair, neither for itself nor in JSON that its text may be.
func appendMessage(dst []byte, raw jsontext.Value) (_ []byte, plain bool) {
	start := len(dst)
	text := raw[1 : len(raw)-1]
	dst = slices.Grow(dst, len(text))
	out := dst[start : start+len(text)]
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			switch c = text[i]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case '"', '/':
			default:
				if c != '\\' || i+1 < len(text) && text[i+1] == 'u' {
					return appendText(dst[:start], raw), false
				}
			}
		}
		out[n] = c
		n++
	}
	return dst[:start+n], true
}

// appendSafeString appends a JSON string that may need repair, and tells
// whether something in it had to be replaced.
func appendSafeString(dst []byte, raw jsontext.Value) (_ []byte, replaced bool) {
	if isClean(raw) {
		return append(dst, raw...), false
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return appendQuoted(dst, text), err != nil
}

// plainText is the text of a scalar that holds no escapes.
func plainText(raw jsontext.Value) ([]byte, bool) {
	if raw.Kind() != jsontext.KindString {
		return raw, true
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return nil, false
	}
	return raw[1 : len(raw)-1], true
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// maxBodyDepth is how deep a JSON value may be nested to be passed on as such.
// Parsers refuse what is nested too deeply, and with it the whole batch.
const maxBodyDepth = 100

// isDeep tells whether a JSON value is nested too deeply.
func isDeep(raw []byte) bool {
	if bytes.Count(raw, []byte{'{'})+bytes.Count(raw, []byte{'['}) <= maxBodyDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i += stringLength(raw[i:]) - 1
		case '{', '[':
			if depth++; depth > maxBodyDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// hasHugeNumber tells whether a valid JSON value has a number that is too large for a
// double. Many parsers refuse one, and with it the whole batch.
func hasHugeNumber(raw []byte) bool {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			i += stringLength(raw[i:])
		case c == '-' || '0' <= c && c <= '9':
			start := i
			for i < len(raw) && raw[i] != ',' && raw[i] != '}' && raw[i] != ']' && raw[i] > ' ' {
				i++
			}
			if isHuge(raw[start:i]) {
				return true
			}
		default:
			i++
		}
	}
	return false
}

// maxDigits are those that any double can have before its point.
const maxDigits = 308

// isHuge tells whether a number is too large for a double.
func isHuge(number []byte) bool {
	if len(number) <= maxDigits && bytes.IndexByte(number, 'e') < 0 && bytes.IndexByte(number, 'E') < 0 {
		return false
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return err != nil
}
