package execution

import "bytes"

// The range of an HTTP status.
const minStatus, maxStatus = 100, 999

// cut takes a label off the beginning of a text.
func cut(text []byte, label string) ([]byte, bool) {
	if len(text) < len(label) || string(text[:len(label)]) != label {
		return nil, false
	}
	return text[len(label):], true
}

// cutLast cuts a text around the last separator.
func cutLast(text []byte, separator string) (before, after []byte, ok bool) {
	at := bytes.LastIndex(text, []byte(separator))
	if at < 0 {
		return nil, nil, false
	}
	return text[:at], text[at+len(separator):], true
}

// cutWord cuts a text before its first blank.
func cutWord(text []byte) (word, rest []byte) {
	for i, c := range text {
		if isBlank(c) {
			return text[:i], text[i:]
		}
	}
	return text, nil
}

// cutStatus takes an HTTP status off.
func cutStatus(text []byte) (status int, rest []byte, ok bool) {
	n, rest, ok := cutInt(text)
	return int(n), rest, ok && minStatus <= n && n <= maxStatus
}

// cutInt takes a whole number off.
func cutInt(text []byte) (n int64, rest []byte, ok bool) {
	const limit = 1e15
	i := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		if n = n*10 + int64(text[i]-'0'); n > limit {
			return 0, nil, false
		}
	}
	return n, text[i:], i > 0
}

func trimSpace(text []byte) []byte { return bytes.TrimFunc(text, isSpace) }

func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

func isEmpty(text []byte) bool { return len(trimSpace(text)) == 0 }
