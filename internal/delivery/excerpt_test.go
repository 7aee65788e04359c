package delivery_test

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/framing"
)

func TestExcerptsTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	const html = "Content-Type: text/html; charset=utf-8\r\n"
	for name, c := range map[string]struct{ headers, answer, want string }{
		"nothing":         {"", "", ""},
		"a sentence":      {"", "The field 'tenantId' is required.", "The field 'tenantId' is required."},
		"JSON":            {"", `{"error":"invalid_json","message":"unexpected token at offset 120"}`, `{"error":"invalid_json","message":"unexpected token at offset 120"}`},
		"our own members": {"", `events[2].log.record.uid must be unique`, `events[2].log.record.uid must be unique`},
		"lines":           {"", "quota\r\n\texceeded\x1b[31m\x00", "quota exceeded […"},
		"a page":          {html, "<html><head><title>403 Forbidden</title></head><body>" + lineCanary, "403 Forbidden"},
		"an empty page":   {html, "<p>" + lineCanary, ""},
		"a quotation":     {"", "invalid value '" + lineCanary + "' at events[0].body", "invalid value '…' at events[0].body"},
		"numbers":         {"", "account 123456789012 at 10.0.0.1 on 2024-09-05, 5 of 7 events", "account … at … on … of 7 events"},
		"ids":             {"", "request 5c1d3f1e-3a83 (abcdefghijklmnopqrstuvwxyz)", "request …)"},
		"another tongue":  {"", "Ungültiger Wert", "… Wert"},
		"only quoted":     {"", lineCanary, ""},
		"a password":      {"", "password=opensesame is wrong", "password=[REDACTED:10] is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redactor, err := redact.New(redact.Options{})
			require.NoError(t, err)
			a := deliver(t, delivery.Options{URL: answering(t, response(400, c.headers, c.answer)), Redactor: redactor})
			require.Equal(t, c.want, a.Excerpt)
		})
	}
}

// TestExcerptsQuoteNothing: an API can quote what it was sent in many ways.
func TestExcerptsQuoteNothing(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", framing.EncodingGzip} {
		for name, quote := range map[string]func(string) string{
			"as it was":             func(s string) string { return s },
			"Go":                    strconv.Quote,
			"twice":                 func(s string) string { return strconv.Quote(strconv.Quote(s)) },
			"upper case":            strings.ToUpper,
			"title case":            func(s string) string { return strings.ReplaceAll(s, "wanders", "Wanders") },
			"cut off":               func(s string) string { return s[:len(s)/2] },
			"without its beginning": func(s string) string { return s[3:] },
			"URL":                   url.QueryEscape,
			"path":                  url.PathEscape,
			"HTML":                  html.EscapeString,
			"base64":                func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
			"base64 URL":            func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
			"hex":                   func(s string) string { return hex.EncodeToString([]byte(s)) },
			"other spaces":          func(s string) string { return strings.ReplaceAll(s, " ", "_") },
			"letters apart":         func(s string) string { return strings.ReplaceAll(s, "", "\u200b") },
		} {
			t.Run(name+encoding, func(t *testing.T) {
				t.Parallel()
				for _, what := range []string{string(sentBody), lineCanary, tokenCanary, "Bearer " + tokenCanary, headerCanary} {
					for _, frame := range []string{"%", `{"error":"%"}`, `{"error":{"message":"unknown value \"%\""}}`, "invalid: %, %"} {
						answer := strings.ReplaceAll(frame, "%", quote(what))
						for _, status := range []int{207, 307, 400, 401, 403, 413, 422, 503} {
							client := newClient(t, delivery.Options{URL: answering(t, response(status, "", answer))})
							r := request()
							var err error
							r.ContentEncoding = encoding
							r.Body, err = framing.Encode(encoding, sentBody)
							require.NoError(t, err)
							a := attempt(t, client, r)
							text := strings.ToLower(a.Excerpt + a.Reason)
							for _, piece := range []string{"parakeet", "wander", "through the log", "3141", "2718", hex.EncodeToString([]byte("parakeet")), base64.StdEncoding.EncodeToString([]byte("parakeet"))} {
								require.NotContains(t, text, strings.ToLower(piece), "%s", answer)
							}
						}
					}
				}
			})
		}
	}
}

// TestUsualWordsAreNoQuotation: a line of nothing but usual words is left out as well.
func TestUsualWordsAreNoQuotation(t *testing.T) {
	t.Parallel()
	const sent = `[{"body":"user not found for\nthe account"},{"x":"a\\nlog entry was too old"}]`
	for answer, want := range map[string]string{
		"invalid: user not found for the account":    "invalid: …",
		"invalid: USER NOT FOUND":                    "invalid: …",
		"user is not found":                          "user is not found",
		`invalid "a\nlog entry was too old" value`:   `invalid "…" value`,
		"user not\tfound for a user, entry too long": "… a user, entry too long",
		"5 of 7 events":                              "5 of 7 events",
	} {
		require.Equal(t, want, delivery.Excerpt([]byte(answer), []byte(sent)))
	}
	require.Empty(t, delivery.Excerpt([]byte("user not found"), []byte(sent)))
}

func TestNothingIsShownWhereTheBodyCannotBeRead(t *testing.T) {
	t.Parallel()
	r := request()
	r.ContentEncoding = framing.EncodingGzip
	a := attempt(t, newClient(t, delivery.Options{URL: answering(t, response(400, "", "invalid value"))}), r)
	require.Equal(t, delivery.Refused, a.Verdict)
	require.Empty(t, a.Excerpt)
}
