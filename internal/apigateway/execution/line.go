package execution

import "bytes"

// Line is what a line of an execution log says. It refers to the memory of the
// message that it was parsed from.
type Line struct {
	Kind Kind
	// Time is the time before the line as it is written, empty if there is none.
	// Log events have none; exports and the console's test tool write one.
	Time []byte
	// RequestID is the id in parentheses before the line, empty if there is none.
	// That of a WebSocket API is an extended request id.
	RequestID []byte
	// Text is the line behind its prefix, without the mark of a line that was cut off.
	Text []byte
	// Truncated tells that API Gateway cut the line off.
	Truncated bool

	// Value is what the kind is named for: the text of a body, the id of an
	// authorizer, the address of an endpoint, the message of an error.
	Value []byte
	// Mentioned is a request id that the line mentions. In the errors of Lambda it is
	// that of the function.
	Mentioned []byte
	// APIKey is an API key with all but its end masked, empty if there is none.
	APIKey []byte
	// API and Stage are the API and the stage that the line mentions.
	API, Stage []byte
	// Method and Path are those of the request.
	Method, Path []byte
	// Resource is the id of the API's resource.
	Resource []byte
	// Reason is why an execution failed, such as "configuration error".
	Reason []byte
	// Detail is what a limit or a WebSocket message says beyond its kind.
	Detail []byte
	// UserAgent and Address are those of a WebSocket client.
	UserAgent, Address []byte
	// Status is an HTTP status, 0 if there is none.
	Status int
	// LatencyMillis is the latency of the integration, if the kind is
	// [KindIntegrationReceived].
	LatencyMillis int64
}

// The mark of a line that was cut off, and the least text before it for which it is
// taken as such. API Gateway cuts at 1,024 characters; some samples have 14 fewer. A
// body that ends in the mark by itself cannot be told apart any other way.
const (
	truncationMark   = " [TRUNCATED]"
	leastTruncated   = 1000
	maxIDLength      = 64
	minIDLength      = 8
	testTimeLength   = len("Thu Aug 31 01:07:25 UTC 2017")
	isoSecondsLength = len("2006-01-02T15:04:05")
)

// ParseLine parses the message of a log event. A message is one line, whatever
// newlines it holds. One of no known kind is of [KindOther].
func ParseLine(message []byte) Line {
	var l Line
	l.parse(message)
	return l
}

func (l *Line) parse(message []byte) {
	*l = Line{}
	rest := l.cutPrefix(message)
	if text, found := bytes.CutSuffix(rest, []byte(truncationMark)); found && len(text) >= leastTruncated {
		l.Truncated = true
		rest = text
	}
	l.Text = rest
	if !l.recognise(rest) {
		// What a matcher has found of a line before it gave up is not to be used.
		*l = Line{Time: l.Time, RequestID: l.RequestID, Text: l.Text, Truncated: l.Truncated}
	}
}

// cutPrefix takes the prefix off and returns the rest. A prefix is
//
//	[ISO time] (request id)
//	Thu Aug 31 01:07:25 UTC 2017 :
//
// or missing, as it is in lines of 2016.
func (l *Line) cutPrefix(message []byte) []byte {
	rest := message
	if n := isoTimeLength(rest); n > 0 {
		if after := bytes.TrimLeft(rest[n:], " \t\r\n"); len(after) < len(rest)-n {
			l.Time, rest = rest[:n], after
		}
	}
	if id, after, ok := cutID(rest); ok {
		l.RequestID = id
		return after
	}
	if l.Time == nil && isTestTime(rest) {
		l.Time = rest[:testTimeLength]
		return rest[testTimeLength+len(" : "):]
	}
	return rest
}

// cutID takes an id in parentheses and the blank behind it off.
func cutID(text []byte) (id, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '(' {
		return nil, text, false
	}
	end := bytes.IndexByte(text[:min(len(text), maxIDLength+2)], ')')
	if end < minIDLength+1 || len(text) == end+1 || !isBlank(text[end+1]) {
		return nil, text, false
	}
	for _, c := range text[1:end] {
		if !isAlphanumeric(c) && c != '+' && c != '/' && c != '=' && c != '_' && c != '-' {
			return nil, text, false
		}
	}
	return text[1:end], text[end+2:], true
}

// isoTimeLength is the length of the time that the text begins with, or 0.
func isoTimeLength(text []byte) int {
	if len(text) <= isoSecondsLength || !matches(text, "0000-00-00T00:00:00") {
		return 0
	}
	n := isoSecondsLength
	if text[n] == '.' {
		n++
		for n < len(text) && isDigit(text[n]) {
			n++
		}
		if text[n-1] == '.' {
			return 0
		}
	}
	switch rest := text[n:]; {
	case len(rest) > 0 && rest[0] == 'Z':
		return n + 1
	case matches(rest, "+00:00"), matches(rest, "-00:00"):
		return n + len("+00:00")
	case matches(rest, "+0000"), matches(rest, "-0000"):
		return n + len("+0000")
	}
	return 0
}

// isTestTime tells whether the text begins as the console's test tool writes lines.
func isTestTime(text []byte) bool {
	return matches(text, "aaa aaa  0 00:00:00 UTC 0000 : ") || matches(text, "aaa aaa 00 00:00:00 UTC 0000 : ")
}

// matches tells whether the text begins like the pattern, in which 0 stands for a
// digit and a for a letter.
func matches(text []byte, pattern string) bool {
	if len(text) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		c := text[i]
		switch pattern[i] {
		case '0':
			if !isDigit(c) {
				return false
			}
		case 'a':
			if !isLetter(c) {
				return false
			}
		default:
			if c != pattern[i] {
				return false
			}
		}
	}
	return true
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isLetter(c byte) bool       { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlphanumeric(c byte) bool { return isDigit(c) || isLetter(c) }
func isBlank(c byte) bool        { return c == ' ' || '\t' <= c && c <= '\r' }
