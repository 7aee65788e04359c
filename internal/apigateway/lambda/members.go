package lambda

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// AppendMembers appends what the log event says as members of a JSON object, each with
// a comma before it, in a fixed order. Severity and TraceID are not among them. It tells
// how many secrets were replaced: what looks like a line of Lambda's can be a function's.
func (l *Log) AppendMembers(dst []byte, redactor *redact.Redactor) (_ []byte, redacted int) {
	text := func(key string, value []byte) {
		if len(value) > 0 {
			if out, n := redactor.RedactText(nil, value); n > 0 {
				value, redacted = out, redacted+n
			}
			dst = append(append(append(dst, `,"`...), key...), `":`...)
			dst, _ = jsontext.AppendQuote(dst, value) // the error tells of invalid UTF-8, which is replaced
		}
	}
	text("faas.invocation_id", l.RequestID)
	text("faas.version", l.Version)
	text("aws.lambda.type", l.Type)
	text("aws.lambda.status", l.Status)
	for n, value := range l.numbers {
		if value != nil {
			dst = append(append(append(dst, `,"`...), numberKeys[n]...), `":`...)
			dst = append(dst, value...)
		}
	}
	text("aws.lambda.segment_id", l.SegmentID)
	return dst, redacted
}

// NumberKeys lists the members that reports have, with their names in JSON.
func NumberKeys() map[string]string {
	keys := make(map[string]string, len(numberKeys))
	for n, key := range numberKeys {
		keys[key] = numberNames[n]
	}
	return keys
}
