package apigateway

import "bytes"

// appendRepaired appends a JSON text with null in place of each bare "-" that
// stands for a value. A template that does not quote a number gives such text
// when API Gateway has no value for it: {"responseLatency":-,…}. It tells
// whether there was anything to repair; strings are left alone.
func appendRepaired(dst, text []byte) ([]byte, bool) {
	repaired := false
	for len(text) > 0 {
		i := bytes.IndexAny(text, `":`)
		if i < 0 {
			break
		}
		if text[i] == '"' {
			n := i + stringLength(text[i:])
			dst = append(dst, text[:n]...)
			text = text[n:]
			continue
		}
		dst = append(dst, text[:i+1]...)
		text = text[i+1:]
		if value := bytes.TrimLeft(text, " \t\r\n"); len(value) > 1 && value[0] == '-' {
			after := bytes.TrimLeft(value[1:], " \t\r\n")
			if len(after) > 0 && (after[0] == ',' || after[0] == '}') {
				dst = append(dst, "null"...)
				text = after
				repaired = true
			}
		}
	}
	return append(dst, text...), repaired
}

// stringLength is the length of the JSON string that text begins with, or of
// all the text where the string is not closed.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
