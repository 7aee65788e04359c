package execution

import (
	"fmt"
	"strings"
	"testing"
)

func showMap(m Map) string {
	var b strings.Builder
	for _, e := range m.Entries {
		fmt.Fprintf(&b, "%s=%q ", e.Name, e.Values)
	}
	if m.Partial {
		b.WriteString("partial ")
	}
	if m.Guessed {
		b.WriteString("guessed")
	}
	return strings.TrimSpace(b.String())
}

func TestParseMap(t *testing.T) {
	t.Parallel()
	const none = "not a map"
	for name, c := range map[string]struct {
		text      string
		kind      MapKind
		truncated bool
		want      string
	}{
		"empty":                     {"{}", HeaderMap, false, ""},
		"null":                      {"null", HeaderMap, false, none},
		"nothing":                   {"", HeaderMap, false, none},
		"one":                       {"{Accept=*/*}", HeaderMap, false, `accept=["*/*"]`},
		"empty value":               {"{A=, B=}", HeaderMap, false, `a=[""] b=[""]`},
		"commas in values":          {"{Date=Wed, 27 Feb 2019 11:31:11 GMT, Accept=a/b, c/d, */*, X=1}", HeaderMap, false, `date=["Wed, 27 Feb 2019 11:31:11 GMT"] accept=["a/b, c/d, */*"] x=["1"]`},
		"equals signs in values":    {"{X-Amzn-Trace-Id=Root=1-2-3, Cookie=a=b; c=d==, Z=}", HeaderMap, false, `x-amzn-trace-id=["Root=1-2-3"] cookie=["a=b; c=d=="] z=[""]`},
		"braces in values":          {"{A={}, B=}}}", HeaderMap, false, `a=["{}"] b=["}}"]`},
		"same name":                 {"{A=1, B=2, a=3}", HeaderMap, false, `a=["1" "3"] b=["2"]`},
		"directives":                {"{Cache-Control=no-cache, max-age=0, Strict-Transport-Security=max-age=1, includesubdomains, preload, B=1}", HeaderMap, false, `cache-control=["no-cache, max-age=0"] strict-transport-security=["max-age=1, includesubdomains, preload"] b=["1"] guessed`},
		"directive of forwarded":    {"{Forwarded=for=1.2.3.4, for=5.6.7.8, Host=h}", HeaderMap, false, `forwarded=["for=1.2.3.4, for=5.6.7.8"] host=["h"] guessed`},
		"directive elsewhere":       {"{X=1, max-age=0}", HeaderMap, false, `x=["1"] max-age=["0"]`},
		"header named as directive": {"{Cache-Control=no-cache, Max-Age=0}", HeaderMap, false, `cache-control=["no-cache"] max-age=["0"]`},
		"accept and its kin":        {"{Accept-Language=de, q=0.5, X=1}", HeaderMap, false, `accept-language=["de, q=0.5"] x=["1"] guessed`},
		"newlines":                  {"{A=1\n2, B=3}", HeaderMap, false, `a=["1\n2"] b=["3"]`},
		"no closing brace":          {"{A=1", HeaderMap, false, none},
		"no opening brace":          {"A=1}", HeaderMap, false, none},
		"no name first":             {"{=1, A=1}", HeaderMap, false, none},
		"only text":                 {"{foo bar}", HeaderMap, false, none},
		"truncated in a value":      {"{A=1, B=2, C=3", HeaderMap, true, `a=["1"] b=["2"] c=["3"] partial`},
		"truncated in a name":       {"{A=1, Conte", HeaderMap, true, `a=["1, Conte"] partial`},
		"truncated behind a brace":  {"{A=1}", HeaderMap, true, `a=["1}"] partial`},
		"truncated at once":         {"{", HeaderMap, true, "partial"},
		"parameters":                {"{petId=1, proxy+=a/b, filter[state]=open, naïve=ja, Case=1, case=2}", ParameterMap, false, `petId=["1"] proxy+=["a/b"] filter[state]=["open"] naïve=["ja"] Case=["1"] case=["2"]`},
		"parameters with blanks":    {"{q=a, b c=d, sort=name, id}", ParameterMap, false, `q=["a, b c=d"] sort=["name, id"]`},
		"not a header's name":       {"{A=1, a[b]=2}", HeaderMap, false, `a=["1, a[b]=2"]`},
		"invalid UTF-8":             {"{A=\xff}", HeaderMap, false, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, ok := ParseMap([]byte(c.text), c.kind, c.truncated)
			got := showMap(m)
			if !ok {
				got = none
			}
			if got != c.want {
				t.Errorf("%s gives\n%s, want\n%s", c.text, got, c.want)
			}
		})
	}
}

// A map of many entries is looked through in another way, to the same effect.
func TestMapOfManyEntries(t *testing.T) {
	t.Parallel()
	var parts []string
	const names, rounds = 200, 3
	for round := range rounds {
		for n := range names {
			parts = append(parts, fmt.Sprintf("X-%d=%d", n, round))
		}
	}
	var m Map
	for range 2 { // the second time in the same memory
		if !m.parse([]byte("{"+strings.Join(parts, ", ")+"}"), HeaderMap, false) || len(m.Entries) != names {
			t.Fatalf("%d entries", len(m.Entries))
		}
		for n, e := range m.Entries {
			if string(e.Name) != fmt.Sprintf("x-%d", n) || fmt.Sprintf("%s", e.Values) != "[0 1 2]" {
				t.Fatalf("entry %d is %s=%s", n, e.Name, e.Values)
			}
		}
	}
}
