package lambda

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

const (
	id = "f08bb4c8-d6b2-4f05-ac17-af7e2ba005fb"
	tr = "1-5e61292c-cc1229a4dfbeae1043928548"
)

// describe is the members of a log event, and what stands beside them.
func describe(l *Log) string {
	var b strings.Builder
	if l.Platform {
		b.WriteString("platform ")
	}
	b.WriteString(l.Severity)
	if l.TraceID != nil {
		b.WriteString(" " + string(l.TraceID))
	}
	members, _ := l.AppendMembers([]byte(" "), nil)
	b.Write(members)
	return strings.TrimSpace(b.String())
}

const none = "not of Lambda"

func TestReadText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"START RequestId: " + id + " Version: $LATEST\n": `platform  ,"faas.invocation_id":"` + id + `","faas.version":"$LATEST","aws.lambda.type":"start"`,
		"START RequestId: " + id + " Version: 17":        `platform  ,"faas.invocation_id":"` + id + `","faas.version":"17","aws.lambda.type":"start"`,
		"END RequestId: " + id + "\n":                    `platform  ,"faas.invocation_id":"` + id + `","aws.lambda.type":"end"`,
		"REPORT RequestId: " + id + "\tDuration: 619.31 ms\tBilled Duration: 700 ms\tMemory Size: 128 MB\tMax Memory Used: 118 MB\t\nXRAY TraceId: " + tr + "\tSegmentId: 07a85e713f6302b2\tSampled: true\t\n": `platform  ` + tr + ` ,"faas.invocation_id":"` + id +
			`","aws.lambda.type":"report","aws.lambda.duration_ms":619.31,"aws.lambda.billed_duration_ms":700,"aws.lambda.memory_size_mb":128,"aws.lambda.max_memory_used_mb":118,"aws.lambda.segment_id":"07a85e713f6302b2"`,
		"REPORT RequestId: " + id + "  Billed Duration: 1 ms Duration: 007 ms Init Duration: x Status: timeout Sampled: false": `platform  ,"faas.invocation_id":"` + id + `","aws.lambda.type":"report","aws.lambda.status":"timeout","aws.lambda.billed_duration_ms":1`,
		"REPORT RequestId: " + id: `platform  ,"faas.invocation_id":"` + id + `","aws.lambda.type":"report"`,
		"INIT_START Runtime Version: nodejs:20\tRuntime Version ARN: a":             `platform  ,"aws.lambda.type":"init_start"`,
		"EXTENSION\tName: x\tState: Ready":                                          `platform  ,"aws.lambda.type":"extension"`,
		"2020-06-09T15:02:26.150Z " + id + " Task timed out after 3.00 seconds\n\n": `platform ERROR ,"faas.invocation_id":"` + id + `","aws.lambda.type":"timeout","aws.lambda.timeout_s":3.00`,
		"RequestId: " + id + " Error: Runtime exited with error: exit status 1\nX":  `platform ERROR ,"faas.invocation_id":"` + id + `","aws.lambda.type":"runtime_error"`,
		"RequestId: " + id + " Process exited before completing request":            `platform ERROR ,"faas.invocation_id":"` + id + `","aws.lambda.type":"runtime_error"`,
		"2020-03-05T16:30:36.113Z\t" + id + "\tDEBUG\ta\nb":                         `DEBUG ,"faas.invocation_id":"` + id + `"`,
		"2020-03-05T16:30:36.113Z\t" + id + "\twarning\ta":                          `WARN ,"faas.invocation_id":"` + id + `"`,
		"2020-03-05T16:30:36.113Z\t" + id + "\tnotes\ta":                            none,
		"2020-03-05T16:30:36.113Z\tundefined\tINFO\ta":                              none,
		"2020-03-05T16:30:36.113Z " + id + " INFO a":                                none,
		"2020-03-05T16:30:36.113Z":                                                  none,
		"RequestId: " + id + " is fine":                                             none,
		"START RequestId: 1 Version: 2":                                             none,
		"EXTENSION":                                                                 none,
		"EXTENSIONS are good":                                                       none,
		"INIT_START":                                                                none,
		"START":                                                                     none,
		"":                                                                          none,
		"2020-03-05T":                                                               none,
	} {
		var l Log
		got := none
		if l.ReadText([]byte(text)) {
			got = describe(&l)
			if !MayBeText([]byte(text)) {
				t.Errorf("%q may not be of Lambda, and is", text)
			}
		}
		if got != want {
			t.Errorf("%q is\n%s, want\n%s", text, got, want)
		}
	}
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	report := `{"time":"t","type":"platform.report","record":{"requestId":"` + id + `","metrics":{"durationMs":1.5,"billedDurationMs":2,"x":{"durationMs":3}},"tracing":{"value":"Root=` + tr + `;Sampled=1"},"status":"success","spans":[{}]}}`
	application := `{"timestamp":"t","level":"INFO","requestId":"` + id + `","message":{"a":1}}`
	for name, c := range map[string]struct {
		text   string
		source bool
		want   string
	}{
		"report":              {report, false, `platform  ` + tr + ` ,"faas.invocation_id":"` + id + `","aws.lambda.type":"report","aws.lambda.status":"success","aws.lambda.duration_ms":1.5,"aws.lambda.billed_duration_ms":2`},
		"start":               {`{"time":"t","type":"platform.start","record":{"requestId":"r","version":"$LATEST"}}`, true, `platform  ,"faas.invocation_id":"r","faas.version":"$LATEST","aws.lambda.type":"start"`},
		"failed":              {`{"time":"t","type":"platform.runtimeDone","record":{"status":"timeout"}}`, true, `platform ERROR ,"aws.lambda.type":"runtimeDone","aws.lambda.status":"timeout"`},
		"no record":           {`{"time":"t","type":"platform.report","record":1}`, true, none},
		"no time":             {`{"type":"platform.report","record":{}}`, true, none},
		"another type":        {`{"time":"t","type":"function","record":{}}`, true, none},
		"application":         {application, true, `INFO ,"faas.invocation_id":"` + id + `"`},
		"another program's":   {application, false, none},
		"Python":              {`{"timestamp":"t","level":"CRITICAL","message":"m","logger":"root","requestId":"` + id + `"}`, true, `FATAL ,"faas.invocation_id":"` + id + `"`},
		"odd values":          {`{"time":1,"type":"platform.report","record":{"requestId":1,"metrics":[],"status":null,"tracing":7}}`, true, `platform  ,"aws.lambda.type":"report"`},
		"unknown level":       {`{"timestamp":"t","level":"loud","requestId":"` + id + `","message":""}`, true, none},
		"no request":          {`{"timestamp":"t","level":"INFO","message":""}`, true, none},
		"invalid":             {`{"time":`, true, none},
		"array":               {`[]`, true, none},
		"mentions a platform": {`{"a":"platform.report"}`, false, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Reader
			got := none
			if r.ReadJSON([]byte(c.text), c.source) {
				got = describe(&r.Log)
			}
			if got != c.want {
				t.Errorf("got\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestIsSource(t *testing.T) {
	t.Parallel()
	const instance = "20bddfd5a2dc4c6b97ac02800eae90d0"
	for _, c := range []struct {
		group, stream string
		want          bool
	}{
		{"/aws/lambda/f", "x", true},
		{"custom", "2020/03/05/[$LATEST]" + instance, true},
		{"custom", "2020/03/05/f[7]" + instance, true},
		{"custom", "2020/03/05/f[]" + instance, false},
		{"custom", "2020/03/05/f" + instance, false},
		{"custom", "2020/03/05/f[7]" + instance[1:], false},
		{"custom", "2020-03-05/f[7]" + instance, false},
		{"custom", "", false},
		{"/aws/lambda-insights", "x", false},
	} {
		if got := IsSource(c.group, c.stream); got != c.want {
			t.Errorf("%s %s: %t", c.group, c.stream, got)
		}
	}
}

// FuzzRead requires valid members of whatever is read.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"START RequestId: " + id + " Version: $LATEST\n", "REPORT RequestId: " + id + "\tDuration: 1.5 ms\tBilled Duration: 2 ms\t\nXRAY TraceId: " + tr + "\t\n",
		"2020-06-09T15:02:26.150Z " + id + " Task timed out after 3.00 seconds", "2020-03-05T16:30:36.113Z\t" + id + "\tINFO\ttext",
		`{"time":"t","type":"platform.report","record":{"requestId":"` + id + `","metrics":{"durationMs":1.5}}}`,
		`{"timestamp":"t","level":"INFO","requestId":"` + id + `","message":""}`, "EXTENSION\tName: x", "RequestId: " + id + " Error: x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r Reader
		check := func() {
			t.Helper()
			members, _ := r.AppendMembers([]byte(`{"":0`), nil)
			if members = append(members, '}'); !json.Valid(members) {
				t.Errorf("%q gives %s", text, members)
			}
		}
		if r.ReadText(text) {
			if !MayBeText(text) {
				t.Errorf("%q may not be of Lambda, and is", text)
			}
			check()
		}
		for _, source := range []bool{false, true} {
			if r.ReadJSON(text, source) {
				check()
			}
		}
	})
}

// A function can print what looks like a line of Lambda's, with anything in it.
func TestSecretsAreInNoMember(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{Patterns: []string{"hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	const id = "286364ab-3a83-11e9-8dc8-db3cf4c83204"
	for _, text := range []string{
		"START RequestId: " + id + " Version: hunter2", "REPORT RequestId: " + id + "\tStatus: hunter2", "REPORT RequestId: " + id + "\tSegmentId: hunter2",
		`{"time":"t","type":"platform.hunter2","record":{}}`, `{"time":"t","type":"platform.start","record":{"requestId":"hunter2"}}`,
		`{"time":"t","type":"platform.start","record":{"version":"hunter2"}}`, `{"time":"t","type":"platform.report","record":{"status":"hunter2"}}`,
	} {
		var r Reader
		if !r.ReadText([]byte(text)) && !r.ReadJSON([]byte(text), true) {
			t.Fatalf("%q is not of Lambda", text)
		}
		members, redacted := r.AppendMembers(nil, redactor)
		if redacted != 1 || strings.Contains(string(members), "hunter2") {
			t.Errorf("%q gives %s, %d redacted", text, members, redacted)
		}
	}
}
