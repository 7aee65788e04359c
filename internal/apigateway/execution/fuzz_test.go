package execution

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// seeds are the messages that the golden file has.
func seeds(f *testing.F) []string {
	f.Helper()
	data, err := os.ReadFile("testdata/lines.json")
	if err != nil {
		f.Fatal(err)
	}
	var messages []string
	if err := json.Unmarshal(data, &messages); err != nil {
		f.Fatal(err)
	}
	return messages
}

// FuzzParseLine requires that nothing of a message is lost but marks, and that members
// made from it are valid.
func FuzzParseLine(f *testing.F) {
	for _, message := range seeds(f) {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		l := ParseLine(message)
		rest := message
		if l.Truncated {
			rest = bytes.TrimSuffix(message, []byte(truncationMark))
			if len(rest) == len(message) || len(l.Text) < leastTruncated {
				t.Errorf("%d bytes are taken for cut off", len(l.Text))
			}
		}
		if !bytes.HasSuffix(rest, l.Text) || !bytes.Contains(message, l.RequestID) || !bytes.HasPrefix(message, l.Time) {
			t.Errorf("%q is not of %q", l.Text, message)
		}
		for _, field := range [][]byte{l.Value, l.Mentioned, l.APIKey, l.API, l.Stage, l.Method, l.Path, l.Resource, l.Reason, l.Detail, l.UserAgent, l.Address} {
			if !bytes.Contains(l.Text, field) {
				t.Errorf("%q is not in %q", field, l.Text)
			}
		}
		if l.Kind == KindOther && len(l.Value)+len(l.Mentioned)+l.Status > 0 {
			t.Errorf("a line of no kind has fields: %s", show(l))
		}
		var in Interaction
		kind := in.ReadLine(testGroup, message)
		members, _, _ := in.AppendMembers([]byte(`{"":0`), Shown{})
		if members = append(members, '}'); kind != l.Kind || !jsontext.Value(members).IsValid() {
			t.Errorf("%s gives %s", show(l), members)
		}
	})
}

// FuzzParseMap requires that a map holds each byte of its text but separators once and
// in order.
func FuzzParseMap(f *testing.F) {
	for _, text := range []string{
		"{}", "null", "", "{", "{A=1, B=2}", "{A=1, a=2, B=}", "{Cache-Control=no-cache, max-age=0, X=1}", "{a[b]=c, d=e, f}",
		"{Date=Wed, 27 Feb 2019 11:31:11 GMT, Forwarded=for=1, by=2}", "{A=1, =2, B}", "{A={}}", "{Ä=ö, ü=", strings.Repeat("{A=1, B=2", 30),
	} {
		for _, headers := range []bool{false, true} {
			f.Add([]byte(text), headers, false)
			f.Add([]byte(text), headers, true)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, headers, truncated bool) {
		kind := ParameterMap
		if headers {
			kind = HeaderMap
		}
		m, ok := ParseMap(text, kind, truncated)
		if !ok {
			return
		}
		values, names, size := 0, map[string]bool{}, 0
		for _, e := range m.Entries {
			if len(e.Values) == 0 || len(e.Name) == 0 || names[string(e.Name)] {
				t.Errorf("%q has entry %q with %d values", text, e.Name, len(e.Values))
			}
			names[string(e.Name)] = true
			for _, value := range e.Values {
				values++
				size += len(e.Name) + len("=") + len(value)
				if !bytes.Contains(text, value) {
					t.Errorf("%q is not in %q", value, text)
				}
			}
		}
		want := size + len("{") + max(0, values-1)*len(", ")
		if !truncated {
			want += len("}")
		}
		if want != len(text) {
			t.Errorf("%q has %d bytes, its entries %d: %s", text, len(text), want, showMap(m))
		}
	})
}

// FuzzAssembler adds lines, each the byte of an id, the byte of a request and a text up
// to a zero byte. It requires that each is in exactly one interaction, that what is
// held stays within its bound, and that members are valid.
func FuzzAssembler(f *testing.F) {
	lines := func(texts ...string) []byte { return []byte(strings.Join(texts, "\x00")) }
	f.Add(lines("\x01\x01Extended Request Id: a=", "\x02\x01Method completed with status: 200", "\x03\x01X-ray Tracing ID : x"), uint16(40_000))
	f.Add(lines("\x05\x01Extended Request Id: a=", "\x02\x02Extended Request Id: b=", "\x02\x02Extended Request Id: b=", "\x00\x01x"), uint16(0))
	f.Add(lines("\x01\x01Starting authorizer: a for request: r", "\x02\x01Method request headers: {A=1, B=2}", "\x01\x01Unauthorized request: r", "\x09\x00Method request path: {}"), uint16(3000))
	for i, message := range seeds(f) {
		f.Add(lines("\x01\x01"+message, "\x02\x01"+message, "\x01\x02"+message), uint16(i*500))
	}
	f.Fuzz(func(t *testing.T, data []byte, maxBytes uint16) {
		var all []added
		for text := range bytes.SplitSeq(data, []byte{0}) {
			if len(text) >= 2 && len(all) < 500 {
				all = append(all, added{int(text[0]), int(text[1] % 8), string(text[2:])})
			}
		}
		got, left := assemble(t, int64(maxBytes), all...)
		want := map[string]int{}
		for _, l := range all {
			want[string(l.message())]++
		}
		for _, l := range left {
			want[string(l.message())]--
		}
		count := 0
		for _, interaction := range got.folded {
			count += interaction.count
			if interaction.request == "" || len(interaction.lines) == 0 {
				t.Errorf("empty interaction %+v", interaction)
			}
		}
		if count+len(left) != len(all) {
			t.Errorf("%d lines in interactions and %d left, of %d", count, len(left), len(all))
		}
		again, _ := assemble(t, int64(maxBytes), all...)
		for i, interaction := range got.folded {
			if again.folded[i].members != interaction.members || again.folded[i].id != interaction.id {
				t.Errorf("differs the second time: %+v", again.folded[i])
			}
		}
	})
}
