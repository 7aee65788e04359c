package main

import (
	"errors"
	"runtime/debug"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// setBuildID names the version that the process is in its Worker Deployment after what the
// binary was built from, where a setting does not name it.
func setBuildID(cfg *config.Config, read func() (*debug.BuildInfo, bool)) error {
	if cfg.WorkerDeployment == "" || cfg.WorkerBuildID != "" {
		return nil
	}
	if info, ok := read(); ok {
		cfg.WorkerBuildID = builtFrom(info)
	}
	if cfg.WorkerBuildID == "" {
		return errors.New("LOGPIPE_WORKER_BUILD_ID: is not set, and the binary does not tell a commit or a version that it was built from without changes: set it to what is different for each build, such as the digest of the image")
	}
	return nil
}

// builtFrom is the commit or the module version that a binary was built from, empty where
// another binary could have the same.
func builtFrom(info *debug.BuildInfo) string {
	values := map[string]string{}
	for _, s := range info.Settings {
		values[s.Key] = s.Value
	}
	version := info.Main.Version
	switch {
	case values["vcs.modified"] == "true", strings.HasSuffix(version, "+dirty"):
		return ""
	case values["vcs.revision"] != "":
		return values["vcs.revision"]
	case version != "(devel)":
		return version
	}
	return ""
}
