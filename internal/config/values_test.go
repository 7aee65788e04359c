package config

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ByteSize{
		"0":                     0,
		"1000000":               1 * MB,
		"+5":                    5,
		"12B":                   12,
		"1kB":                   1000,
		"1KB":                   1000,
		"1kib":                  1024,
		" 1 MB ":                1_000_000,
		"1MiB":                  1 << 20,
		"3gb":                   3_000_000_000,
		"3GiB":                  3 << 30,
		"9223372036854775807":   math.MaxInt64,
		"9223372036854775807 b": math.MaxInt64,
		"9223372036GB":          9223372036 * GB,
	} {
		got, err := ParseByteSize(text)
		if err != nil || got != want {
			t.Errorf("ParseByteSize(%q) = %d, %v; want %d", text, int64(got), err, int64(want))
		}
	}
	for text, problem := range map[string]string{
		"":                     "is not a byte size",
		"MB":                   "is not a byte size",
		"1.5MB":                "write a whole number",
		"1_000":                "is not a byte size",
		"0x10":                 "is not a byte size",
		"10x":                  `the unknown unit "x"`,
		"1M":                   `the unknown unit "M"`,
		"1 MB/s":               "is not a byte size",
		"-1kB":                 "is negative",
		"9223372036854775808":  "is too large",
		"-9223372036854775809": "is too large",
		"9223372037GB":         "is too large",
		"5K":                   `the unknown unit "K"`,
		"1\u00a0MB\u00e9":      "is not a byte size",
	} {
		if got, err := ParseByteSize(text); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("ParseByteSize(%q) = %d, %v; want an error with %q", text, int64(got), err, problem)
		}
	}
}

func TestByteSizeString(t *testing.T) {
	t.Parallel()
	for size, want := range map[ByteSize]string{
		0:         "0",
		1:         "1",
		999:       "999",
		1000:      "1kB",
		1024:      "1KiB",
		1_000_000: "1MB",
		1 << 20:   "1MiB",
		1_500_000: "1500kB",
		1_234_567: "1234567",
		5 * GB:    "5GB",
		64 * MiB:  "64MiB",
		-2 * MB:   "-2MB",
	} {
		if got := size.String(); got != want {
			t.Errorf("ByteSize(%d).String() = %q, want %q", int64(size), got, want)
		}
	}
}

func FuzzParseByteSize(f *testing.F) {
	for _, seed := range []string{"0", "1MB", "512 KiB", "-1", "1.5GB", "9223372036854775807", "99999999999GiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseByteSize(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("ParseByteSize(%q) = %d", text, int64(size))
		}
		if again, err := ParseByteSize(size.String()); err != nil || again != size {
			t.Errorf("%q is %d, but its text %q is %d, %v", text, int64(size), size, int64(again), err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"60s":    time.Minute,
		"\t5m ":  5 * time.Minute,
		"1m30s":  90 * time.Second,
		"1.5h":   90 * time.Minute,
		"0":      0,
		"250ms":  250 * time.Millisecond,
		"-1s":    -time.Second,
		"1h0m1s": time.Hour + time.Second,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for text, problem := range map[string]string{
		"60":   "has no unit",
		"1.5":  "has no unit",
		"":     "is not a duration",
		"5 s":  "is not a duration",
		"1d":   "is not a duration",
		"9e9h": "is not a duration",
	} {
		got, err := parseDuration(text)
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("parseDuration(%q) = %s, %v; want an error with %q", text, got, err, problem)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                             "0s",
		15 * time.Second:              "15s",
		time.Minute:                   "1m",
		10 * time.Minute:              "10m",
		time.Hour:                     "1h",
		20 * time.Hour:                "20h",
		time.Hour + time.Second:       "1h0m1s",
		time.Hour + 30*time.Minute:    "1h30m",
		100 * time.Millisecond:        "100ms",
		-2 * time.Hour:                "-2h",
		time.Minute + time.Nanosecond: "1m0.000000001s",
	} {
		got := formatDuration(d)
		if got != want {
			t.Errorf("formatDuration(%d) = %q, want %q", d, got, want)
		}
		if back, err := parseDuration(got); err != nil || back != d {
			t.Errorf("parseDuration(%q) = %s, %v; want %s", got, back, err, d)
		}
	}
}

func TestStartPosition(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)
	for text, want := range map[string]StartPosition{
		"TRIM_HORIZON":              TrimHorizon(),
		"\tLATEST\n":                Latest(),
		"2026-01-31T15:04:05Z":      AtTimestamp(at),
		"2026-01-31T17:04:05+02:00": AtTimestamp(at),
	} {
		got, err := ParseStartPosition(text)
		if err != nil || got != want {
			t.Errorf("ParseStartPosition(%q) = %v, %v; want %v", text, got, err, want)
		}
	}

	var zero StartPosition
	if zero.Type() != PositionTrimHorizon || zero.String() != "TRIM_HORIZON" || !zero.Time().IsZero() {
		t.Errorf("the zero position is %v", zero)
	}
	local := AtTimestamp(at.In(time.FixedZone("CET", 3600)).Add(250 * time.Millisecond))
	if local.Type() != PositionAtTimestamp || local.String() != "2026-01-31T15:04:05.25Z" {
		t.Errorf("a position in time is %v of type %s", local, local.Type())
	}
	for _, position := range []StartPosition{zero, Latest(), local} {
		data, err := json.Marshal(position)
		if err != nil {
			t.Fatal(err)
		}
		var back StartPosition
		if err := json.Unmarshal(data, &back); err != nil || back != position {
			t.Errorf("%s came back from JSON as %v, %v", data, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"yesterday"`), new(StartPosition)); err == nil {
		t.Error("yesterday was read as a start position")
	}
}

func FuzzParseStartPosition(f *testing.F) {
	for _, seed := range []string{"LATEST", "TRIM_HORIZON", "2026-01-31T15:04:05.123456789Z", "0000-01-01T00:00:00+23:59", "AT_TIMESTAMP"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		position, err := ParseStartPosition(text)
		if err != nil {
			return
		}
		if again, err := ParseStartPosition(position.String()); err != nil || again != position {
			t.Errorf("%q is %v, which is read as %v, %v", text, position, again, err)
		}
	})
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	for unknown, want := range map[string]string{
		"strem":                 "stream",
		"STREAM":                "stream",
		"LOGPIPE_STREAM":        "stream",
		"kinesis_stream":        "",
		"stage":                 "stage_url",
		"client_secret":         "client_secret_parameter",
		"window_max_byte":       "window_max_bytes",
		"window-max-bytes":      "window_max_bytes",
		"max_window_bytes":      "",
		"token_refresh":         "token_refresh_ahead",
		"x":                     "",
		"":                      "",
		"heart_beat_timeout":    "heartbeat_timeout",
		strings.Repeat("a", 99): "",
	} {
		if got := suggest(unknown, settingKeys()); got != want {
			t.Errorf("suggest(%q) = %q, want %q", unknown, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"kitten", "sitting", 3},
		{"stream", "stream", 0},
		{"flaw", "lawn", 2},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://example.com/path":            "https://example.com/path",
		"https://user:pass@example.com/":      "https://**redacted**@example.com/",
		"https://user:p@ss/w@example.com/":    "https://**redacted**@example.com/",
		"user:pass@example.com":               "**redacted**@example.com",
		"HTTPS://example.com?api_key=1":       "HTTPS://example.com?**redacted**",
		"example.com?api_key=1":               "example.com?**redacted**",
		"s3://bucket?prefix=a/":               "s3://bucket?prefix=a/",
		"S3://key:secret@bucket?prefix=a/":    "S3://**redacted**@bucket?prefix=a/",
		"file:///var/lib?create_dir=true":     "file:///var/lib?create_dir=true",
		"":                                    "",
		"://":                                 "://",
		"https://example.com?next=http://a@b": "https://**redacted**@b",
	} {
		if got := redactURL(text); got != want {
			t.Errorf("redactURL(%q) = %q, want %q", text, got, want)
		}
	}
}
