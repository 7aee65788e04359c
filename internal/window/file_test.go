package window_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

func sample() []window.Record {
	return []window.Record{
		{SequenceNumber: "100", Arrival: epoch, Data: []byte("first")},
		{SequenceNumber: seq56, Arrival: epoch.Add(1500 * time.Millisecond), Data: nil},
		{SequenceNumber: seq56 + "1", Arrival: epoch.Add(-time.Hour), Data: bytes.Repeat([]byte{0xff, 0}, 1000)},
	}
}

// read collects a staged window, copying the data that the reader reuses.
func read(r io.Reader) ([]window.Record, error) {
	var out []window.Record
	for rec, err := range window.Read(r) {
		if err != nil {
			return out, err
		}
		rec.Data = bytes.Clone(rec.Data)
		out = append(out, rec)
	}
	return out, nil
}

func TestStagedWindowRoundTrip(t *testing.T) {
	t.Parallel()
	for _, records := range [][]window.Record{nil, sample()[:1], sample()} {
		staged := window.Append([]byte("prefix"), records)[len("prefix"):]
		got, err := read(iotest.OneByteReader(bytes.NewReader(staged)))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(records) {
			t.Fatalf("%d records, want %d", len(got), len(records))
		}
		for i, r := range records {
			if got[i].SequenceNumber != r.SequenceNumber || !got[i].Arrival.Equal(r.Arrival) || !bytes.Equal(got[i].Data, r.Data) {
				t.Errorf("record %d: %v, want %v", i, got[i], r)
			}
		}
	}
}

func TestEveryDamageIsFound(t *testing.T) {
	t.Parallel()
	staged := window.Append(nil, sample())
	for n := range staged {
		if _, err := read(bytes.NewReader(staged[:n])); !errors.Is(err, window.ErrCorrupt) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(staged), err)
		}
		flipped := bytes.Clone(staged)
		flipped[n] ^= 0x10
		if _, err := read(bytes.NewReader(flipped)); !errors.Is(err, window.ErrCorrupt) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
	if _, err := read(bytes.NewReader(append(staged, 0))); !errors.Is(err, window.ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestReadPassesOnErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	staged := window.Append(nil, sample())
	_, err := read(io.MultiReader(bytes.NewReader(staged[:30]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, window.ErrCorrupt) {
		t.Errorf("got %v, want the source's error and no damage", err)
	}
}

func TestReadStopsWhenAsked(t *testing.T) {
	t.Parallel()
	n := 0
	for _, err := range window.Read(bytes.NewReader(window.Append(nil, sample()))) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(window.Append(nil, nil))
	f.Add(window.Append(nil, sample()))
	f.Fuzz(func(t *testing.T, staged []byte) {
		records, err := read(bytes.NewReader(staged))
		if err != nil {
			if !errors.Is(err, window.ErrCorrupt) {
				t.Fatalf("%v is not marked as damage", err)
			}
			return
		}
		// A varint has several spellings, so only the meaning must come back.
		again, err := read(bytes.NewReader(window.Append(nil, records)))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(records) {
			t.Fatalf("%v became %v, %v", records, again, err)
		}
	})
}
