package execution

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// requireGolden compares with a golden file, or writes it.
func requireGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (-update writes it):\n%s", golden, got)
	}
}

// show lists the fields of a line that are set. A value that is long is cut.
func show(l Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", l.Kind)
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if field.IsZero() || name == "Kind" || name == "Text" {
			continue
		}
		text, ok := reflect.TypeAssert[[]byte](field)
		switch {
		case !ok:
			fmt.Fprintf(&b, "\n  %s: %v", name, field.Interface())
		case len(text) > 300:
			fmt.Fprintf(&b, "\n  %s: %q… %d bytes", name, text[:20], len(text))
		default:
			fmt.Fprintf(&b, "\n  %s: %q", name, text)
		}
	}
	return b.String()
}

func TestParseLine(t *testing.T) {
	t.Parallel()
	var messages []string
	data, err := os.ReadFile("testdata/lines.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &messages); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	seen := map[Kind]bool{}
	for _, message := range messages {
		l := ParseLine([]byte(message))
		seen[l.Kind] = true
		if len(message) > 200 {
			message = message[:100] + "…" + message[len(message)-20:]
		}
		fmt.Fprintf(&out, "%q\n%s\n", message, show(l))
	}
	requireGolden(t, "lines", out.Bytes())
	for kind := range kindCount {
		if !seen[kind] {
			t.Errorf("no line of kind %s", kind)
		}
	}
}

// What comes before a line changes nothing of what it says.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	const text = "Received response. Status: 200, Integration latency: 42 ms"
	want := ParseLine([]byte(text))
	for _, prefix := range []string{
		"(cf4220c9-17b8-5386-0886-599b2ac757f8) ", "(vrieGTeSafmDWzC=)\t", "2025-09-05T14:00:00.1Z ",
		"2025-09-05T14:00:00Z (cf4220c9-17b8-5386-0886-599b2ac757f8) ", "Fri Sep  5 14:00:00 UTC 2025 : ",
	} {
		got := ParseLine([]byte(prefix + text))
		if len(got.RequestID)+len(got.Time) == 0 {
			t.Errorf("nothing of the prefix %q", prefix)
		}
		got.RequestID, got.Time = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %s", prefix+text, show(got))
		}
	}
}

// The test tool's samples have placeholders where times and latencies were.
func TestSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../shared/corpus/execution-rest/*.log")
	if err != nil || len(files) == 0 {
		t.Skip("the samples are not here")
	}
	lines := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "DDD MMM dd hh:mm:ss UTC yyyy : ")
			if !ok {
				continue
			}
			lines++
			line = strings.ReplaceAll(line, "<latency>", "42")
			l := ParseLine([]byte("Thu Aug 31 01:07:25 UTC 2017 : " + line))
			if l.Kind == KindOther || len(l.Time) == 0 {
				t.Errorf("%s: %q is %s", file, line, show(l))
			}
		}
	}
	if lines == 0 {
		t.Error("no lines")
	}
}
