package main

import "runtime/debug"

// version is set by the linker of a release: -ldflags "-X main.version=1.2.3".
var version string

// versionText tells builds apart: by their release, or else by what the Go toolchain knows of
// the commit.
func versionText() string {
	if version != "" {
		return version
	}
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Version == "" {
		return "(devel)"
	}
	return build.Main.Version
}
