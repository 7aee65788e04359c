package jsonscan

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

var decoderOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// FuzzValue holds the scanner against a decoder.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` [ ] `, `{"a":[1,-2.5e+3,true,false,null,"\u00e9\n\"",{"b":{}}]}`, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"",
		`01`, `1.`, `.5`, `-`, `1e`, `+1`, `"\x"`, `"\u12"`, "\"\n\"", `{"a"}`, `{"a":}`, `{,}`, `[1,]`, `{"a":1,}`, `tru`, `nulll`, `[}`, ``, `"`, "\"\\u\x10\x11\x12\x13\"", "1\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		scanner := New(text)
		raw, err := scanner.Value()
		got := err == nil && scanner.AtEnd()
		want := jsontext.Value(text).IsValid(decoderOptions...)
		if got != want && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) < MaxDepth {
			t.Fatalf("%q is valid: %v, for the decoder: %v", text, got, want)
		}
		if got && !bytes.Equal(raw, bytes.Trim(text, " \t\r\n")) {
			t.Fatalf("%q has the value %q", text, raw)
		}
	})
}

func TestDepth(t *testing.T) {
	t.Parallel()
	for depth, ok := range map[int]bool{MaxDepth: true, MaxDepth + 1: false} {
		scanner := New([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		if _, err := scanner.Value(); (err == nil) != ok {
			t.Errorf("%d deep: %v", depth, err)
		}
	}
}
