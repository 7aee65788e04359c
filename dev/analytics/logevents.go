package analytics

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

const (
	statsPath     = "/stats"
	logEventsPath = "/log-events"
)

// receiptSize is an id, the first arrival in milliseconds since 1970, and the count,
// both of 8 bytes, the highest first: text of millions of receipts takes too long.
const receiptSize = len(ID{}) + 8 + 8

// serveLogEvents answers with all receipts, one after the other.
func (s *Server) serveLogEvents(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	out := bufio.NewWriterSize(w, 64<<10)
	receipt := make([]byte, 0, receiptSize)
	for id, r := range s.LogEvents() {
		receipt = append(receipt[:0], id[:]...)
		receipt = binary.BigEndian.AppendUint64(receipt, uint64(r.First.UnixMilli()))
		receipt = binary.BigEndian.AppendUint64(receipt, uint64(r.Count))
		if _, err := out.Write(receipt); err != nil {
			return // a client that went away cannot be told
		}
	}
	_ = out.Flush()
}

// FetchStats asks the API at a URL for its counts.
func FetchStats(ctx context.Context, url string) (Stats, error) {
	var stats Stats
	err := fetch(ctx, url+statsPath, func(body io.Reader) error { return json.NewDecoder(body).Decode(&stats) })
	return stats, err
}

// FetchLogEvents asks the API at a URL for the receipt of each log event, in no order,
// as [Server.LogEvents] has them. The error says, at the end, what went wrong.
func FetchLogEvents(ctx context.Context, url string) (receipts iter.Seq2[ID, Receipt], failed func() error) {
	var err error
	return func(yield func(ID, Receipt) bool) {
		err = fetch(ctx, url+logEventsPath, func(body io.Reader) error { return readReceipts(body, yield) })
	}, func() error { return err }
}

func readReceipts(body io.Reader, yield func(ID, Receipt) bool) error {
	in := bufio.NewReaderSize(body, 64<<10)
	var raw [receiptSize]byte
	for {
		_, err := io.ReadFull(in, raw[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var id ID
		rest := raw[copy(id[:], raw[:]):]
		first, count := binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])
		if !yield(id, Receipt{First: time.UnixMilli(int64(first)), Count: int(count)}) {
			return nil
		}
	}
}

func fetch(ctx context.Context, url string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask the analytics API: %w", err)
	}
	answer, err := fetcher.Do(request)
	if err != nil {
		return fmt.Errorf("ask the analytics API: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the analytics API: %s: %s", url, answer.Status)
	}
	if err := read(answer.Body); err != nil {
		return fmt.Errorf("read what %s answers: %w", url, err)
	}
	return nil
}

// fetcher waits for as long as the context of a request lets it.
var fetcher = &http.Client{}
