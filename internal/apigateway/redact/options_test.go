package redact

import (
	"strings"
	"testing"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Names: []string{"ab"}}, `name "ab" has less than 3 letters and digits`},
		{Options{Names: []string{"*"}}, `name "*" has less than 3 letters`},
		{Options{Names: []string{"to*ken"}}, `name "to*ken" has a * in the middle`},
		{Options{Names: []string{"tok,en"}}, `name "tok,en" has the character ','`},
		{Options{Names: []string{"größe"}}, `has the character`},
		{Options{Names: []string{strings.Repeat("n", 300)}}, `is longer than 256 bytes`},
		{Options{Names: make([]string, 101)}, `has 101 names: use at most 100`},
		{Options{Patterns: []string{"("}}, `pattern "(" is no RE2 expression: error parsing regexp: missing closing ): ` + "`(`"},
		{Options{Patterns: []string{"a*"}}, `pattern "a*" matches the empty text`},
		{Options{Patterns: []string{strings.Repeat("p", 300)}}, `is longer than 256 bytes`},
		{Options{Patterns: make([]string, 33)}, `has 33 patterns: use at most 32`},
	} {
		r, err := New(test.options)
		if err == nil || r != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.50v: %v, want %q", test.options, err, test.want)
		}
	}
	_, err := New(Options{Names: []string{"a", "b"}, Patterns: []string{"("}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not all at once: %v", err)
	}
}

func TestOwnNamesAndPatterns(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{
		Names:    []string{"tenant-key", "*ssn", "x-corp-*", "redacted"},
		Patterns: []string{`\bEMP-\d{6}\b`, `card (\d{12,19})`, `\d{16}`},
	})
	for _, test := range []struct{ text, want string }{
		{"tenantKey=a&TENANT_KEY=b&mytenantkey=c", "tenantKey=[REDACTED:1]&TENANT_KEY=[REDACTED:1]&mytenantkey=c"},
		{`{"userSSN":"1","ssnx":"2","X-Corp-Id":"3"}`, `{"userSSN":"[REDACTED:1]","ssnx":"2","X-Corp-Id":"[REDACTED:1]"}`},
		{"by EMP-123456 with card 4111111111111111.", "by [REDACTED:10] with card [REDACTED:16]."},
		{`{"n":4111111111111111,"a":"x EMP-123456","EMP-123456":1}`, `{"n":"[REDACTED:16]","a":"x [REDACTED:10]","[REDACTED:10]":1}`},
		{"password=4111111111111111 [REDACTED:5]", "password=[REDACTED:16] [REDACTED:5]"},
		{"nothing", "nothing"},
	} {
		if got, _ := redactText(t, r, test.text); got != test.want {
			t.Errorf("%s\nbecame %s\nwant   %s", test.text, got, test.want)
		}
	}
	// A pattern for everything still leaves placeholders alone.
	all := newRedactor(t, Options{Patterns: []string{`.+`, `[0-9]`, `R`}})
	if got, n := redactText(t, all, "a [REDACTED:5] b"); got != "[REDACTED:2][REDACTED:5][REDACTED:2]" || n != 2 {
		t.Errorf("%s, %d", got, n)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bodies     Bodies
		body, want string
	}{
		{Bodies{}, "abc", "abc"},
		{Bodies{Drop: true, MaxBytes: 2}, "abc", ""},
		{Bodies{Drop: true}, "", ""},
		{Bodies{MaxBytes: 3}, "abc", "abc"},
		{Bodies{MaxBytes: 2}, "abc", "ab"},
		{Bodies{MaxBytes: 2}, "aé", "a"},
		{Bodies{MaxBytes: 3}, "\U0001f600", ""},
		{Bodies{MaxBytes: 2}, "\x80\x80\x80\x80", ""},
		{Bodies{MaxBytes: 8}, "a=[REDACTED:5]&b", "a="},
		{Bodies{MaxBytes: 14}, "a=[REDACTED:5]&b", "a=[REDACTED:5]"},
		{Bodies{MaxBytes: 3}, "[a]b", "[a]"},
	} {
		if kept := test.bodies.Cut([]byte(test.body)); string(kept) != test.want {
			t.Errorf("%+v of %q: %q", test.bodies, test.body, kept)
		}
	}
}
