package compose

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
)

func TestLongestPause(t *testing.T) {
	t.Parallel()
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	event := func(shard string, arrived, received float64) delivery {
		return delivery{put: put{shard: shard, arrived: at(arrived)}, received: at(received)}
	}
	for name, c := range map[string]struct {
		deliveries []delivery
		want       time.Duration
	}{
		"nothing":                           {nil, 0},
		"steady":                            {[]delivery{event("a", 0, 1), event("a", 1, 2), event("a", 2, 3)}, time.Second},
		"in any order":                      {[]delivery{event("a", 2, 3), event("a", 0, 1), event("a", 1, 2)}, time.Second},
		"nothing was there to deliver":      {[]delivery{event("a", 0, 1), event("a", 8, 9)}, time.Second},
		"an older one overtaken":            {[]delivery{event("a", 0, 1), event("a", 2, 3), event("a", 1, 7)}, 4 * time.Second},
		"another shard goes on":             {[]delivery{event("a", 0, 1), event("b", 1, 2), event("b", 2, 3), event("b", 3, 4), event("a", 1, 5)}, 4 * time.Second},
		"before and after the deployment":   {[]delivery{event("a", -9, -8), event("a", -7, -1), event("a", 2, 3), event("a", 9, 11), event("a", 9, 30)}, time.Second},
		"one that ends in it has begun out": {[]delivery{event("a", -9, -8), event("a", -7, 1)}, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, longestPause(c.deliveries, at(0), at(10)).Took)
		})
	}
}

// restricted is a container as it has to be.
func restricted() container {
	var c container
	c.Config.User = "65532:65532"
	c.HostConfig.ReadonlyRootfs = true
	c.HostConfig.CapDrop = []string{"ALL"}
	c.HostConfig.SecurityOpt = []string{"no-new-privileges:true"}
	return c
}

func TestFaultsOfContainers(t *testing.T) {
	t.Parallel()
	const top = "UID  PID  COMMAND\n65532  7  /logpipe worker\n"
	require.Empty(t, restricted().faults(top))
	for says, change := range map[string]func(c *container, top *string){
		"a process runs as root: 0 8": func(_ *container, top *string) { *top += "0 8 sh\n" },
		"root: root 8":                func(_ *container, top *string) { *top += "root 8 sh\n" },
		"no process":                  func(_ *container, top *string) { *top = "UID PID\n" },
		`its user is ""`:              func(c *container, _ *string) { c.Config.User = "" },
		`its user is "0:0"`:           func(c *container, _ *string) { c.Config.User = "0:0" },
		"can be written":              func(c *container, _ *string) { c.HostConfig.ReadonlyRootfs = false },
		"it has capabilities":         func(c *container, _ *string) { c.HostConfig.CapDrop = nil },
		"it can gain privileges":      func(c *container, _ *string) { c.HostConfig.SecurityOpt = nil },
	} {
		c, text := restricted(), top
		change(&c, &text)
		require.Contains(t, strings.Join(c.faults(text), "\n"), says)
	}
}

func TestReadRecord(t *testing.T) {
	t.Parallel()
	zip := func(text string) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	ids, err := logEvents(zip(`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"7"},{"id":"8"}]}`))
	require.NoError(t, err)
	require.Equal(t, []analytics.ID{analytics.LogEventID("1", "g", "s", "7"), analytics.LogEventID("1", "g", "s", "8")}, ids)
	ids, err = logEvents(zip(`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":""}]}`))
	require.NoError(t, err)
	require.Empty(t, ids)
	_, err = logEvents([]byte("text"))
	require.ErrorContains(t, err, "inflate")
}

func TestReportIsOKOnlyWhereAllIsWell(t *testing.T) {
	t.Parallel()
	good := Report{Produced: 9, Delivered: 9, Restarts: 2, DeployPause: 1, PauseLimit: 2}
	require.True(t, good.OK())
	for name, change := range map[string]func(*Report){
		"nothing":      func(r *Report) { r.Produced = 0 },
		"lost":         func(r *Report) { r.Lost = 1 },
		"duplicates":   func(r *Report) { r.Duplicates = 1 },
		"strangers":    func(r *Report) { r.Strangers = 1 },
		"no restart":   func(r *Report) { r.Restarts = 1 },
		"as root":      func(r *Report) { r.AsRoot = []string{"x"} },
		"unclean stop": func(r *Report) { r.UncleanStops = []string{"x"} },
		"pause":        func(r *Report) { r.DeployPause = 2 },
		"not measured": func(r *Report) { r.DeployPause = 0 },
	} {
		r := good
		change(&r)
		require.False(t, r.OK(), name)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	fine := Options{Compose: []string{"docker", "compose"}, File: "f", Image: "i", Next: "n", DevImage: "d", Rate: 100, WindowAge: time.Second}
	require.NoError(t, fine.Validate())
	require.Len(t, strings.Split(Options{}.Validate().Error(), "\n"), 7, "all at once")
}
