package jsonscan

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzText holds a string that is read and unescaped in one pass against one that is read and then unescaped.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		`""`, `"a"`, `"`, `"\`, `"\"`, `"\\"`, `"\\u"`, `"\\\u"`, `"\u0041"`, `"\x"`, `"\n\r\t\b\f\/"`, `x`, ``, ` "a" `, "\"a\nb\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\"",
		`"0123456"`, `"01234567"`, `"012345678"`, `"0123456\"89abcde\"g"`, `"01234567\\"`, `"é€😀"`, "\"0123456\xff89\"", "\"\xc3\\n\xa9\"", "\"a\"\xff", "\"01\"34\xff6789", "\"0123456\xff",
		"\"\x80\"", "\"\xa2\xdc\xa0\"", `"!!!!!!!!"`, `"########"`, `"[[[[[[[["`, `"]]]]]]]]"`, "\"\x21\x22", "\"!\x1f!!!!!!!!\"",
	} {
		for n := range 9 {
			f.Add([]byte(strings.Replace(seed, `"`, `"`+strings.Repeat("x", n), 1)))
		}
	}
	dst := make([]byte, 0, 16)
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		whole, one := New(in), New(in)
		want, err := whole.Value()
		raw, text, ok := one.Text(dst)
		if !bytes.Equal(in, before) {
			t.Fatalf("%q became %q", before, in)
		}
		if !ok {
			if one.Offset() > bytes.IndexByte(in, '"')+1 && one.Peek() == '"' || err == nil && want.Kind() == '"' && utf8.Valid(want) && !bytes.Contains(want, []byte(`\u`)) {
				t.Fatalf("%q is not taken", in)
			}
			return
		}
		unescaped, wrong := jsontext.AppendUnquote(nil, want)
		if err != nil || wrong != nil || !bytes.Equal(raw, want) || !bytes.Equal(text, unescaped) || one.Offset() != whole.Offset() || bytes.Contains(raw, []byte(`\u`)) {
			t.Fatalf("%q is %q with the text %q, want %q with %q", in, raw, text, want, unescaped)
		}
	})
}
