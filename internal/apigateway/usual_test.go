package apigateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// FuzzUsual holds messages whose text the envelope's decoder knows already against the same ones
// in log events that stand before their header, of which it knows none.
func FuzzUsual(f *testing.F) {
	for _, seed := range []string{
		"", "text", accessLine(1), clfLine(1), csvLine(1), xmlLine(1), templateLine(1), jsonTemplateLine(1), " " + jsonTemplateLine(2) + "\v", applicationLine(1), secretLine(1), executionText(3), executionLine(1),
		`{"requestId":"a","status":-,"routeKey":"-","responseLatency": - }`, "é\n\t\"\\ \\u0041 \xff",
		"REPORT RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\tDuration: 2.5 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB",
		`{"time":"2024-09-05T13:47:15.001Z","type":"platform.report","record":{"requestId":"1","status":"success"}}`,
	} {
		f.Add(seed)
	}
	redactor := newRedactor(f)
	f.Fuzz(func(t *testing.T, message string) {
		for _, group := range []string{group, "/aws/lambda/f", executionGroup} {
			header := fmt.Sprintf(`"messageType":"DATA_MESSAGE","owner":"1","logGroup":%q,"logStream":"s"`, group)
			events := fmt.Sprintf(`"logEvents":[{"id":"1","message":%s},{"timestamp":1725544035523,"message":%s,"id":"2"}]`,
				asWritten(message), asWritten(strings.ReplaceAll(message, `u`, `v`)))
			for _, options := range []Options{
				{Redactor: redactor}, {Executions: ExecutionsLines}, {AccessLogTemplates: map[string]string{"*": benchTemplate}}, {AccessLogTemplates: map[string]string{"*": benchJSONTemplate}},
				{BatchMaxBytes: 700},
			} {
				usual, summary := format(t, options, record([]byte("{"+header+","+events+"}")))
				other, want := format(t, options, record([]byte("{"+events+","+header+"}")))
				if !slices.Equal(usual.batches, other.batches) || summary.Events != want.Events || summary.Quarantined != want.Quarantined {
					t.Fatalf("%q became\n%s, %+v, want\n%s, %+v", message, usual.batches, summary, other.batches, want)
				}
			}
		}
	})
}

// asWritten is a JSON string with what is no UTF-8 left as it is, and no escapes but those it needs.
func asWritten(text string) string {
	out := []byte{'"'}
	for _, c := range []byte(text) {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\t':
			out = append(out, `\t`...)
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}
