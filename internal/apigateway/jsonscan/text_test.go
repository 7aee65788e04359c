package jsonscan

import (
	"bytes"
	"slices"
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
	var u Unescaped
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		whole, one := New(in), New(in)
		want, err := whole.Value()
		raw, ok := one.Text(&u)
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
		if err != nil || wrong != nil || !bytes.Equal(raw, want) || !bytes.Equal(u.Text, unescaped) || one.Offset() != whole.Offset() || bytes.Contains(raw, []byte(`\u`)) {
			t.Fatalf("%q is %q with the text %q, want %q with %q", in, raw, u.Text, want, unescaped)
		}
		if quotes := quotesOf(unescaped); !slices.Equal(u.Quotes, quotes) {
			t.Fatalf("%q has quotes at %d, want %d", unescaped, u.Quotes, quotes)
		}
	})
}

// quotesOf are the places of the quotes in a text, or none where more than them was escaped.
func quotesOf(text []byte) (quotes []int) {
	if bytes.ContainsAny(text, "\\\b\f\n\r\t") {
		return nil
	}
	for i, c := range text {
		if c == '"' {
			quotes = append(quotes, i)
		}
	}
	return quotes
}

// FuzzQuoted holds a scanner that knows the quotes of a text against one that looks for them.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{
		``, `"`, `""`, `"a"`, `"a""b"`, `{"a":"b","c":{"d":["e",1,"f"]},"g":-1.5}`, `{"a" : "b" , "" : ""}`, `{"a":"b"`, `{"a":"b`, `{"a"`, `{"a`, `{"a":}`, `"a" "b"`, `{"a":"b"}"`, `x"y"z`, `["a",tru"e"]`, "\"\x7f\xff\"",
	} {
		for _, name := range []string{`"a":`, `""`, `"`, ``} {
			f.Add(seed, name, uint8(0))
			f.Add(seed, name, uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, text, name string, steps uint8) {
		whole := New(appendJSON(nil, text))
		var u Unescaped
		if _, ok := whole.Text(&u); !ok {
			return
		}
		known, other := NewQuoted(u.Text, u.Quotes), New(u.Text)
		// Whatever it is asked for, and in whatever order.
		for step := range 20 {
			var got, want []any
			for i, s := range []*Scanner{&known, &other} {
				var now []any
				switch (uint8(step) * (steps + 1) / 2) % 5 {
				case 0:
					value, err := s.Value()
					now = append(now, string(value), err)
				case 1:
					taken := s.TakeName(name)
					value, err := s.Name()
					now = append(now, taken, string(value), err)
				case 2:
					now = append(now, s.Take(','), s.Take('{'), s.Take('['))
				case 3:
					now = append(now, s.Take('"'), s.Take('}'))
				case 4:
					now = append(now, s.AtEnd())
				}
				now = append(now, s.Offset())
				if i == 0 {
					got = now
				} else {
					want = now
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("step %d in %q gives %v, want %v", step, u.Text, got, want)
			}
		}
	})
}

// appendJSON appends a JSON string with no more escapes than it needs.
func appendJSON(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// FuzzIsPlain holds it against what is escaped.
func FuzzIsPlain(f *testing.F) {
	for _, c := range []string{"", "\x00", "\x1f", " ", "!", "\"", "#", "[", "\\", "]", "~", "\x7f", "\x80", "\xa2", "\xdc", "\xff", "é"} {
		for n := range 17 {
			f.Add([]byte(strings.Repeat("x", n) + c + strings.Repeat("y", n%9)))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quoted, err := jsontext.AppendQuote(nil, text)
		want := err == nil && string(quoted) == `"`+string(text)+`"` && !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
		if IsPlain(text) != want {
			t.Fatalf("%q is plain: %v", text, !want)
		}
	})
}
