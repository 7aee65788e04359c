package analytics

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// interactionOf is an interaction of the log events of a stream.
func interactionOf(uid string, more string, ids ...string) string {
	return fmt.Sprintf(`{"schema":"apigw.interaction/1","log.record.uid":%q,"cloud.account.id":"o","aws.log.group.names":["g"],`+
		`"aws.log.stream.names":["s"],"source.event_ids":%s%s}`, uid, list(ids), more)
}

func list(ids []string) string {
	text := "["
	for i, id := range ids {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q", id)
	}
	return text + "]"
}

func TestParseBatchFindsTheLogEventsOfInteractions(t *testing.T) {
	t.Parallel()
	a := hexID(1)
	for name, c := range map[string]struct {
		body string
		want []ID // of an interaction; nil for an event of its own
	}{
		"one stream": {interactionOf(a, "", "1", "2"), []ID{LogEventID("o", "g", "s", "1"), LogEventID("o", "g", "s", "2")}},
		"several streams": {
			interactionOf(a, `,"aws.log.stream.names":["s","t"],"source.event_streams":[1,0]`, "1", "2"),
			[]ID{LogEventID("o", "g", "t", "1"), LogEventID("o", "g", "s", "2")},
		},
		"members in another order": {
			`{"source.event_ids":["1"],"aws.log.stream.names":["s"],"aws.log.group.names":["g"],"cloud.account.id":"o","log.record.uid":"` + a + `","schema":"apigw.interaction/1"}`,
			[]ID{LogEventID("o", "g", "s", "1")},
		},
		"another schema":          {`{"schema":"apigw.access/1","log.record.uid":"` + a + `","source.event_ids":["1"]}`, nil},
		"no ids":                  {interactionOf(a, ""), nil},
		"ids that are no texts":   {interactionOf(a, `,"source.event_ids":[1]`), nil},
		"streams without numbers": {interactionOf(a, `,"aws.log.stream.names":["s","t"]`, "1", "2"), nil},
		"a stream that is not":    {interactionOf(a, `,"aws.log.stream.names":["s","t"],"source.event_streams":[2]`, "1"), nil},
		"no stream":               {interactionOf(a, `,"aws.log.stream.names":[]`, "1"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseBatch([]byte("["+c.body+"]"), 1, nil)
			require.NoError(t, err)
			if c.want == nil {
				require.Equal(t, []ID{eventID([]byte(a))}, got.ids)
				require.Empty(t, got.interactions)
				return
			}
			require.Empty(t, got.ids)
			require.Equal(t, []interaction{{eventID([]byte(a)), c.want}}, got.interactions)
		})
	}
}

// Each log event counts once for each event that it is in.
func TestLedgerCountsTheLogEventsOfInteractions(t *testing.T) {
	t.Parallel()
	l := newLedger(time.Now(), 0)
	accept := func(body string) {
		t.Helper()
		b, err := parseBatch([]byte("["+body+"]"), 0, nil)
		require.NoError(t, err)
		l.accept("", []byte(body), b, time.Now())
	}
	count := func(id string) int {
		r, _ := l.receipt(LogEventID("o", "g", "s", id))
		return r.Count
	}
	accept(interactionOf(hexID(1), "", "1", "2", "3"))
	require.Equal(t, [3]int{1, 1, 1}, [3]int{count("1"), count("2"), count("3")})
	accept(interactionOf(hexID(2), "", "3", "4")) // log event 3 once more
	require.Equal(t, [2]int{2, 1}, [2]int{count("3"), count("4")})
	accept(`{"log.record.uid":"` + LogEventID("o", "g", "s", "1").String() + `"}`) // by itself, too
	require.Equal(t, 2, count("1"))
	accept(interactionOf(hexID(1), "", "1", "2", "3")) // the same interaction
	require.Equal(t, 3, count("3"))
	require.Zero(t, count("5"))
	s := l.stats()
	require.EqualValues(t, 4, s.LogEvents)
	require.EqualValues(t, 4, s.Events)
	require.EqualValues(t, 2, s.Distinct)
	require.EqualValues(t, 2, s.Duplicates)
}
