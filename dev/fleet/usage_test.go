package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseUsage(t *testing.T) {
	t.Parallel()
	const status = "Name:\tlogpipe\nVmHWM:\t   62000 kB\nVmRSS:\t   60000 kB\nThreads:\t9\n"
	const stat = "123 (a name) with) spaces) S 1 123 123 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 9 0 1 2 3"
	u, err := parseUsage(status, stat)
	require.NoError(t, err)
	require.Equal(t, Usage{Processor: 4 * time.Second, Resident: 60000 << 10, Peak: 62000 << 10}, u)
	for name, c := range map[string][2]string{
		"no memory":     {"Name:\tlogpipe\n", stat},
		"no number":     {"VmHWM:\tx kB\nVmRSS:\t1 kB\n", stat},
		"no time":       {status, "123 (a) S 1"},
		"time is text":  {status, "123 (a) S 1 123 123 0 -1 4194304 100 0 0 0 x y 0"},
		"nothing known": {"", ""},
	} {
		_, err := parseUsage(c[0], c[1])
		require.Error(t, err, name)
	}
}
