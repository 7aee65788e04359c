package quarantine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

var part = apigateway.Quarantined{
	SequenceNumber: "11", Arrival: time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC), UserRecord: 2, Offset: 70,
	Reason: apigateway.ReasonEventTooLarge, Events: 1,
	Origin: apigateway.Origin{UserRecord: "2", Shift: -30, Done: 5}, Data: []byte("{\"a\":1}\nand more"),
}

func staged(t *testing.T, q apigateway.Quarantined) []byte {
	t.Helper()
	body, err := quarantine.Append(nil, quarantine.HeaderOf(q), q.Data)
	require.NoError(t, err)
	return body
}

// TestPieceIsReadBack: what is staged gives the record to format it again.
func TestPieceIsReadBack(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]apigateway.Quarantined{
		"all": part, "nothing": {}, "no data": {SequenceNumber: "1", Reason: part.Reason}, "binary": {Data: []byte("\x00\n\xff\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := staged(t, q)
			header, data, err := quarantine.Parse(body)
			require.NoError(t, err)
			require.Equal(t, quarantine.HeaderOf(q), header)
			require.True(t, bytes.Equal(q.Data, data))
			record := header.Record(data)
			require.Equal(t, q.Origin, record.Origin)
			require.Equal(t, q.SequenceNumber, record.SequenceNumber)
			require.True(t, q.Arrival.Equal(record.Arrival))

			header, err = quarantine.ReadHeader(iotest.OneByteReader(bytes.NewReader(body)))
			require.NoError(t, err)
			require.Equal(t, quarantine.HeaderOf(q), header)
			require.Equal(t, body, staged(t, q), "the same piece is the same object")
		})
	}
}

func TestDamagedPiece(t *testing.T) {
	t.Parallel()
	whole := string(staged(t, part))
	for name, text := range map[string]string{
		"empty": "", "something else": "{}", "cut in the magic": whole[:10], "cut in the header": whole[:40],
		"header that is no JSON": quarantine.Magic + "{\n", "header without end": quarantine.Magic + strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := quarantine.ReadHeader(strings.NewReader(text))
			require.ErrorIs(t, err, quarantine.ErrCorrupt)
			_, _, err = quarantine.Parse([]byte(text))
			require.ErrorIs(t, err, quarantine.ErrCorrupt)
		})
	}
	broken := errors.New("connection reset")
	_, err := quarantine.ReadHeader(io.MultiReader(strings.NewReader(whole[:40]), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, quarantine.ErrCorrupt)
}

// TestDigest: the same part at another place is another piece, and is the same one for
// whatever reason it is here.
func TestDigest(t *testing.T) {
	t.Parallel()
	h := quarantine.HeaderOf(part)
	same := h
	same.Reason, same.Offset, same.Done, same.Events = "another", 1, 2, 3
	require.Equal(t, h.Digest(part.Data), same.Digest(part.Data))
	require.NotEqual(t, h.Digest(part.Data), h.Digest(nil))
	for _, change := range []func(*quarantine.Header){
		func(h *quarantine.Header) { h.SequenceNumber = "1" },
		func(h *quarantine.Header) { h.UserRecord = "" },
		func(h *quarantine.Header) { h.Shift++ },
	} {
		other := h
		change(&other)
		require.NotEqual(t, h.Digest(part.Data), other.Digest(part.Data))
	}
}

func FuzzParse(f *testing.F) {
	body, err := quarantine.Append(nil, quarantine.HeaderOf(part), part.Data)
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte(quarantine.Magic + "{}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		header, data, err := quarantine.Parse(body)
		read, readErr := quarantine.ReadHeader(bytes.NewReader(body))
		if readErr == nil && (err != nil || read != header) {
			t.Fatalf("%q: %+v, %v and %+v", body, header, err, read)
		}
		if err != nil {
			return
		}
		again, err := quarantine.Append(nil, header, data)
		if err != nil {
			return // a time that JSON does not have
		}
		if read, rest, err := quarantine.Parse(again); err != nil || read != header || !bytes.Equal(rest, data) {
			t.Fatalf("%q is %+v, and then %+v, %v", body, header, read, err)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	st, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	defer st.Close()
	const pieces = 600 // more than are listed at once
	var keys []string
	for n := range pieces {
		key := window.Range{ShardID: "shardId-000000000001", First: "1", Last: "9"}.QuarantineKey("p", n, "d")
		keys = append(keys, key)
		q := part
		q.Offset = int64(n)
		require.NoError(t, st.Put(t.Context(), key, staged(t, q)))
	}
	damaged := window.Range{ShardID: "shardId-000000000002", First: "1", Last: "9"}.QuarantineKey("p", 0, "d")
	require.NoError(t, st.Put(t.Context(), damaged, []byte("x")))
	for _, foreign := range []string{"p/quarantine/1/fileblob123", "p/raw/1/x", keys[0] + "/x", strings.Replace(keys[0], "p/", "q/", 1)} {
		require.NoError(t, st.Put(t.Context(), foreign, []byte("x")))
	}

	var got []quarantine.Entry
	for e, err := range quarantine.List(t.Context(), st, "p") {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Len(t, got, pieces+1)
	for n, key := range keys {
		require.Equal(t, key, got[n].Key)
		require.Equal(t, n, got[n].Place.Number)
		require.EqualValues(t, n, got[n].Offset)
		require.EqualValues(t, len(staged(t, part))+len(fmt.Sprint(n))-2, got[n].Bytes)
		require.False(t, got[n].At.IsZero())
		require.NoError(t, got[n].Damaged)
	}
	require.Equal(t, damaged, got[pieces].Key)
	require.ErrorIs(t, got[pieces].Damaged, quarantine.ErrCorrupt)

	for e := range quarantine.List(t.Context(), st, "p") {
		require.Equal(t, keys[0], e.Key)
		break
	}

	e, err := quarantine.Get(t.Context(), st, "p", keys[3])
	require.NoError(t, err)
	require.Equal(t, got[3], e)
	_, err = quarantine.Get(t.Context(), st, "p", strings.Replace(keys[3], "-d", "-e", 1))
	require.ErrorIs(t, err, stage.ErrNotFound)
	_, err = quarantine.Get(t.Context(), st, "p", "p/raw/1/x")
	require.ErrorContains(t, err, "p/raw/1/x")
}

// failing is a stage that lists and cannot be read.
type failing struct {
	*stage.Stage
	err error
}

func (f failing) Reader(context.Context, string) (io.ReadCloser, error) { return nil, f.err }

func TestListFails(t *testing.T) {
	t.Parallel()
	st, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, st.Put(t.Context(), window.Range{ShardID: "1", First: "1", Last: "9"}.QuarantineKey("p", 0, "d"), staged(t, part)))
	broken := errors.New("access denied")
	for _, err := range quarantine.List(t.Context(), failing{st, broken}, "p") {
		require.ErrorIs(t, err, broken)
	}
	// Delivered since it was listed.
	for e := range quarantine.List(t.Context(), failing{st, stage.ErrNotFound}, "p") {
		t.Errorf("%+v", e)
	}
}
