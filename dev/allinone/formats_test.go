package allinone

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// TestEveryFormOfBody delivers each event once in each form, while answers drip, are far
// too long, or break off.
func TestEveryFormOfBody(t *testing.T) {
	t.Parallel()
	for _, format := range []string{config.BatchArray, config.BatchNDJSON, config.BatchObject} {
		for _, compression := range []string{config.CompressNone, config.CompressGzip} {
			t.Run(format+" "+compression, func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				o := testOptions(t, &out)
				o.Faults = faults(t, "drip=20%,huge=20%,close=20%,5xx=10%")
				o.configure = func(c *config.Config) { c.BatchFormat, c.BatchCompression = format, compression }
				report, err := Run(t.Context(), o)
				require.NoError(t, err, out.String())
				require.Positive(t, report.Produced)
				require.True(t, report.OK(), "%+v\n%s", report, out.String())
			})
		}
	}
}
