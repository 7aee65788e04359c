package parsers

import (
	"bytes"
	standard "compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// record is what a subscription filter makes of n access logs: gzip at its default
// level.
func record(tb testing.TB, n int) (compressed, text []byte) {
	tb.Helper()
	for i := range n {
		text = append(append(text, accessLog(i)...), '\n')
	}
	var out bytes.Buffer
	w := standard.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes(), text
}

type gunzip interface {
	io.Reader
	Reset(r io.Reader) error
}

// BenchmarkGunzip inflates records, in bytes of their text.
func BenchmarkGunzip(b *testing.B) {
	compressed, text := record(b, 500)
	for _, reader := range []struct {
		name string
		gunzip
	}{{"klauspost", new(gzip.Reader)}, {"standard", new(standard.Reader)}} {
		b.Run(reader.name, func(b *testing.B) {
			var source bytes.Reader
			out := bytes.NewBuffer(make([]byte, 0, 2*len(text)))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(compressed)
				out.Reset()
				if err := reader.Reset(&source); err != nil {
					b.Fatal(err)
				}
				if _, err := out.ReadFrom(reader); err != nil || out.Len() != len(text) {
					b.Fatal(out.Len(), err)
				}
			}
		})
	}
}
