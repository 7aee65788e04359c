package delivery

import (
	"bytes"
	"mime"
	"regexp"
	"slices"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/framing"
)

const (
	// excerptRead is how much of an answer an excerpt is taken from, and excerptLimit how
	// long it gets, both in bytes.
	excerptRead  = 4 << 10
	excerptLimit = 300

	// longestWord is the length of the longest word that is taken for one. What is longer
	// is most likely something encoded.
	longestWord = 24

	// shortestSecret is the length of what is looked for as a whole.
	shortestSecret = 8

	// quotedWords in a row that were sent in this order are a quotation, however usual
	// each of them is.
	quotedWords = 3

	omitted = "…"
)

// htmlTitle is what a page for people has to tell here.
var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// excerpt is what can be shown of an answer in a history that no log line and no secret
// may get into, while the answer may quote what it was sent: as it was, cut off, escaped
// or in another case. So it is judged word by word. A word is shown if it is a usual one
// of answers or of the names of our own events (see vocabulary), or if it is in nothing
// that was sent, looks like a word, and the redactor has nothing against it. Whatever
// else, and three usual words in a row that were sent in this order, is left out.
func (e *exchange) excerpt(answer []byte) string {
	answer = answer[:min(len(answer), excerptRead)]
	if media, _, err := mime.ParseMediaType(e.response.Header.Get("Content-Type")); err == nil && strings.Contains(media, "html") {
		title := htmlTitle.FindSubmatch(answer)
		if title == nil {
			return ""
		}
		answer = title[1]
	}
	answer, _ = e.client.options.Redactor.AppendText(nil, answer)
	for _, secret := range e.secrets {
		// A short one is as good as its words, and could be in any of them.
		if text := secret.Reveal(); len(text) >= shortestSecret {
			answer = bytes.ReplaceAll(answer, []byte(text), []byte(omitted))
		}
	}
	f, err := e.filter()
	if err != nil {
		return "" // nothing is known of what was sent
	}
	return f.apply(answer)
}

// filter knows what was sent.
func (e *exchange) filter() (filter, error) {
	sent, err := framing.Decode(e.request.ContentEncoding, e.request.Body)
	if err != nil {
		return filter{}, err
	}
	f := filter{sent: []string{plain(sent)}}
	for _, secret := range e.secrets {
		f.sent = append(f.sent, plain([]byte(secret.Reveal())))
	}
	return f, nil
}

// shortestPart is the length of the shortest part of a host's name that could tell anything
// of what was sent.
const shortestPart = 4

// quotes tells whether the name of a host could have been made from what was sent. What the
// destination's own host has in it, and usual words, say nothing.
func (e *exchange) quotes(host string) bool {
	f, err := e.filter()
	if err != nil {
		return true
	}
	own := strings.Fields(plain([]byte(e.client.url.Host)))
	for part := range strings.FieldsSeq(plain([]byte(host))) {
		if len(part) < shortestPart || slices.Contains(own, part) || vocabulary()[part] {
			continue
		}
		if len(part) > longestWord || f.wasSent(part) {
			return true
		}
	}
	return false
}

// filter takes words out of an answer. What was sent is in its plain form.
type filter struct{ sent []string }

// word is a run of letters and digits, and what stands before it.
type word struct {
	before, text string
	plain        string // in lower case
	omit         bool
}

// apply returns the beginning of the answer with the words that may be shown.
func (f filter) apply(answer []byte) string {
	words := split(unescape(answer))
	for i := range words {
		words[i].omit = !f.harmless(words, i)
	}
	for i := 0; i < len(words); {
		n := nameLength(words[i:])
		if n < 2 {
			n = f.omitQuotation(words[i:])
		}
		i += max(1, n)
	}
	var out strings.Builder
	gap, shown := false, false
	for _, w := range words {
		switch {
		case w.omit && gap:
			continue // with what stands between them
		case w.omit:
			out.WriteString(w.before + omitted)
		default:
			out.WriteString(w.before + w.text)
			shown = shown || w.text != ""
		}
		gap = w.omit
	}
	if !shown {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// harmless judges one word by itself.
func (f filter) harmless(words []word, i int) bool {
	text := words[i].plain
	switch digits := strings.Trim(text, "0123456789") == ""; {
	case text == "":
		return true // the punctuation at the end
	case digits:
		// An index or a count. Several are a date, an address or a number of a card.
		alone := (i == 0 || !isNumber(words[i-1].plain)) && (i+1 == len(words) || !isNumber(words[i+1].plain))
		return len(text) <= 4 && alone
	case vocabulary()[text]:
		return true
	case len(text) > longestWord, strings.ContainsAny(text, "0123456789"), !isASCII(text):
		return false
	}
	return !f.wasSent(text)
}

func (f filter) wasSent(text string) bool {
	for _, sent := range f.sent {
		if strings.Contains(sent, text) {
			return true
		}
	}
	return false
}

// omitQuotation omits the longest run of words, from the first, that was sent in this
// order, and returns its length. Two in a row are one if either was left out by itself.
func (f filter) omitQuotation(words []word) int {
	run, n, omitted := "", 0, false
	for _, w := range words {
		if w.plain == "" || !f.wasSent(run+w.plain) {
			break
		}
		run += w.plain + " "
		n++
		omitted = omitted || w.omit
	}
	if n < quotedWords && (n < 2 || !omitted) {
		return 0
	}
	for i := range n {
		words[i].omit = true
	}
	return n
}

// nameLength is how many words, from the first, are the name of a member of our own
// events. That stands in all that is sent.
func nameLength(words []word) int {
	name, length := "", 0
	for i, w := range words[:min(len(words), longestName)] {
		name += w.plain
		if names()[name] {
			length = i + 1
		}
		name += " "
	}
	return length
}

// split takes an answer apart, up to the limit of an excerpt. Punctuation is shown as it
// is, a few characters of it, but without control characters and what is no ASCII.
func split(answer []byte) []word {
	var words []word
	length := 0
	for len(answer) > 0 && length < excerptLimit {
		n := bytes.IndexFunc(answer, isWordRune)
		if n < 0 {
			n = len(answer)
		}
		before := punctuation(answer[:n])
		answer = answer[n:]
		end := bytes.IndexFunc(answer, func(r rune) bool { return !isWordRune(r) })
		if end < 0 {
			end = len(answer)
		}
		text := string(answer[:end])
		answer = answer[end:]
		words = append(words, word{before: before, text: text, plain: strings.ToLower(text)})
		length += len(before) + min(len(text), len(omitted))
		if len(text) <= longestWord {
			length += max(0, len(text)-len(omitted))
		}
	}
	return words
}

// punctuation is what may stand before a word.
func punctuation(text []byte) string {
	const most = 6
	var out []byte
	for _, c := range text {
		if c <= ' ' || c >= 0x7f {
			c = ' '
		}
		if len(out) == most {
			break
		}
		if c != ' ' || len(out) == 0 || out[len(out)-1] != ' ' {
			out = append(out, c)
		}
	}
	return string(out)
}

// plain is text as words in lower case with a space between them, so that it can be
// searched for what somebody has escaped otherwise.
func plain(text []byte) string {
	out := make([]byte, 0, len(text))
	for _, c := range unescape(text) {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case !isWordRune(rune(c)):
			c = ' '
		}
		if c != ' ' || len(out) > 0 && out[len(out)-1] != ' ' {
			out = append(out, c)
		}
	}
	return string(out)
}

// unescape puts a space where there is an escape of JSON, at any depth. What it stands
// for is between words anyway, or no ASCII.
func unescape(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		for i+1 < len(text) && text[i+1] == '\\' {
			i++
		}
		if i+1 < len(text) && strings.IndexByte(`"/nrtbfu`, text[i+1]) >= 0 {
			i++
		}
		out = append(out, ' ')
	}
	return out
}

// isWordRune counts everything that is no ASCII to the words: it is judged, and left out,
// together with what it stands beside.
func isWordRune(r rune) bool {
	return r >= 0x80 || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
}
