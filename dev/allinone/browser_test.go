package allinone

import (
	"bytes"
	"context"
	"flag"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// screenshot is where the browser test writes what it sees, for the README.
var screenshot = flag.String("screenshot", "", "write a screenshot of the list of flushes to this file")

// browser starts a headless Chromium, or skips the test loudly where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("NO BROWSER: install chromium; the Web UI is not looked at in this run")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1600, 900), chromedp.UserDataDir(t.TempDir()),
	)
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancelAllocator)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, cancelTimeout := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancelTimeout)
	return ctx
}

// TestWebUIShowsEachFlushAtAGlance opens the list of workflows as a person does who
// follows the address that a run prints, with a browser that has never been there.
func TestWebUIShowsEachFlushAtAGlance(t *testing.T) {
	t.Parallel()
	tab := browser(t)
	var out bytes.Buffer
	o := testOptions(t, &out)
	if *screenshot != "" {
		o.Rate, o.For, o.WindowMaxAge = 500, 20*time.Second, 5*time.Second
	}
	var text string
	var image []byte
	o.onDrained = func(s *stack) {
		address := "http://" + s.temporal.UIAddress() + "/namespaces/default/workflows?query=" + url.QueryEscape(flushes)
		require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address)))
		shown, err := chromedp.Run(tab, chromedp.Poll[bool](`document.querySelector("table")?.innerText.includes("delivered")`))
		require.NoError(t, err)
		require.True(t, shown)
		text, err = chromedp.Run(tab, chromedp.Evaluate[string](`document.querySelector("table").innerText`))
		require.NoError(t, err)
		image, err = chromedp.Run(tab, chromedp.CaptureScreenshot())
		require.NoError(t, err)
	}
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v", report)
	for _, column := range append(visibility.Columns(), "Status", "Workflow ID") {
		require.Contains(t, text, column)
	}
	for _, value := range []string{"COMPLETED", "FlushWindow", visibility.StatusDelivered, "200", pipeline + "/flush/"} {
		require.Contains(t, text, value)
	}
	if *screenshot != "" {
		require.NoError(t, os.WriteFile(*screenshot, image, 0o600))
	}
}
