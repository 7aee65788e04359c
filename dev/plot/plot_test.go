package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func figure() Figure {
	return Figure{
		Title: `cost & "memory"`, Series: []string{"all <of it>", "one", "two", "three"},
		Rows: []Row{
			{Title: "shards", X: []float64{1, 4, 64}, Labels: []string{"1", "4", "64"}, Charts: []Chart{
				{Title: "CPU-seconds per GB", Y: [][]float64{{30, 31, 45}, {10, 11, 25}, {2, 2, 2}, {18, 18, 18}}},
				{Title: "peak memory, MB", Y: [][]float64{nil, {200, 220, 310}, {60, 70, 90}, {180, 181, 179}}},
			}},
			{Title: "one point", X: []float64{8}, Labels: []string{"8"}, Charts: []Chart{{Title: "nothing", Y: [][]float64{{0}}}}},
		},
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	got := figure().SVG()
	path := filepath.Join("testdata", "figure.svg")
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "go test ./plot -update writes it anew")
}

// TestWellFormed: whatever the texts are, it is XML, and says them.
func TestWellFormed(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Figure{"full": figure(), "empty": {}} {
		decoder := xml.NewDecoder(bytes.NewReader(f.SVG()))
		decoder.Strict = true
		var text bytes.Buffer
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
			if data, ok := token.(xml.CharData); ok {
				text.Write(data)
			}
		}
		require.Contains(t, text.String(), f.Title, name)
		for _, series := range f.Series {
			require.Contains(t, text.String(), series, name)
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64][]float64{
		0: {0, 0.25, 0.5, 0.75, 1}, 1: {0, 0.25, 0.5, 0.75, 1}, 46: {0, 20, 40, 60}, 300: {0, 100, 200, 300}, 101: {0, 50, 100, 150},
	} {
		require.InDeltaSlice(t, want, scale([][]float64{{0, highest}, nil}), 1e-9, highest)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	x := []float64{1, 4, 16}
	require.InDelta(t, 0, share(x, 0), 1e-9)
	require.InDelta(t, 0.5, share(x, 1), 1e-9)
	require.InDelta(t, 1, share(x, 2), 1e-9)
	require.InDelta(t, 0.5, share([]float64{7}, 0), 1e-9, "in the middle")
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 12.345: "12.3", 100: "100", 1234.5: "1235"} {
		require.Equal(t, want, number(v))
	}
}
