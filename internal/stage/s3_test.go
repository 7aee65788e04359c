package stage_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// bucket is as much of S3 as it takes to write an object and to read it.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	writes  []*http.Request
	// silent leaves the size out of answers, as a proxy may do.
	silent bool
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.objects[r.URL.Path] = body
		b.writes = append(b.writes, r)
	case http.MethodGet:
		body, found := b.objects[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`)
			return
		}
		_, _ = w.Write(body[:len(body)/2])
		if b.silent {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(body[len(body)/2:])
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// TestS3: an object is one request with a checksum that the storage looks at, and what is
// read is all of it, whatever an answer says of its size.
func TestS3(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		b := &bucket{objects: map[string][]byte{}, silent: silent}
		server := httptest.NewServer(b)
		t.Cleanup(server.Close)
		s, err := stage.Open(t.Context(), "s3://stage?anonymous=true&region=eu-central-1&use_path_style=true&endpoint="+server.URL)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // larger than a part by default
		require.NoError(t, s.Put(t.Context(), "p/raw/1/a", body))
		require.Len(t, b.writes, 1)
		require.NotEmpty(t, b.writes[0].Header.Get("X-Amz-Checksum-Crc32")+b.writes[0].Header.Get("X-Amz-Trailer"))
		got, err := s.Get(t.Context(), "p/raw/1/a")
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, got))
		_, err = s.Get(t.Context(), "p/raw/1/b")
		require.ErrorIs(t, err, stage.ErrNotFound)
	}
}
