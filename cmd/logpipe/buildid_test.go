package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

func TestBuildID(t *testing.T) {
	t.Parallel()
	built := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	commit, changed := debug.BuildSetting{Key: "vcs.revision", Value: "0123abcd"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for name, c := range map[string]struct {
		info           *debug.BuildInfo
		deployment, id string // settings
		want           string
		fails          bool
	}{
		"no versioning":      {info: built("v1.2.3")},
		"setting":            {info: built("v1.2.3", commit), deployment: "d", id: "mine", want: "mine"},
		"commit":             {info: built("v0.0.0-2026-0123abcd", commit), deployment: "d", want: "0123abcd"},
		"version":            {info: built("v1.2.3"), deployment: "d", want: "v1.2.3"},
		"changed files":      {info: built("v0.0.0-2026-0123abcd+dirty", commit, changed), deployment: "d", fails: true},
		"neither":            {info: built("(devel)"), deployment: "d", fails: true},
		"nothing is known":   {deployment: "d", fails: true},
		"setting, otherwise": {deployment: "d", id: "mine", want: "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Config{WorkerDeployment: c.deployment, WorkerBuildID: c.id}
			err := setBuildID(&cfg, func() (*debug.BuildInfo, bool) { return c.info, c.info != nil })
			if c.fails {
				require.ErrorContains(t, err, "LOGPIPE_WORKER_BUILD_ID")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, cfg.WorkerBuildID)
		})
	}
}
