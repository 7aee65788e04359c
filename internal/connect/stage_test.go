package connect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/connect"
)

func TestStage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "stage")
	s, err := connect.Stage(t.Context(), "file://"+filepath.ToSlash(dir), "p")
	require.NoError(t, err)
	defer s.Close()
	keys, err := s.Keys(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, keys, "the trial leaves nothing behind")
}

// TestStagesTogether: processes in containers all have the process id 1, and the same stage.
func TestStagesTogether(t *testing.T) {
	t.Parallel()
	url := "file://" + filepath.ToSlash(t.TempDir())
	var opening errgroup.Group
	for range 16 {
		opening.Go(func() error {
			for range 50 {
				s, err := connect.Stage(t.Context(), url, "p")
				if err != nil {
					return err
				}
				if err := s.Close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, opening.Wait())
}

func TestStageThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, url := range map[string]string{
		"unknown kind":    "ftp://host/dir",
		"no URL":          "://",
		"not a directory": "file://" + filepath.ToSlash(file),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect.Stage(t.Context(), url, "p")
			require.ErrorContains(t, err, "stage")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}
