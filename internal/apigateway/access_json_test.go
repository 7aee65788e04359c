package apigateway

import "testing"

// TestNamesOfTheMessageBefore: what a message becomes does not depend on the one before,
// whose names are tried first.
func TestNamesOfTheMessageBefore(t *testing.T) {
	t.Parallel()
	messages := []string{
		"text",
		`{` + required + `,"ip":"203.0.113.7","a":1}`,
		`{` + required + `,"ip" :"203.0.113.7", "a" : 1}`,
		`{` + required + `,"\u0069p":"203.0.113.7","\"":1}`,
		`{` + required + `,"i":"203.0.113.7","a.b":1}`,
		`{` + required + `,"ipx":"203.0.113.7","a":{"b":1}}`,
		`{` + required + `,"identity":{"ip":"203.0.113.7","a":1},"a":1}`,
		`{` + required + `,"identity":{"a":1},"ip":"203.0.113.7","a":2}`,
		`{` + required + `,"ip""203.0.113.7"}`,
		`{` + required + `,"":1,"a\\":1,"ä":1,"<&>":1}`,
		"{" + required + ",\"\xff\":1,\"\ufffd\":2}",
		"{" + required + ",\"\ufffd\":1,\"\xff\":2}",
		`{` + required + `,"ip":"203.0.113.7","ip":"203.0.113.8"}`,
		`{` + required + `,`,
	}
	for _, before := range messages {
		for _, message := range messages {
			first, _ := format(t, Options{}, record(envelopeOf(t, group, messages[0], message)))
			second, _ := format(t, Options{}, record(envelopeOf(t, group, before, message)))
			if got, want := string(second.events[1]), string(first.events[1]); got != want {
				t.Errorf("%q after %q becomes\n%s, and after another\n%s", message, before, got, want)
			}
		}
	}
}
