package redact

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var fuzzSeeds = []string{
	"", "token=abc&x=1", `{"password":"x","a":[1,{"pin":123}]}`, "{Authorization=Bearer x, Cookie=a=b; c=d, Host=x}", jwt, "Basic dXNlcjpwYXNz",
	`{\"password\":\"a\\\"b\"}`, `%22password%22%3A%22x%22`, "https://u:p@h/?sig=x", "<token a='b'>x</token>", `name="password"` + "\n\nx\n--b",
	`["[REDACTED:5]",{"token":["[REDACTED:5]"]}]`, "password=[REDACTED:3], token=[REDACTED:5]x", `{"a":"{\"b\":\"{\\\"token\\\":1}\"}"} [TRUNCATED]`,
	"-----BEGIN PRIVATE KEY-----\nx", `Digest username="a", response="b"`, `{"name":"Cookie","value":"a=b"}`, "Set-Cookie: a=b; Path=/\r\nX: y", "{\"a\":\"\xff\xfetoken=1\"}",
	`"\u0074oken=x"`, "code=0a1b2c3d4e5f6a7b8c9d", `(token, password='x)`, "secret header: 'x'", "user[password]=x&tokens[]=y", "eyJeyJeyJeyJ.x", "//:@:a@[REDACTED:1]@b",
}

// FuzzText requires of any text that redacting it twice is redacting it once, that it
// does not grow much, and that it stays what it was: UTF-8, and JSON.
func FuzzText(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed)
	}
	plain := newRedactor(f, Options{})
	own := newRedactor(f, Options{Names: []string{"tenant*", "redacted"}, Patterns: []string{`\d{5,}`, `k-(\w+)`, `.+x`}})
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []*Redactor{plain, own} {
			out, n := redactText(t, r, text)
			if utf8.ValidString(text) && !utf8.ValidString(out) {
				t.Fatalf("%q became %q", text, out)
			}
			if n > 0 && beginsJSON([]byte(text)) && json.Valid([]byte(text)) && !json.Valid([]byte(out)) {
				t.Fatalf("%s became %s", text, out)
			}
		}
	})
}

// FuzzJSON requires of any JSON value that it stays one without repeated names, and
// that redacting it twice is redacting it once.
func FuzzJSON(f *testing.F) {
	for _, seed := range fuzzSeeds {
		quoted, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(quoted))
		f.Add(`{"a":` + string(quoted) + `,` + string(quoted) + `:[` + string(quoted) + `,1]}`)
	}
	plain := newRedactor(f, Options{})
	own := newRedactor(f, Options{Names: []string{"tenant*"}, Patterns: []string{`\d{3,}`, `a.*b`}})
	f.Fuzz(func(t *testing.T, raw string) {
		if !jsontext.Value(raw).IsValid() {
			return
		}
		redactJSON(t, plain, raw)
		redactJSON(t, own, raw)
	})
}

// planted is a secret that no output may hold.
const planted = "pl4nt3d-S3cret"

// carriers are what a secret can stand in. A text that goes on behind it belongs
// to the secret or does not matter.
var carriers = []string{
	"password=%s", "password=%s&a=b", "?access_token=%s", "access_token%%3D%s%%26a%%3Db", "Authorization: %s\n", "Authorization: Bearer %s", "Cookie: a=%s; b=c\n",
	"{Authorization=%s, Host=x}", "{X-Amz-Security-Token=%s", ", Cookie=a=b; c=%s, Host=x}", `"password":"%s"`, `"password": "%s`, `\"password\":\"%s\"`, `\\\"x-api-key\\\":\\\"%s\\\"`,
	`"tokens":["a","%s"]`, `"secret":{"a":{"b":"%s"}}`, `{"headers":{"Cookie":"sid=%s"}}`, `{"body":"{\"client_secret\":\"%s\"}"}`, `{"body":"{\"client_secret\":\"%s`,
	`{"body":"{\"a\":\"{\\\"password\\\":\\\"%s\\\"}\"}"}`, "<password>%s</password>", "user[password]=%s", `{"name":"x-api-key","value":"%s"}`, "postgres://user:%s@host/",
	"eyJhbGciOiJIUzI1NiJ9.%s.dozjgNryP4J3", "Bearer 1%s", "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----", `name="password"` + "\r\n\r\n%s\r\n--b", "api key: 1%s",
}

// FuzzPlanted requires that no secret is in what becomes of it, whatever stands
// before and behind, as text, as a string of JSON, and cut off anywhere behind it.
func FuzzPlanted(f *testing.F) {
	for i := range carriers {
		f.Add("before ", " behind", uint8(i))
		f.Add(`{"a":"`, `"}`, uint8(i))
		f.Add("token=", "&x=y", uint8(i))
		f.Add("a='", "'", uint8(i))
	}
	r := newRedactor(f, Options{})
	f.Fuzz(func(t *testing.T, before, behind string, carrier uint8) {
		if strings.Contains(before+behind, planted) {
			return
		}
		text := before + "\n" + fmt.Sprintf(carriers[int(carrier)%len(carriers)], planted) + "\n" + behind
		require := func(out string) {
			t.Helper()
			if strings.Contains(out, planted) {
				t.Fatalf("%q became %q", text, out)
			}
		}
		out, _ := redactText(t, r, text)
		require(out)
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out, _ = redactJSON(t, r, string(quoted))
		require(out)
		cut := string(quoted[:strings.LastIndex(string(quoted), planted)+len(planted)])
		out, _ = redactText(t, r, cut+truncated)
		require(out)
		out, _ = redactText(t, r, "/x?q="+url.QueryEscape(string(quoted)))
		if strings.Contains(string(quoted), `\"password\":`) {
			require(out)
		}
	})
}

// FuzzFind compares the finder with the plainest way to find words.
func FuzzFind(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed, uint16(0))
	}
	words := newNames(nil).stems()
	finder := newFinder(words)
	f.Fuzz(func(t *testing.T, text string, from uint16) {
		got, found := finder.find([]byte(text), int(from))
		want := -1
		for i := int(from); i < len(text) && want < 0; i++ {
			for word := range words {
				if hasWord(text[i:], word) {
					want = i
				}
			}
		}
		if found != (want >= 0) || found && got.start != want {
			t.Fatalf("%q: %+v, %v, want %d", text, got, found, want)
		}
	})
}

// hasWord tells whether text begins with a word as a finder compares it.
func hasWord(text, word string) bool {
	i := 0
	for j := range len(word) {
		for j > 1 && i < len(text) && classOf[text[i]] == classSkipped {
			i++
		}
		if i == len(text) || classOf[text[i]] != classOf[word[j]] {
			return false
		}
		i++
	}
	return true
}
