package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// logText makes n log events of a kind and returns them as the gzipped records
// that a subscription filter writes, with the size of the messages.
func logText(tb testing.TB, n int, line func(i int) string) (records []Record, textBytes int64) {
	tb.Helper()
	const perRecord = 500
	for first := 0; first < n; first += perRecord {
		var body bytes.Buffer
		body.WriteString(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/apigw/orders/access",` +
			`"logStream":"5f1d7e84db6ed5a06b5e9d1b0e9b8a41","subscriptionFilters":["logpipe"],"logEvents":[`)
		for i := first; i < min(first+perRecord, n); i++ {
			if i > first {
				body.WriteByte(',')
			}
			text := line(i)
			textBytes += int64(len(text))
			quoted, err := json.Marshal(text)
			if err != nil {
				tb.Fatal(err)
			}
			fmt.Fprintf(&body, `{"id":"38480917865042697267627490045603633139480491%012d","timestamp":%d,"message":%s}`,
				i, 1725544035523+i, quoted)
		}
		body.WriteString(`]}`)
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		if _, err := w.Write(body.Bytes()); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		records = append(records, Record{
			SequenceNumber: fmt.Sprintf("4959033827149025660855969253836157109539215%013d", first),
			Arrival:        time.UnixMilli(1725544040000),
			Data:           compressed.Bytes(),
		})
	}
	return records, textBytes
}

func accessLine(i int) string {
	return fmt.Sprintf(`{"requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204","extendedRequestId":"Vwc2%06xFUrPEFV=",`+
		`"ip":"203.0.113.%d","caller":"-","user":"-","requestTime":"05/Sep/2024:13:47:%02d +0000","requestTimeEpoch":"%d",`+
		`"httpMethod":"GET","resourcePath":"/orders/{id}","path":"/prod/orders/%d","status":"%d","protocol":"HTTP/1.1",`+
		`"responseLength":"%d","responseLatency":"%d","integrationLatency":"%d","integrationStatus":"200",`+
		`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)","apiId":"uwe3g5jm54","stage":"prod"}`,
		uint32(i)*2654435761, i*7919%0xffffff, i%256, i%60, 1725544035523+i, i*31, 200+i%5, i*17%9000, i*13%700, i*11%600)
}

func executionLine(i int) string {
	return fmt.Sprintf(`(%08x-3a83-11e9-8dc8-db3cf4c83204) Endpoint request headers: {x-amzn-lambda-integration-tag=%08x, `+
		`User-Agent=AmazonAPIGateway_uwe3g5jm54, X-Amzn-Trace-Id=Root=1-5c7674f4-%024x, Accept=application/json}`,
		uint32(i)*2654435761, i, i)
}

func applicationLine(i int) string {
	return fmt.Sprintf(`{"timestamp":"2024-09-05T13:47:%02d.523Z","level":"INFO","requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204",`+
		`"message":"order placed","order":{"id":%d,"items":[{"sku":"A-%d","count":2}],"total":"%d.50"}}`,
		i%60, uint32(i)*2654435761, i, i*31, i%900)
}

// discard is a sink that takes everything.
type discard struct{}

func (discard) Batch(context.Context, Batch) error            { return nil }
func (discard) Quarantine(context.Context, Quarantined) error { return nil }

func sequence(records ...Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// BenchmarkFormat measures from stored gzip records to serialised batches, in
// bytes of log text.
func BenchmarkFormat(b *testing.B) {
	for _, bench := range []struct {
		name string
		line func(int) string
		kind Kind
	}{
		{"access", accessLine, KindAccess},
		{"json", applicationLine, KindJSON},
		{"text", executionLine, KindText},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const events = 10_000
			records, size := logText(b, events, bench.line)
			formatter, err := New(Options{Region: "eu-west-2"})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				summary, err := formatter.Format(b.Context(), sequence(records...), discard{})
				if err != nil || summary.Kinds[bench.kind] != events {
					b.Fatalf("%+v, %v", summary, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
