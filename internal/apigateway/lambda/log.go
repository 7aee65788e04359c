package lambda

import (
	"bytes"
	"strings"
)

// Log is what a log event of a function says. It refers to the memory that it was
// read from.
type Log struct {
	// Platform tells that Lambda itself wrote it and not the function.
	Platform bool
	// Type is what Lambda tells: start, end, report, init_start, extension, timeout,
	// runtime_error, or the rest of a JSON line's type behind "platform.". It is empty
	// for what the function wrote.
	Type []byte
	// Severity is the level of a line as it is written, in upper case, or that of an
	// error.
	Severity string
	// RequestID is the id of the invocation.
	RequestID []byte
	// Version is the version of the function, "$LATEST" or a number.
	Version []byte
	// Status says in JSON how an invocation or its initialisation ended.
	Status []byte
	// TraceID is the X-Ray trace id, 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx, SegmentID that
	// of the function's segment.
	TraceID, SegmentID []byte

	// numbers of a report, as they are written; nil if absent.
	numbers [numberCount][]byte
}

// number is one that a report has.
type number uint8

const (
	duration number = iota
	billedDuration
	memorySize
	maxMemoryUsed
	initDuration
	restoreDuration
	billedRestoreDuration
	timeoutSeconds
	numberCount
)

// numberKeys are the members of numbers, numberNames their names in JSON.
var (
	numberKeys = [numberCount]string{
		"aws.lambda.duration_ms", "aws.lambda.billed_duration_ms", "aws.lambda.memory_size_mb",
		"aws.lambda.max_memory_used_mb", "aws.lambda.init_duration_ms", "aws.lambda.restore_duration_ms",
		"aws.lambda.billed_restore_duration_ms", "aws.lambda.timeout_s",
	}
	numberNames = [numberCount]string{
		"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs", "restoreDurationMs",
		"billedRestoreDurationMs", "",
	}
)

// IsSource tells by the names of log group and log stream whether a Lambda function
// writes there: /aws/lambda/NAME, or a stream YYYY/MM/DD/[NAME][VERSION]… in any group.
func IsSource(group, stream string) bool {
	if strings.HasPrefix(group, "/aws/lambda/") {
		return true
	}
	const date = "YYYY/MM/DD/"
	if len(stream) < len(date) {
		return false
	}
	for i := range len(date) {
		if c := stream[i]; date[i] == '/' && c != '/' || date[i] != '/' && (c < '0' || '9' < c) {
			return false
		}
	}
	_, version, ok := strings.Cut(stream[len(date):], "[")
	if !ok {
		return false
	}
	version, instance, ok := strings.Cut(version, "]")
	return ok && version != "" && len(instance) == 32
}

// MayBeText tells by the beginning of a text whether [Log.ReadText] can succeed. The
// text may be that of a JSON string, escapes and all.
func MayBeText(text []byte) bool {
	if len(text) < len("2006-01-02T") {
		return false
	}
	if isDigit(text[0]) {
		return beginsDate(text)
	}
	for _, begin := range begins {
		if bytes.HasPrefix(text, []byte(begin)) {
			return true
		}
	}
	return false
}

// beginsDate tells whether a text begins like 2006-01-02T.
func beginsDate(text []byte) bool { return text[4] == '-' && text[7] == '-' && text[10] == 'T' }

var begins = []string{"START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_START ", "EXTENSION", "RequestId: "}

// ReadText reads a line of text. It returns false if Lambda has not written it, nor
// one of its loggers.
func (l *Log) ReadText(text []byte) bool {
	*l = Log{}
	switch {
	case l.begins(text, "START RequestId: ", "start"):
		l.Version = labelled(text, "Version:")
	case l.begins(text, "END RequestId: ", "end"):
	case l.begins(text, "REPORT RequestId: ", "report"):
		l.readReport(text)
	case bytes.HasPrefix(text, []byte("INIT_START Runtime Version: ")):
		l.Platform, l.Type = true, []byte("init_start")
	case bytes.HasPrefix(text, []byte("EXTENSION")) && len(labelled(text, "Name:")) > 0:
		l.Platform, l.Type = true, []byte("extension")
	case l.begins(text, "RequestId: ", "runtime_error"):
		rest := text[len("RequestId: ")+len(l.RequestID):]
		if !bytes.HasPrefix(rest, []byte(" Error: ")) && !bytes.HasPrefix(rest, []byte(" Process exited")) {
			return false
		}
		l.Severity = "ERROR"
	default:
		return l.readTimed(text)
	}
	return true
}

// begins reads the beginning of a line and the request id behind it.
func (l *Log) begins(text []byte, begin, kind string) bool {
	rest, ok := bytes.CutPrefix(text, []byte(begin))
	if !ok {
		return false
	}
	id := word(rest)
	if !isUUID(id) {
		return false
	}
	l.Platform, l.Type, l.RequestID = true, []byte(kind), id
	return true
}

// readTimed reads a line that begins with a time and a request id: a timeout, or what
// a logger has written.
func (l *Log) readTimed(text []byte) bool {
	time := word(text)
	if len(time) < len("2006-01-02T15:04:05Z") || !beginsDate(time) || time[len(time)-1] != 'Z' || len(time) == len(text) {
		return false
	}
	rest := text[len(time)+1:]
	id := word(rest)
	if !isUUID(id) || len(rest) == len(id) {
		return false
	}
	separator := rest[len(id)]
	rest = rest[len(id)+1:]
	if seconds, ok := bytes.CutPrefix(rest, []byte("Task timed out after ")); ok {
		l.Platform, l.Type, l.RequestID, l.Severity = true, []byte("timeout"), id, "ERROR"
		l.setNumber(timeoutSeconds, word(seconds))
		return true
	}
	level := word(rest)
	if separator != '\t' || len(rest) == len(level) || rest[len(level)] != '\t' {
		return false
	}
	l.Severity = severity(level)
	l.RequestID = id
	return l.Severity != ""
}

// readReport reads what a report tells, wherever in it that stands.
func (l *Log) readReport(text []byte) {
	for len(text) > 0 {
		if isBlank(text[0]) {
			text = text[1:]
			continue
		}
		label, rest := l.reported(text)
		if label == nil {
			text = text[len(word(text)):]
			continue
		}
		rest = bytes.TrimLeft(rest, " \t")
		value := word(rest)
		label.set(l, value)
		text = rest[len(value):]
	}
}

// reportLabel is what stands before a value in a report.
type reportLabel struct {
	label string
	set   func(*Log, []byte)
}

func numberLabel(label string, n number) reportLabel {
	return reportLabel{label, func(l *Log, value []byte) { l.setNumber(n, value) }}
}

var reportLabels = []reportLabel{
	numberLabel("Duration:", duration),
	numberLabel("Billed Duration:", billedDuration),
	numberLabel("Memory Size:", memorySize),
	numberLabel("Max Memory Used:", maxMemoryUsed),
	numberLabel("Init Duration:", initDuration),
	numberLabel("Restore Duration:", restoreDuration),
	numberLabel("Billed Restore Duration:", billedRestoreDuration),
	{"XRAY TraceId:", func(l *Log, value []byte) { l.setTraceID(value) }},
	{"SegmentId:", func(l *Log, value []byte) { l.SegmentID = value }},
	{"Status:", func(l *Log, value []byte) { l.Status = value }},
}

// reported finds the label that a text begins with.
func (l *Log) reported(text []byte) (*reportLabel, []byte) {
	for i := range reportLabels {
		if rest, ok := bytes.CutPrefix(text, []byte(reportLabels[i].label)); ok {
			return &reportLabels[i], rest
		}
	}
	return nil, nil
}

func (l *Log) setNumber(n number, text []byte) {
	if isNumber(text) {
		l.numbers[n] = text
	}
}

func (l *Log) setTraceID(id []byte) {
	if isTraceID(id) {
		l.TraceID = id
	}
}

// labelled is the word behind a label in a text, empty if there is none.
func labelled(text []byte, label string) []byte {
	_, rest, ok := bytes.Cut(text, []byte(label))
	if !ok {
		return nil
	}
	return word(bytes.TrimLeft(rest, " \t"))
}

// word is what stands before the first blank.
func word(text []byte) []byte {
	for i, c := range text {
		if isBlank(c) {
			return text[:i]
		}
	}
	return text
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }

// isUUID tells whether a text is a UUID in lower case.
func isUUID(text []byte) bool {
	return matchesHex(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

func isTraceID(text []byte) bool {
	return len(text) > 2 && text[0] == '1' && matchesHex(text[1:], "-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx")
}

// matchesHex tells whether a text has a hexadecimal digit for each x of a pattern.
func matchesHex(text []byte, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i, c := range text {
		if pattern[i] == 'x' && !isHex(c) || pattern[i] == '-' && c != '-' {
			return false
		}
	}
	return true
}

// isNumber tells whether a text is a decimal number as JSON has them, without sign or
// exponent, and no longer than any that Lambda writes.
func isNumber(text []byte) bool {
	const longest = 32
	if len(text) > longest {
		return false
	}
	whole, fraction, hasPoint := bytes.Cut(text, []byte{'.'})
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' || hasPoint && len(fraction) == 0 {
		return false
	}
	for _, c := range text {
		if !isDigit(c) && c != '.' {
			return false
		}
	}
	return bytes.IndexByte(fraction, '.') < 0
}

// severity is a level that Lambda's loggers know, or empty.
func severity(level []byte) string {
	for _, known := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		if bytes.EqualFold(level, []byte(known)) {
			return known
		}
	}
	switch {
	case bytes.EqualFold(level, []byte("WARNING")):
		return "WARN"
	case bytes.EqualFold(level, []byte("CRITICAL")):
		return "FATAL"
	}
	return ""
}
