package template

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzMatch compiles anything and matches anything. Values are found in their
// order, and with the text between them they are the whole line.
func FuzzMatch(f *testing.F) {
	f.Add(`$context.identity.sourceIp [$context.requestTime] "$context.path" $context.requestId`, `203.0.113.7 [05/Sep/2024:13:47:15 +0000] "/a" r`)
	f.Add(`{"a":"$context.requestId", "b":{"c":$context.status}}`, `{ "a":"x","b":{ "c":- }}`)
	f.Add(`https://$context.domainName$context.path $context.requestId`, `https://a/b r`)
	f.Add(`$context.error.message,$context.requestId,$context.error.message`, `a,b,c,d`)
	f.Add(`{"$context.requestId`, "\xff")
	f.Fuzz(func(t *testing.T, text, line string) {
		compiled, err := Compile(text)
		if err != nil {
			if compiled != nil {
				t.Fatal("both a template and an error")
			}
			return
		}
		p := compiled.Line()
		spans, ok := p.Match(nil, []byte(line))
		if !ok {
			return
		}
		if len(spans) != len(p.Variables()) {
			t.Fatalf("%d spans for %d variables", len(spans), len(p.Variables()))
		}
		end := 0
		for i, span := range spans {
			if span.Start < end || span.End < span.Start || span.End > len(line) {
				t.Fatalf("spans %v of %q", spans, line)
			}
			if at, ok := p.literals[i].at([]byte(line), end); !ok || at != span.Start {
				t.Fatalf("value %d of %q begins at %d, not at %d", i, line, span.Start, at)
			}
			if !p.shapes[i].fits([]byte(line[span.Start:span.End])) {
				t.Fatalf("value %d of %q does not look as it should", i, line)
			}
			end = span.End
		}
		if at, ok := p.literals[len(spans)].at([]byte(line), end); !ok || at != len(line) {
			t.Fatalf("%q goes on behind the last value", line)
		}
	})
}

// FuzzRoundTrip writes random values by a random template, as API Gateway does,
// and wants them back.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed%2 == 0)
	}
	names := make([]string, 0, len(shapes))
	for name := range shapes {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, seed uint64, asJSON bool) {
		random := rand.New(rand.NewPCG(seed, 7))
		var text, line strings.Builder
		var want []string
		write := func(s string) {
			text.WriteString(s)
			line.WriteString(s)
		}
		// What stands between values never occurs in one.
		separators := []string{"|", " | ", "\t", "]|[", "||"}
		chosen := append([]string{"requestId"}, names...)
		random.Shuffle(len(chosen)-1, func(i, j int) { chosen[i+1], chosen[j+1] = chosen[j+1], chosen[i+1] })
		chosen = chosen[:1+random.IntN(30)]
		if asJSON {
			write("{")
		}
		for i, name := range chosen {
			value := randomValue(random, shapes[name])
			switch {
			case asJSON:
				if i > 0 {
					write(",")
				}
				quoted, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				write(` "m` + strconv.Itoa(i) + `" : "`)
				text.WriteString("$context." + name)
				line.Write(quoted[1 : len(quoted)-1])
				write(`"`)
			default:
				if i > 0 {
					write(separators[random.IntN(len(separators))])
				}
				text.WriteString("$context." + name)
				line.WriteString(value)
			}
			want = append(want, value)
		}
		if asJSON {
			write(" }")
		}
		compiled, err := Compile(text.String())
		if err != nil {
			t.Fatalf("%s: %v", text.String(), err)
		}
		got, ok := values(t, compiled.Line(), line.String())
		if !ok {
			t.Fatalf("%s does not fit\n%s", line.String(), text.String())
		}
		for i, value := range got {
			if asJSON {
				if err := json.Unmarshal([]byte(`"`+value+`"`), &value); err != nil {
					t.Fatalf("value %d is %q: %v", i, value, err)
				}
			}
			if value != want[i] {
				t.Fatalf("%s is %q, want %q in\n%s", chosen[i], value, want[i], line.String())
			}
		}
	})
}

// randomValue is a value that API Gateway might write.
func randomValue(random *rand.Rand, s shape) string {
	pick := func(from string, n int) string {
		var b strings.Builder
		runes := []rune(from)
		for range n {
			b.WriteRune(runes[random.IntN(len(runes))])
		}
		return b.String()
	}
	const letters = "abcXYZ019-_=+/.:$@"
	if random.IntN(6) == 0 {
		return "-"
	}
	switch s {
	case word:
		return pick(letters, 1+random.IntN(20))
	case unbroken:
		return pick(letters+`,;{}()%&\'`, 1+random.IntN(20))
	case number:
		return strconv.Itoa(random.IntN(1e6))
	case status:
		return strconv.Itoa(100 + random.IntN(500))
	case clock:
		return "0" + pick("123456789", 1) + "/Feb/2019:11:31:0" + pick("0123456789", 1) + " +0000"
	}
	return strings.TrimSpace(pick(letters+"  \"\\,;{}()<>'é%", 1+random.IntN(40))) + "."
}
