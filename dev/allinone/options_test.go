package allinone

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.log")
	for name, c := range map[string]struct {
		change func(*Options)
		says   []string // the beginning of each line
	}{
		"fine":            {func(*Options) {}, nil},
		"standard input":  {func(o *Options) { o.Inputs = []string{"-"} }, nil},
		"replay, no rate": {func(o *Options) { o.Inputs, o.Rate = []string{"-"}, 0 }, nil},
		"free ports":      {func(o *Options) { o.UIListen, o.APIListen = "localhost:0", "127.0.0.1:0" }, nil},
		"no rate":         {func(o *Options) { o.Rate = 0 }, []string{"--rate 0: want"}},
		"no number":       {func(o *Options) { o.Rate = math.NaN() }, []string{"--rate NaN: want"}},
		"endless rate":    {func(o *Options) { o.Rate = math.Inf(1) }, []string{"--rate +Inf: want"}},
		"negative time":   {func(o *Options) { o.For = -time.Second }, []string{"--for -1s: want"}},
		"no shards":       {func(o *Options) { o.Shards = 0 }, []string{"--shards 0: want 1 to 64"}},
		"too many shards": {func(o *Options) { o.Shards = 65 }, []string{"--shards 65: want 1 to 64"}},
		"short windows":   {func(o *Options) { o.WindowMaxAge = time.Millisecond }, []string{"--window-max-age 1ms: want 100ms to 1h"}},
		"missing input":   {func(o *Options) { o.Inputs = []string{missing} }, []string{"--input " + missing + ": there is no such file"}},
		"directory":       {func(o *Options) { o.Inputs = []string{dir} }, []string{"--input " + dir + ": is a directory"}},
		"bad log group":   {func(o *Options) { o.InputGroup = "a b" }, []string{`--log-group: log group "a b"`}},
		"no address":      {func(o *Options) { o.AWSListen = "4566" }, []string{`--aws: "4566" is not host:port`}},
		"no such port":    {func(o *Options) { o.APIListen = "127.0.0.1:99999" }, []string{`--analytics: "127.0.0.1:99999"`}},
		"open to anybody": {func(o *Options) { o.UIListen = "0.0.0.0:8233" }, []string{"--ui: "}},
		"Temporal's, too": {func(o *Options) { o.TemporalListen = "0.0.0.0:7233" }, []string{"--temporal: "}},
		"other settings":  {func(o *Options) { o.Settings = map[string]string{"LOGPIPE_BATCH_FORMAT": "ndjson"} }, nil},
		"wrong settings": {func(o *Options) {
			o.Settings = map[string]string{"LOGPIPE_BATCH_FORMAT": "yaml", "LOGPIPE_DELIVERY_RATE": "-1"}
		}, []string{`--set: LOGPIPE_BATCH_FORMAT: "yaml" is none of`, "--set: LOGPIPE_DELIVERY_RATE: "}},
		"no settings": {func(o *Options) {
			o.Settings = map[string]string{"LOGPIPE_STREAM": "x", "BATCH_FORMAT": "ndjson"}
		}, []string{"--set BATCH_FORMAT: want the name of a setting", "--set LOGPIPE_STREAM: a run makes this setting itself"}},
		"all of it": {func(o *Options) {
			o.Rate, o.Shards, o.WindowMaxAge, o.APIListen = -1, -1, -1, "x"
		}, []string{"--rate", "--shards", "--window-max-age", "--analytics"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(t, new(bytes.Buffer))
			c.change(&o)
			err := o.Validate()
			if len(c.says) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(c.says), err)
			for i, begin := range c.says {
				require.True(t, strings.HasPrefix(lines[i], begin), "%q does not begin with %q", lines[i], begin)
			}
		})
	}
}

// TestReport: what is printed beside the counts is not in the JSON form, whose fields
// are all that other programs may rely on.
func TestReport(t *testing.T) {
	t.Parallel()
	report := Report{Produced: 9, Delivered: 7, Lost: 2, Windows: 3, Batches: 3, Parked: 1, Strangers: 1}
	var printed bytes.Buffer
	report.Print(&printed)
	lines := strings.Split(printed.String(), "\n")
	require.Regexp(t, `^ +lost +2$`, strings.TrimRight(lines[4], " "))
	require.Regexp(t, `^ +parked +1  windows .* WorkflowType = 'FlushWindow' AND ExecutionStatus = 'Running' AND LogpipeStatus = 'parked'$`, lines[5])

	encoded, err := json.Marshal(report)
	require.NoError(t, err)
	require.JSONEq(t, `{"produced":9,"delivered":7,"lost":2,"duplicates":0,"windows":3,"batches":3,"retries":0,
		"token_requests":0,"freshness_p50_ms":0,"freshness_p99_ms":0}`, string(encoded))
	printed.Reset()
	Report{}.Print(&printed)
	require.NotContains(t, printed.String(), "parked")
}
