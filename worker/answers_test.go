package worker_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// The sections of docs/delivery.md whose tables say what becomes of a batch.
const (
	aboutBatches = "What each answer means"
	aboutEvents  = "Answers about single events"
	noAnswer     = "When no answer comes"
)

// answerCase is what the API answers to a window, and what becomes of it.
type answerCase struct {
	section string
	// row is how a row of the section's table begins; empty for what stands beside it.
	row  string
	name string

	// api answers the nth request, from 0, with the events; nil if all is well.
	api func(w *world, n int, events []int) answer
	// items: the answers list events that failed.
	items bool
	// transport starts servers of its own, and returns what is wrong with the settings of a
	// first worker, and what is right.
	transport func(t *testing.T, api http.Handler) (faulty, right func(*config.Config))
	// faults is how many attempts the first worker makes.
	faults int
	// giveUpAfter is the setting delivery_give_up_after.
	giveUpAfter time.Duration

	// together: all batches are delivered together first. What the counts, statuses and
	// pages of a case are is of batches that are delivered each by itself.
	together bool
	// large: the window is too large to be formatted within a workflow task.
	large bool

	// requests are the attempts that are made, and sends the events of those of them that
	// have another key than the one before.
	requests int
	sends    []string
	// tokens and refreshes count the tokens that were used, and asked for.
	tokens, refreshes int
	// statuses are those that the list of workflows has shown; http is the last answer.
	statuses, http string
	// page has what was to be read on the window's page.
	page []string
	// pause is at least between the first two requests, and lastPause before the last one.
	pause, lastPause time.Duration
	// parks: somebody had to decide.
	parks bool
}

const (
	quick  = 1 // faults that Temporal alone outlasts
	lasts  = 8 // faults that the workflow is told of
	all    = "0123"
	smooth = "delivering delivered"
	rough  = "delivering retrying delivering delivered"
	waited = "delivering parked delivering delivered"
)

// first gives the same answer so many times.
func first(times int, a answer) func(*world, int, []int) answer {
	return func(_ *world, n int, _ []int) answer {
		if n < times {
			return a
		}
		return well
	}
}

func accepted(section, row, name string, a answer) answerCase {
	return answerCase{
		section: section, row: row, name: name, api: first(1, a),
		requests: 1, sends: []string{all}, tokens: 1, statuses: smooth, http: fmt.Sprint(a.status),
	}
}

// parked waits for a person, by whom it is sent again.
func parked(section, row, name string, a answer, says ...string) answerCase {
	return answerCase{
		section: section, row: row, name: name, api: first(1, a),
		requests: 2, sends: []string{all}, tokens: 1, statuses: waited, http: "200", parks: true,
		page: append([]string{
			"**parked** · 0 of 1 batches finished · 4 events · ", fmt.Sprintf(", the last answered with HTTP status %d", a.status),
			"**1 parked**", "batch 1 of 1 (4 events), since ", "DestinationRefused: the destination refused the batch with HTTP status " + fmt.Sprint(a.status),
			"Send the signal `redrive`", "or `discard` to give it up",
		}, says...),
	}
}

// resent is tried again for longer than Temporal alone does.
func resent(section, row, name string, a answer, says ...string) answerCase {
	says = append([]string{
		"**retrying** · 0 of 1 batches finished", "**DestinationUnavailable** since ", ", tried 6 times:", ", tried 7 times:", "see to the destination",
		"It is tried again by itself, next at ", "`redrive`",
	}, says...)
	if a.status != 0 && section != noAnswer {
		says = append(says, fmt.Sprintf("6 requests, the last answered with HTTP status %d", a.status))
	}
	return answerCase{
		section: section, row: row, name: name, api: first(lasts, a),
		requests: lasts + 1, sends: []string{all}, tokens: 1, statuses: rough, http: "200", page: says,
	}
}

func withToken(row, name string, a answer) answerCase {
	return answerCase{
		section: aboutBatches, row: row, name: name, api: first(1, a),
		requests: 2, sends: []string{all}, tokens: 2, refreshes: 1, statuses: smooth, http: "200",
	}
}

// change changes a case, in place of a field for each of its differences.
func (c answerCase) change(how func(c *answerCase)) answerCase {
	how(&c)
	return c
}

func retryAfter(status int, value string) answer {
	return answer{status: status, headers: map[string]string{"Retry-After": value}}
}

func batchCases() []answerCase {
	const (
		rowOK, row207, row401, row403 = "2xx", "207, with", "401", "403 that means the token"
		rowLater, row413, row3xx      = "408, 425, 429, 5xx", "413", "101, 3xx"
		rowRefused                    = "403 otherwise, any other 4xx"
	)
	var cases []answerCase
	for _, status := range []int{200, 201, 202, 204, 226, 299} {
		cases = append(cases, accepted(aboutBatches, rowOK, fmt.Sprint(status), answer{status: status}))
	}
	listed := answer{status: 207, body: `{"errors":[{"index":1,"status":500}]}`, takes: func(int) bool { return false }}
	cases = append(cases,
		parked(aboutBatches, row207, "207", listed, "some of the events may have failed: set destination_failed_items"),
		withToken(row401, "401", answer{status: 401}),
		withToken(row401, "401 of a token that was replaced already", answer{}).change(func(c *answerCase) {
			c.refreshes = 0
			c.api = func(w *world, n int, _ []int) answer {
				if n > 0 {
					return well
				}
				_, _ = w.params.rotate(w.t.Context(), 1) // of no use is what the case would notice
				return answer{status: 401}
			}
		}),
		withToken(row401, "401 again and again", answer{}).change(func(c *answerCase) {
			c.api, c.requests, c.tokens, c.refreshes, c.statuses = first(5, answer{status: 401}), 6, 6, 5, rough
			c.page = []string{"**TokenRefused** since ", "the destination answered HTTP status 401 to token version 5", "Look at the scope and the audience of the token"}
		}),
		withToken(row403, "challenge", answer{status: 403, headers: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}}),
		withToken(row403, "JSON", answer{status: 403, body: `{"error":"invalid_token"}`}),
		withToken(row403, "expired_token", answer{status: 403, body: `{"error":"expired_token"}`}),
		withToken(row403, "token_expired", answer{status: 403, headers: map[string]string{"WWW-Authenticate": `Bearer error="token_expired"`}}),
	)
	for _, status := range []int{408, 425, 429, 500, 501, 502, 503, 504, 507, 511, 520, 599} {
		cases = append(cases, resent(aboutBatches, rowLater, fmt.Sprint(status), answer{status: status, body: `{"error":"overloaded"}`},
			fmt.Sprintf("the destination answered HTTP status %d: {\"error\":\"overloaded\"}", status)))
	}
	for name, c := range map[string]struct {
		a       answer
		atLeast time.Duration
	}{
		"seconds":          {retryAfter(429, "90"), 90 * time.Second},
		"seconds of a 503": {retryAfter(503, "120"), 2 * time.Minute},
		"a date":           {retryAfter(503, time.Now().Add(50*time.Minute).UTC().Format(http.TimeFormat)), 40 * time.Minute},
		"a day":            {retryAfter(429, "86400"), time.Hour},
	} {
		cases = append(cases, resent(aboutBatches, rowLater, "Retry-After: "+name, c.a).change(func(r *answerCase) {
			r.api, r.requests, r.statuses, r.page, r.pause = first(quick, c.a), quick+1, smooth, nil, c.atLeast
		}))
	}
	cases = append(cases,
		// When the workflow itself tries again it keeps to what the last answer has asked for.
		resent(aboutBatches, rowLater, "Retry-After, for long", retryAfter(503, "1200")).change(func(c *answerCase) {
			c.pause, c.lastPause = 20*time.Minute, 20*time.Minute
		}),
		parked(aboutBatches, rowLater, "until it is given up", answer{status: 503}).change(func(c *answerCase) {
			c.api, c.giveUpAfter, c.requests, c.statuses = first(1000, answer{status: 503}), 10*time.Minute, 13, "delivering retrying parked delivering delivered"
			c.page = []string{"**1 parked**", "batch 1 of 1 (4 events), since ", "DestinationUnavailable: the destination answered HTTP status 503"}
		}),
	)
	tooLarge := func(limit func(events []int) bool) func(*world, int, []int) answer {
		return func(_ *world, _ int, events []int) answer {
			if limit(events) {
				return answer{status: 413}
			}
			return well
		}
	}
	cases = append(cases,
		answerCase{
			section: aboutBatches, row: row413, name: "of several events", api: tooLarge(func(events []int) bool { return len(events) > 1 }),
			requests: 7, sends: []string{all, "01", "0", "1", "23", "2", "3"}, tokens: 1, statuses: smooth, http: "200",
		},
		answerCase{
			section: aboutBatches, row: row413, name: "of an event", api: tooLarge(func(events []int) bool { return slices.Contains(events, 2) }),
			requests: 6, sends: []string{all, "01", "23", "2", "3", "2"}, tokens: 1, statuses: waited, http: "200", parks: true,
			page: []string{"**1 parked**", "1 events of batch 1 of 1, since ", "BatchTooLarge: the destination answered HTTP status 413 to a batch of "},
		},
		parked(aboutBatches, row3xx, "101", answer{status: 101, write: raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")}, "it speaks another protocol: check destination_url"),
	)
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		a := answer{status: status, headers: map[string]string{"Location": "https://elsewhere.example.com/v2?key=1"}}
		cases = append(cases, parked(aboutBatches, row3xx, fmt.Sprint(status), a, "it redirects to https://elsewhere.example.com, and redirects are not followed: set destination_url"))
	}
	for _, status := range []int{400, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 414, 415, 416, 417, 418, 421, 422, 423, 424, 426, 428, 431, 451, 499} {
		cases = append(cases, parked(aboutBatches, rowRefused, fmt.Sprint(status), answer{status: status, body: `{"error":"invalid_field"}`}, `{"error":"invalid_field"}`))
	}
	cases = append(cases,
		parked(aboutBatches, rowRefused, "403 for want of scope", answer{status: 403, headers: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope"`}}, "check token_scope"),
		accepted(aboutBatches, "", "informational first", answer{status: 202, write: raw("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")}),
		resent(aboutBatches, "", "status 999", answer{write: raw("HTTP/1.1 999 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")}, "HTTP status 999"),
	)
	return cases
}

func eventCases() []answerCase {
	const rowOK, rowLater, rowRefused = "2xx", "408, 425, 429, 5xx", "any other, or none"
	but := func(failed ...int) func(int) bool {
		return func(event int) bool { return !slices.Contains(failed, event) }
	}
	list := func(status int, items string, failed ...int) answer {
		return answer{status: status, body: `{"errors":[` + items + `]}`, takes: but(failed...)}
	}
	cases := []answerCase{
		accepted(aboutEvents, rowOK, "each is listed", list(207, `{"index":0,"status":200},{"index":1,"status":201},{"index":2,"status":202},{"index":3,"status":204}`)),
		accepted(aboutEvents, rowOK, "none is listed", list(200, "")),
		accepted(aboutEvents, "", "no list", answer{status: 200, body: `{"accepted":4}`}),
	}
	for _, status := range []int{408, 425, 429, 500, 503, 599} {
		a := list(207, fmt.Sprintf(`{"index":1,"status":%d},{"index":3,"status":%d}`, status, status), 1, 3)
		a.headers = map[string]string{"Retry-After": "120"}
		cases = append(cases, accepted(aboutEvents, rowLater, fmt.Sprint(status), a).change(func(c *answerCase) {
			c.requests, c.sends, c.http, c.pause = 2, []string{all, "13"}, "200", 2*time.Minute
			c.page = []string{"**2 events could not be taken**", "sent again by themselves, next at "}
		}))
	}
	for name, item := range map[string]string{"400": `{"index":2,"status":400}`, "401": `{"index":2,"status":401}`, "413": `{"index":2,"status":413}`, "422": `{"index":2,"status":422}`, "none": `{"index":2}`, "a number": "2"} {
		cases = append(cases, accepted(aboutEvents, rowRefused, name, list(207, item, 2)).change(func(c *answerCase) {
			c.requests, c.sends, c.http, c.statuses, c.parks = 2, []string{all, "2"}, "200", waited, true
			status := "207"
			if name[0] == '4' {
				status = name
			}
			c.page = []string{"**1 parked**", "1 events of batch 1 of 1, since ", "DestinationRefused: the destination refused 1 events of the batch: HTTP status " + status, "`redrive`"}
		}))
	}
	listLost := func(write func(http.ResponseWriter, *http.Request)) answer {
		return answer{status: 207, write: write, takes: but(1)}
	}
	unknown := func(name, body, says string) answerCase {
		return parked(aboutEvents, "", name, answer{status: 207, body: body, takes: but(0, 1, 2, 3)}, "which events failed cannot be told: ", says).change(func(c *answerCase) { c.items = true })
	}
	cases = append(cases,
		accepted(aboutEvents, rowRefused, "both at once", list(200, `{"index":0,"status":503},{"index":2,"status":422}`, 0, 2)).change(func(c *answerCase) {
			c.requests, c.sends, c.statuses, c.parks, c.page = 3, []string{all, "0", "2"}, waited, true, []string{"HTTP status 422"}
		}),
		accepted(aboutEvents, rowLater, "each of them, again and again", list(207, "", 0, 1, 2, 3)).change(func(c *answerCase) {
			c.api = first(3, list(207, `{"index":0,"status":503},{"index":1,"status":503},{"index":2,"status":503},{"index":3,"status":503}`, 0, 1, 2, 3))
			c.requests, c.sends, c.http, c.pause = 4, []string{all, all, all, all}, "200", time.Second
			c.page = []string{"**4 events could not be taken**"}
		}),
		accepted(aboutEvents, rowRefused, "each of them", list(207, "0,1,2,3", 0, 1, 2, 3)).change(func(c *answerCase) {
			c.requests, c.sends, c.http, c.statuses, c.parks = 2, []string{all, all}, "200", waited, true
			c.page = []string{"4 events of batch 1 of 1, since ", "the destination refused 4 events of the batch: HTTP status 207"}
		}),
		resent(aboutEvents, "", "the answer breaks off", listLost(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusMultiStatus)
			_, _ = io.WriteString(w, `{"errors":[{"index":`)
		}), "HTTP status 207: the answer, which may list events that failed, broke off").change(func(c *answerCase) {
			c.api = func(_ *world, n int, _ []int) answer {
				if n < lasts {
					return listLost(func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Length", "1000")
						w.WriteHeader(http.StatusMultiStatus)
						_, _ = io.WriteString(w, `{"errors":[{"index":`)
					})
				}
				if n == lasts { // the answer that was given to this key
					return list(207, `{"index":1,"status":429}`, 1)
				}
				return well
			}
			c.requests, c.sends = lasts+2, []string{all, "1"}
		}),
		unknown("too long an answer", `{"errors":[],"x":"`+strings.Repeat("x", 1<<20)+`"}`, "longer than 1048576 bytes"),
		unknown("half an answer", `{"errors":[{"index":0}`, "the answer is no JSON"),
		unknown("an event that is not there", `{"errors":[{"index":4,"status":500}]}`, "it lists an event that is not in the batch"),
		unknown("another form", `{"errors":["first"]}`, "it is no list of indices"),
		unknown("207 without a list", `{"accepted":4}`, "lists no events where destination_failed_items says"),
	)
	for i := range cases {
		cases[i].items = true
	}
	return cases
}

// raw answers with these bytes and closes the connection.
func raw(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if text == "" {
			_ = conn.(*net.TCPConn).SetLinger(0) // closed with a reset
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// TestWindowsGoByTheDocument takes a window through the real workflow, activities and client
// to an API that answers as a row of docs/delivery.md says, and looks at all that the row
// promises. Each is done twice: what is sent is the same.
func TestWindowsGoByTheDocument(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(batchCases(), eventCases(), transportCases()) {
		t.Run(c.section+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			w := flushedAsTold(t, c)
			c.large = true
			again := flushedAsTold(t, c)
			require.True(t, w.formattedHere)
			require.False(t, again.formattedHere)
			for i, request := range again.attempts {
				require.Equal(t, w.attempts[i].key, request.key)
				require.Equal(t, w.attempts[i].body, request.body)
			}
			c.large, c.together = false, true
			flushedAsTold(t, c)
		})
	}
}

func flushedAsTold(t *testing.T, c answerCase) *world {
	t.Helper()
	w := newWorld(t, c)
	out := w.run(workflows.SignalRedrive)
	told := strings.Join(w.pages, "\n\n")
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, windowEvents, out.Events)
	require.Equal(t, 1, out.Batches)
	require.Equal(t, map[int]int{0: 1, 1: 1, 2: 1, 3: 1}, w.api.taken, "each event is there once")

	if !c.together {
		require.Len(t, w.attempts, c.requests, told)
	}
	w.requireReceived()
	bodies, tokens, last := map[string]string{}, map[string]bool{}, ""
	var sends []string
	for _, request := range w.attempts {
		if body, known := bodies[request.key]; known {
			require.Equal(t, body, request.body, "the same bytes under one key")
		}
		bodies[request.key] = request.body
		tokens[request.token] = true
		if request.key != last {
			sends = append(sends, strings.Join(strings.Fields(strings.Trim(fmt.Sprint(request.events), "[]")), ""))
		}
		last = request.key
	}
	slices.Sort(sends)
	require.Equal(t, slices.Sorted(slices.Values(c.sends)), sends)
	require.Equal(t, len(w.attempts), out.Attempts, "each request is counted once")
	require.Len(t, tokens, c.tokens)
	require.Equal(t, c.refreshes, w.refreshes)
	if c.pause > 0 {
		require.GreaterOrEqual(t, w.attempts[1].at-w.attempts[0].at, c.pause)
		require.Less(t, w.attempts[1].at-w.attempts[0].at, c.pause+c.pause/2+time.Minute)
	}
	if c.lastPause > 0 {
		last := len(w.attempts) - 1
		require.GreaterOrEqual(t, w.attempts[last].at-w.attempts[last-1].at, c.lastPause)
	}
	require.Equal(t, c.http, w.http)
	if !c.together {
		require.Equal(t, c.statuses, compact(w.statuses), told)
		for _, text := range c.page {
			require.Contains(t, told, text)
		}
	}
	require.Equal(t, c.parks, w.decisions > 0)
	for _, canary := range []string{secretCanary, "canary-of-a-line"} {
		require.NotContains(t, told, canary)
	}
	require.Contains(t, w.page(), "**delivered** · 1 of 1 batches finished")
	require.NotContains(t, w.page(), "since", "nothing is left to tell")
	keys, err := w.stage.Keys(t.Context(), "p/")
	require.NoError(t, err)
	require.Empty(t, keys)
	return w
}

// TestDiscardedWindowsStay: what somebody has given up is not sent again, and is not deleted.
func TestDiscardedWindowsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parked(aboutBatches, "", "", answer{status: 400}))
	require.Equal(t, visibility.StatusDiscarded, w.run(workflows.SignalDiscard).Status)
	require.Len(t, w.attempts, 1)
	require.Equal(t, "delivering parked discarded", compact(w.statuses))
	require.Contains(t, w.page(), "1 batches or parts were discarded")
	keys, err := w.stage.Keys(t.Context(), "p/")
	require.NoError(t, err)
	require.Len(t, keys, 3, "the window, its batch, and a note that somebody has given it up")
}

// TestEachRowOfTheDocumentHasACase, and none of the cases is about a row that is gone.
func TestEachRowOfTheDocumentHasACase(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/delivery.md")
	require.NoError(t, err)
	cases := slices.Concat(batchCases(), eventCases(), transportCases())
	rows := 0
	for _, section := range []string{aboutBatches, aboutEvents, noAnswer} {
		used := map[string]bool{"": true}
		for _, row := range tableRows(t, string(text), section) {
			rows++
			found := false
			for _, c := range cases {
				rest, ok := strings.CutPrefix(row, c.row)
				if c.section == section && c.row != "" && ok && strings.Trim(rest[:min(1, len(rest))], " ,;:") == "" {
					used[c.row], found = true, true
				}
			}
			require.True(t, found, "%s: no case is about %q", section, row)
		}
		for _, c := range cases {
			require.True(t, c.section != section || used[c.row], "%s has no row %q", section, c.row)
		}
	}
	require.Equal(t, 21, rows, "the tables were found")
}

// tableRows are the first cells of the rows of the tables in a section.
func tableRows(t *testing.T, text, section string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+section+"\n")
	require.True(t, ok, section)
	rest, _, _ = strings.Cut(rest, "\n## ")
	var rows []string
	for _, table := range regexp.MustCompile(`(?m)^\|[- |]+\|\n((?:\|.*\n)+)`).FindAllStringSubmatch(rest, -1) {
		for line := range strings.Lines(table[1]) {
			rows = append(rows, strings.TrimSpace(strings.Split(line, "|")[1]))
		}
	}
	require.NotEmpty(t, rows, section)
	return rows
}
