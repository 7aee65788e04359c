package jsonscan

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// BenchmarkText unescapes an access log, and BenchmarkQuoted finds its values then.
func BenchmarkText(b *testing.B) {
	raw, u := accessLog(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		s := New(raw)
		if _, ok := s.Text(&u); !ok {
			b.Fatal("not taken")
		}
	}
}

func BenchmarkQuoted(b *testing.B) {
	_, u := accessLog(b)
	b.SetBytes(int64(len(u.Text)))
	for b.Loop() {
		s := NewQuoted(u.Text, u.Quotes)
		if _, err := s.Value(); err != nil {
			b.Fatal(err)
		}
	}
}

func accessLog(b *testing.B) (raw []byte, u Unescaped) {
	b.Helper()
	const text = `{"requestId":"9e3779b1-3a83-11e9-8dc8-db3cf4c83204","extendedRequestId":"Vwc2001eefFUrPEFV=","ip":"203.0.113.1",` +
		`"caller":"-","user":"-","requestTime":"05/Sep/2024:13:47:01 +0000","requestTimeEpoch":"1725544035524","httpMethod":"GET",` +
		`"resourcePath":"/orders/{id}","path":"/prod/orders/31","status":"201","protocol":"HTTP/1.1","responseLength":"17",` +
		`"responseLatency":"13","integrationLatency":"11","integrationStatus":"200","apiId":"uwe3g5jm54","stage":"prod"}`
	raw, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		b.Fatal(err)
	}
	s := New(raw)
	s.Text(&u)
	return raw, u
}
