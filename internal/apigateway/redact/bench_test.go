package redact

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// accessLog is what nearly all lines look like: no secret, and hardly a word that
// hints at one.
const accessLog = `{"requestId":"286364ab-3a83-11e9-8dc8-db3cf4c83204","extendedRequestId":"Vwc2MGFUrPEFV_g=","ip":"203.0.113.7",` +
	`"requestTime":"05/Sep/2024:13:47:15 +0000","httpMethod":"GET","resourcePath":"/orders/{id}","path":"/prod/orders/7","status":"200",` +
	`"protocol":"HTTP/1.1","responseLength":"512","responseLatency":"45","integrationLatency":"29","integrationStatus":"200",` +
	`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)","apiId":"uwe3g5jm54","stage":"prod"}`

func BenchmarkText(b *testing.B) {
	r := newRedactor(b, Options{})
	own := newRedactor(b, Options{Names: []string{"tenant-key"}, Patterns: []string{`EMP-\d{6}`}})
	for _, bench := range []struct {
		name, text string
		r          *Redactor
	}{
		{"innocent", accessLog, r},
		{"secrets", `{"headers":{"authorization":"Bearer ` + jwt + `"},"body":"{\"user\":\"u\",\"password\":\"hunter2\"}","path":"/?token=x"}`, r},
		{"headers", "{Accept=*/*, Authorization=Bearer " + jwt + ", Cookie=a=b; c=d, Host=x.example, User-Agent=Mozilla/5.0, X-Api-Key=abc}", r},
		{"pattern", accessLog, own},
	} {
		b.Run(bench.name, func(b *testing.B) {
			text := []byte(bench.text)
			var dst []byte
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = bench.r.AppendText(dst[:0], text)
			}
		})
	}
}

// BenchmarkFind compares ways to find out that a text holds none of the words.
func BenchmarkFind(b *testing.B) {
	words := newNames(nil).stems()
	var list [][]byte
	var quoted []string
	for word := range words {
		list = append(list, []byte(word))
		quoted = append(quoted, regexp.QuoteMeta(word))
	}
	finder, automaton := newFinder(words), newAutomaton(words)
	expression := regexp.MustCompile("(?i)" + strings.Join(quoted, "|"))
	for _, bench := range []struct {
		name string
		find func([]byte) bool
	}{
		{"finder", func(text []byte) bool { _, found := finder.find(text, 0); return found }},
		{"aho-corasick", automaton.find},
		{"index", func(text []byte) bool {
			for _, word := range list {
				if bytes.Contains(text, word) {
					return true
				}
			}
			return false
		}},
		{"regexp", expression.Match},
	} {
		b.Run(bench.name, func(b *testing.B) {
			text := []byte(accessLog)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if bench.find(text) {
					b.Fatal("found something")
				}
			}
		})
	}
}

// automaton is what the finder was measured against.
type automaton []uint16

const found = 1<<16 - 1

func newAutomaton(words map[string]hint) automaton {
	trie := newFinder(words)
	n := len(trie.nodes)
	fail, next, a := make([]int, n), make([][classes]int, n), make(automaton, n*classes)
	var queue []int
	for c, node := range trie.nodes[0] {
		if next[0][c] = int(node); node != 0 {
			queue = append(queue, int(node))
		}
	}
	for len(queue) > 0 {
		node := queue[0]
		queue = queue[1:]
		for c, to := range trie.nodes[node] {
			switch {
			case c == classSkipped:
				next[node][c] = node
			case to == 0:
				next[node][c] = next[fail[node]][c]
			default:
				fail[to] = next[fail[node]][c]
				next[node][c] = int(to)
				queue = append(queue, int(to))
			}
		}
	}
	for node := range next {
		for c, to := range next[node] {
			a[node*classes+c] = uint16(to * classes)
			if trie.hints[to] != 0 {
				a[node*classes+c] = found
			}
		}
	}
	return a
}

func (a automaton) find(text []byte) bool {
	node := uint16(0)
	for _, c := range text {
		if node = a[node|uint16(classOf[c])]; node == found {
			return true
		}
	}
	return false
}
