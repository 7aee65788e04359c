package cpuprofile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/cpuprofile"
)

// One process has one profile at a time, so that this is one test.
func TestStart(t *testing.T) {
	t.Parallel()
	stop, err := cpuprofile.Start("", "worker")
	require.NoError(t, err)
	require.NoError(t, stop(), "without a directory there is nothing to do")

	dir := filepath.Join(t.TempDir(), "profiles")
	stop, err = cpuprofile.Start(dir, "worker")
	require.NoError(t, err)
	_, err = cpuprofile.Start(dir, "second")
	require.ErrorContains(t, err, "start the CPU profile")
	require.NoError(t, stop())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "worker-") {
			written, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			require.Equal(t, "\x1f\x8b", string(written[:2]), "profiles are gzip")
			return
		}
	}
	t.Error("no profile was written")
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := cpuprofile.Start(filepath.Join(file, "profiles"), "worker")
	require.ErrorContains(t, err, "make a directory for CPU profiles")
}
