package delivery_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// BenchmarkDeliver sends batches of 1 MB to a server in this process, which throws them
// away.
func BenchmarkDeliver(b *testing.B) {
	take := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	plain, secure := httptest.NewServer(take), httptest.NewTLSServer(take)
	defer plain.Close()
	defer secure.Close()
	authority := filepath.Join(b.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte(`{"a":"0123456789"},`), 1_000_000/19)
	for name, options := range map[string]delivery.Options{
		"http":  {URL: plain.URL},
		"https": {URL: secure.URL, Transport: delivery.Transport{CAFile: authority}},
	} {
		options.Transport.Connections = 1
		b.Run(name, func(b *testing.B) {
			client, err := delivery.NewClient(options)
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				a := client.Deliver(b.Context(), delivery.Request{Body: body, Events: 1, IdempotencyKey: "k", Token: config.NewSecret("t")})
				if a.Verdict != delivery.Accepted {
					b.Fatalf("%+v", a)
				}
			}
		})
	}
}
