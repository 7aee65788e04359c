package stage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// TestStage is the suite for every kind of storage that can be had on any machine.
func TestStage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	for name, url := range map[string]string{
		"memory":    "mem://",
		"directory": "file://" + filepath.ToSlash(dir),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := stage.Open(t.Context(), url)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			const key = "p/raw/12/000-zzz"

			_, err = s.Get(t.Context(), key)
			require.ErrorIs(t, err, stage.ErrNotFound)
			require.ErrorContains(t, err, key)
			_, err = s.Reader(t.Context(), key)
			require.ErrorIs(t, err, stage.ErrNotFound)
			require.NoError(t, s.Delete(t.Context(), key), "what is not there is deleted")

			for _, body := range [][]byte{[]byte("one"), nil, bytes.Repeat([]byte{0, 0xff}, 1<<20)} {
				require.NoError(t, s.Put(t.Context(), key, body))
				got, err := s.Get(t.Context(), key)
				require.NoError(t, err)
				require.True(t, bytes.Equal(body, got))
				r, err := s.Reader(t.Context(), key)
				require.NoError(t, err)
				got, err = io.ReadAll(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				require.True(t, bytes.Equal(body, got))
			}

			require.NoError(t, s.Put(t.Context(), "p/batch/12/x", nil))
			keys, err := s.Keys(t.Context(), "p/raw/")
			require.NoError(t, err)
			require.Equal(t, []string{key}, keys)

			require.NoError(t, s.Check(t.Context(), "p/check/1"))
			require.NoError(t, s.Delete(t.Context(), key))
			keys, err = s.Keys(t.Context(), "p/")
			require.NoError(t, err)
			require.Equal(t, []string{"p/batch/12/x"}, keys, "a check leaves nothing behind")
			requireList(t, s)
		})
	}
}

// requireList lists more objects than a page has, and deletes while it lists.
func requireList(t *testing.T, s *stage.Stage) {
	t.Helper()
	const many = 2500
	before := time.Now().Add(-time.Minute)
	for n := range many {
		require.NoError(t, s.Put(t.Context(), fmt.Sprintf("list/%02d/%06d", n/100, n), []byte("abc")))
	}
	n := 0
	for object, err := range s.List(t.Context(), "list/") {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("list/%02d/%06d", n/100, n), object.Key)
		require.EqualValues(t, 3, object.Size)
		require.WithinRange(t, object.ModTime, before, time.Now().Add(time.Minute))
		require.NoError(t, s.Delete(t.Context(), object.Key))
		n++
	}
	require.Equal(t, many, n)
	for object := range s.List(t.Context(), "p/") {
		require.Equal(t, "p/batch/12/x", object.Key)
		break // whoever has seen enough may stop
	}

	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(over, "p/") {
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "list p/*")
	}
}

func TestDirectoryHoldsNothingButTheObjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := stage.Open(t.Context(), "file://"+filepath.ToSlash(dir))
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), "p/raw/1/a", []byte("x")))
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	}))
	require.Equal(t, []string{"a"}, files)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "gopher://x", "/no/scheme", "file:///proc/nope/stage", "::"} {
		_, err := stage.Open(t.Context(), url)
		require.Error(t, err, url)
	}
}
