package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dev runs the command and returns its exit status and the lines of standard error.
func dev(ctx context.Context, t *testing.T, args ...string) (int, []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := execute(ctx, args, &stdout, &stderr)
	require.Empty(t, stdout.String())
	return status, strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
}

// TestMisuse: whatever is wrong with flags is said at once, before anything starts.
func TestMisuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	for name, c := range map[string]struct {
		args []string
		says []string // the beginning of each line
	}{
		"unknown command":     {[]string{"aw"}, []string{"unknown command"}},
		"unknown flag":        {[]string{"--speed", "1"}, []string{"unknown flag"}},
		"no number":           {[]string{"--rate", "fast"}, []string{"invalid argument"}},
		"no rate":             {[]string{"--rate", "0"}, []string{"--rate 0: "}},
		"rate is NaN":         {[]string{"--rate", "NaN"}, []string{"--rate NaN: "}},
		"rate is infinite":    {[]string{"--rate", "Inf"}, []string{"--rate +Inf: "}},
		"no shards":           {[]string{"--shards", "0"}, []string{"--shards 0: "}},
		"fault":               {[]string{"--fault", "x=1"}, []string{"--fault: "}},
		"mix":                 {[]string{"--mix", "x"}, []string{`--mix: no traffic mix is called "x"`}},
		"window":              {[]string{"--window-max-age", "1ms"}, []string{"--window-max-age 1ms: "}},
		"input is missing":    {[]string{"--input", missing}, []string{"--input " + missing + ": "}},
		"input is no file":    {[]string{"--input", dir}, []string{"--input " + dir + ": is a directory"}},
		"report is no file":   {[]string{"--report", dir}, []string{"--report " + dir + ": is a directory"}},
		"report has no place": {[]string{"--report", filepath.Join(missing, "r.json")}, []string{"--report " + filepath.Join(missing, "r.json") + ": there is no directory " + missing}},
		"all at once": {[]string{"--rate", "0", "--shards", "0", "--window-max-age", "1ms", "--fault", "x=1,y=2", "--mix", "x", "--report", dir},
			[]string{"--rate", "--shards", "--window-max-age", "--fault: ", "--fault: ", "--mix", "--report"}},
		"analytics": {[]string{"analytics", "--fault", "x=1"}, []string{"--fault: "}},
		"traffic":   {[]string{"traffic", "--mix", "x"}, []string{"--mix: "}},
		"aws":       {[]string{"aws", "--account", "1", "--stream", "a=x"}, []string{"account", "--stream"}},
		"chaos":     {[]string{"chaos", "--for", "1s", "--shards", "0", "--report", dir}, []string{"--for 1s: ", "--shards 0: ", "--report " + dir}},
		"failover":  {[]string{"failover", "--times", "-1", "--rate", "0", "--report", dir}, []string{"--rate 0: ", "--times -1: ", "--report " + dir}},
		"bench":     {[]string{"bench", "--shards", "0", "--mix", "x", "--report", dir}, []string{"--shards 0: ", "--mix: ", "--report " + dir}},
		"scale":     {[]string{"bench", "--scale", "shards=0,speed,windows", "--rate", "1", "--plot", dir}, []string{`--scale: "shards=0": 0: want 1`, `--scale: "speed": `, "--scale: measures", "--plot " + dir}},
		"plot":      {[]string{"bench", "--plot", "p.svg"}, []string{"--plot p.svg: draws what --scale measures"}},
		"sizing":    {[]string{"sizing", "--rate", "0"}, []string{"--rate: 0 is not above 0"}},
		"temporal":  {[]string{"temporal", "--search-attribute", "a", "--listen", "x"}, []string{"search attribute", "listen address"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, lines := dev(t.Context(), t, c.args...)
			require.Equal(t, exitMisused, status)
			require.Len(t, lines, len(c.says), "%q", lines)
			for i, begin := range c.says {
				require.True(t, strings.HasPrefix(lines[i], "dev: "+begin), "%q does not begin with %q", lines[i], "dev: "+begin)
			}
		})
	}
}

func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status, lines := dev(ctx, t)
	require.Equal(t, exitFailed, status)
	require.Equal(t, []string{"dev: interrupted"}, lines)
}
