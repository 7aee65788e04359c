package window

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// BenchmarkFile writes and reads the staged form of a window of 1 MB.
func BenchmarkFile(b *testing.B) {
	records := make([]Record, 27)
	for i := range records {
		records[i] = Record{
			SequenceNumber: SequenceNumber(fmt.Sprintf("4%055d", i)), Arrival: time.UnixMilli(1725544035523),
			Data: bytes.Repeat([]byte("0123456789abcdef"), 37_000/16),
		}
	}
	staged := Append(nil, records)
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(staged)))
		b.ReportAllocs()
		buf := make([]byte, 0, len(staged))
		for b.Loop() {
			buf = Append(buf[:0], records)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(staged)))
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for _, err := range Read(bytes.NewReader(staged)) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != len(records) {
				b.Fatal(n)
			}
		}
	})
}
