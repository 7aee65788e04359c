package framing_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/framing"
)

var origin = framing.Origin{Pipeline: "orders", Window: `orders/flush/1/"x`, Shard: "shardId-000000000001", Batch: 12}

var formats = []framing.Format{framing.Array, framing.NDJSON, framing.Object}

func body(f framing.Format, events ...string) string {
	frame := f.Frame(origin)
	return frame.Before + strings.Join(events, frame.Between) + frame.After
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		`[{"a":1},{"b":2}]`:      body(framing.Array, `{"a":1}`, `{"b":2}`),
		`[{"a":1}]`:              body("", `{"a":1}`), // if nothing is said
		"{\"a\":1}\n{\"b\":2}\n": body(framing.NDJSON, `{"a":1}`, `{"b":2}`),
		`{"pipeline":"orders","window":"orders/flush/1/\"x","shard":"shardId-000000000001","batch":12,"events":[{"a":1},{"b":2}]}`: body(framing.Object, `{"a":1}`, `{"b":2}`),
	} {
		require.Equal(t, want, got)
	}
	require.True(t, json.Valid([]byte(body(framing.Object, `{}`))))
	require.Equal(t, []string{"application/json", "application/x-ndjson", "application/json"},
		[]string{framing.Array.ContentType(), framing.NDJSON.ContentType(), framing.Object.ContentType()})
}

// TestSelect: some events of a body are a body of the same form.
func TestSelect(t *testing.T) {
	t.Parallel()
	events := []string{`{"a":"]},[{\n"}`, `{"events":[{"x":1}]}`, `{"":{"a":1,"a":2}}`, "{\"b\":\"\xff\"}", `{}`}
	for _, format := range formats {
		whole := []byte(body(format, events...))
		parsed, err := framing.Parse(format.ContentType(), whole)
		require.NoError(t, err)
		require.Equal(t, len(events), parsed.Len())
		for _, indices := range [][]int{{0, 1, 2, 3, 4}, {0}, {4}, {1, 3}, {}} {
			var chosen []string
			for _, i := range indices {
				chosen = append(chosen, events[i])
			}
			want := body(format, chosen...)
			if format == framing.NDJSON && len(chosen) == 0 {
				want = "\n"
			}
			require.Equal(t, want, string(parsed.Select(slices.Values(indices))))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const line = "a-log-line"
	for name, c := range map[string]struct{ contentType, text string }{
		"nothing":             {framing.TypeJSON, ``},
		"a number":            {framing.TypeJSON, `1`},
		"cut off":             {framing.TypeJSON, `[{"a":"` + line + `"},{"b`},
		"no end":              {framing.TypeJSON, `[{"a":1}`},
		"two arrays":          {framing.TypeJSON, `[{"a":1}][]`},
		"no events":           {framing.TypeJSON, `{"a":"` + line + `"}`},
		"events of one":       {framing.TypeJSON, `{"events":"` + line + `"}`},
		"members behind them": {framing.TypeJSON, `{"events":[],"a":"` + line + `"}`},
		"object cut off":      {framing.TypeJSON, `{"events":[{}]`},
		"head cut off":        {framing.TypeJSON, `{"pipeline":"p`},
		"no newline":          {framing.TypeNDJSON, `{"a":1}`},
		"an empty line":       {framing.TypeNDJSON, "{}\n\n"},
		"no JSON":             {framing.TypeNDJSON, line + "\n"},
	} {
		_, err := framing.Parse(c.contentType, []byte(c.text))
		require.ErrorIs(t, err, framing.ErrMalformed, name)
		require.NotContains(t, err.Error(), line)
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("a log line\n"), 1000)
	same, err := framing.Encode("", text)
	require.NoError(t, err)
	require.Equal(t, text, same)
	zipped, err := framing.Encode(framing.EncodingGzip, text)
	require.NoError(t, err)
	require.Less(t, len(zipped), len(text)/10)
	again, err := framing.Encode(framing.EncodingGzip, text)
	require.NoError(t, err)
	require.Equal(t, zipped, again, "no time is in it")
	for encoding, body := range map[string][]byte{"": text, framing.EncodingGzip: zipped} {
		back, err := framing.Decode(encoding, body)
		require.NoError(t, err)
		require.Equal(t, text, back)
	}
	for _, broken := range [][]byte{nil, text, zipped[:len(zipped)/2], append(bytes.Clone(zipped), "x"...)} {
		_, err := framing.Decode(framing.EncodingGzip, broken)
		require.ErrorIs(t, err, framing.ErrMalformed)
	}
	_, err = framing.Encode("br", text)
	require.ErrorIs(t, err, framing.ErrMalformed)
	_, err = framing.Decode("br", text)
	require.ErrorIs(t, err, framing.ErrMalformed)
}

// FuzzParse: a body that can be taken apart has all its events in its parts, and each
// part can be taken apart again.
func FuzzParse(f *testing.F) {
	for _, format := range formats {
		f.Add(format.ContentType(), []byte(body(format, `{"a":"]},[{\n"}`, `{"events":[1]}`, `{}`)))
	}
	f.Add(framing.TypeJSON, []byte(` { "events" : [ 1 , 2 ] } `))
	f.Fuzz(func(t *testing.T, contentType string, text []byte) {
		whole, err := framing.Parse(contentType, text)
		if err != nil || whole.Len() == 0 {
			return
		}
		one := func(i int) string {
			part, err := framing.Parse(contentType, whole.Select(slices.Values([]int{i})))
			if err != nil || part.Len() != 1 {
				t.Fatalf("event %d alone: %d events, %v", i, part.Len(), err)
			}
			return fmt.Sprintf("%q", part.Select(slices.Values([]int{0})))
		}
		half := whole.Len() / 2
		halves := make([]framing.Body, 2)
		for i, n := range [][2]int{{0, half}, {half, whole.Len()}} {
			var indices []int
			for k := n[0]; k < n[1]; k++ {
				indices = append(indices, k)
			}
			if len(indices) == 0 {
				continue
			}
			if halves[i], err = framing.Parse(contentType, whole.Select(slices.Values(indices))); err != nil || halves[i].Len() != len(indices) {
				t.Fatalf("half %d: %d events of %d, %v", i, halves[i].Len(), len(indices), err)
			}
			for k, index := range indices {
				if got := fmt.Sprintf("%q", halves[i].Select(slices.Values([]int{k}))); got != one(index) {
					t.Fatalf("event %d is %s in its half, and %s in the whole", index, got, one(index))
				}
			}
		}
	})
}
