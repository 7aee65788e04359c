package connect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
