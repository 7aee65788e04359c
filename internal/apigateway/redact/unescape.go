package redact

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// stringAt is what stands between the quotes of the string at start, and whether
// there is a second one.
func stringAt(text []byte, start int) (content []byte, closed bool) {
	for at := start + 1; ; {
		i := bytes.IndexByte(text[at:], '"')
		if i < 0 {
			return text[start+1:], false
		}
		at += i
		escapes := 0
		for text[at-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return text[start+1 : at], true
		}
		at++
	}
}

// appendUnescaped appends the text of a JSON string. What is no escape is kept, and
// half of a surrogate pair becomes U+FFFD.
func appendUnescaped(dst, content []byte) []byte {
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 || i+1 == len(content) {
			return append(dst, content...)
		}
		dst = append(dst, content[:i]...)
		escape := content[i+1]
		content = content[i+2:]
		switch escape {
		case '"', '\\', '/':
			dst = append(dst, escape)
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, ok := hexRune(content)
			if !ok {
				dst = append(dst, `\u`...)
				continue
			}
			content = content[4:]
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), bytes.HasPrefix(content, []byte(`\u`))
				if ok {
					low, ok = hexRune(content[2:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					content = content[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, '\\', escape)
		}
	}
}

func hexRune(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// hasControl tells whether content has a character that no JSON string has unescaped.
func hasControl(content []byte) bool {
	for _, c := range content {
		if c < ' ' {
			return true
		}
	}
	return false
}
