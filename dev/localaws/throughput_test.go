package localaws_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// The benchmarks speak HTTP without the SDK, so that they measure the server and not its client.

func send(b *testing.B, url, target string, body []byte) *http.Response {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+target)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", target, resp.Status)
	}
	return resp
}

func drop(b *testing.B, resp *http.Response) {
	b.Helper()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
}

const benchRecord = 8 << 10

func putBody(records int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"StreamName":"bench","Records":[`)
	data := base64.StdEncoding.EncodeToString(make([]byte, benchRecord))
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Data":%q,"PartitionKey":"key-%d"}`, data, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkPutRecords(b *testing.B) {
	clk := newClock()
	c := start(b, localaws.Config{Now: clk.Now})
	c.stream(b, "bench", 4)
	const records = 500
	body := putBody(records)
	b.SetBytes(records * benchRecord)
	b.ReportAllocs()
	for b.Loop() {
		drop(b, send(b, c.url, "PutRecords", body))
		clk.advance(time.Hour) // the retention of 24 h bounds what is held
	}
}

func BenchmarkGetRecords(b *testing.B) {
	c := start(b, localaws.Config{})
	c.stream(b, "bench", 1)
	const page = 1000
	for range page / 500 {
		drop(b, send(b, c.url, "PutRecords", putBody(500)))
	}
	resp := send(b, c.url, "GetShardIterator", []byte(`{"StreamName":"bench","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}`))
	var it struct{ ShardIterator string }
	if err := json.NewDecoder(resp.Body).Decode(&it); err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
	body := fmt.Appendf(nil, `{"ShardIterator":%q,"Limit":%d}`, it.ShardIterator, page)
	b.SetBytes(page * benchRecord)
	b.ReportAllocs()
	for b.Loop() {
		drop(b, send(b, c.url, "GetRecords", body))
	}
}
