package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"--version"}, &stdout, &stderr))
	require.NotEmpty(t, versionText())
	require.Equal(t, "logpipe version "+versionText()+"\n", stdout.String())
	require.Empty(t, stderr.String())
}
