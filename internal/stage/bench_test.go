package stage_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// BenchmarkFiles writes and reads objects of the size of a batch in a directory.
func BenchmarkFiles(b *testing.B) {
	s, err := stage.Open(b.Context(), "file://"+filepath.ToSlash(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), 1_000_000/16)
	put := func() {
		if err := s.Put(b.Context(), "p/batch/1/x", body); err != nil {
			b.Fatal(err)
		}
	}
	put()
	for _, bench := range []struct {
		name string
		run  func()
	}{
		{"put", put},
		{"get", func() {
			if got, err := s.Get(b.Context(), "p/batch/1/x"); err != nil || len(got) != len(body) {
				b.Fatal(len(got), err)
			}
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				bench.run()
			}
		})
	}
}

// BenchmarkRecent remembers a batch and hands it on.
func BenchmarkRecent(b *testing.B) {
	r := stage.NewRecent(nowhere{}, stage.RecentOptions{Bytes: 32 << 20})
	body := bytes.Repeat([]byte("0123456789abcdef"), 1_000_000/16)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Put(b.Context(), "p/batch/1/x", body); err != nil {
			b.Fatal(err)
		}
		if got, err := r.Get(b.Context(), "p/batch/1/x"); err != nil || len(got) != len(body) {
			b.Fatal(len(got), err)
		}
	}
}

// nowhere is a stage that takes everything and has nothing.
type nowhere struct{ stage.Objects }

func (nowhere) Put(context.Context, string, []byte) error { return nil }
