package apigateway

import (
	"testing"
	"time"
)

const timeLayout = `"2006-01-02T15:04:05.000Z"`

// TestAppendTime tries every day that can be written, each at another time.
func TestAppendTime(t *testing.T) {
	t.Parallel()
	const step = 24*60*60*1000 + 61_001
	for millis := int64(0); millis < 253402300800000; millis += step {
		requireTime(t, millis)
	}
	for _, millis := range []int64{-1, 253402300799999, 253402300800000, 1 << 50} {
		requireTime(t, millis)
	}
}

func requireTime(t *testing.T, millis int64) {
	t.Helper()
	want := time.UnixMilli(millis).UTC().Format(timeLayout)
	if got := string(appendTime(nil, millis)); got != want {
		t.Fatalf("%d is %s, want %s", millis, got, want)
	}
}

// FuzzParseRequestTime holds the parser against the time package, which takes more: a month
// in any case, and less: an offset of 70 minutes.
func FuzzParseRequestTime(f *testing.F) {
	for _, seed := range []string{
		"27/Feb/2019:11:31:00 +0000", "29/Feb/2024:23:59:59 -0330", "29/Feb/2023:00:00:00 +0000", "31/Apr/2024:00:00:00 +0000", "00/Jan/2024:00:00:00 +0000",
		"01/Jan/0000:00:00:00 +0000", "31/Dec/9999:23:59:59 -0001", "01/Jan/1970:00:00:00 +0001", "01/Foo/2024:00:00:00 +0000", "01/Jan/2024:24:00:00 +0000",
		"01/Jan/2024:00:60:00 +0000", "01/Jan/2024:00:00:60 +0000", "01/Jan/2024:00:00:00 *0000", "0x/Jan/2024:00:00:00 +0000", "01/Jan/202x:00:00:00 +0000",
		"01/Jan/2024:00:00:00 +24:0", "01-Jan-2024:00:00:00 +0000", "01/Jan/2024:00:00:00 +2359", "01/Jan/2024:00:00:00 +9999", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseRequestTime([]byte(text))
		want, err := time.Parse("02/Jan/2006:15:04:05 -0700", text)
		if !ok {
			if _, valid := validInstant(want.UnixMilli()); err == nil && valid && monthOf([]byte(text[3:6])) != 0 && len(text) == clockLength {
				t.Fatalf("%q is %v", text, want)
			}
			return
		}
		if err != nil && text[22:24] < "24" && text[24:] < "60" || err == nil && got.millis != want.UnixMilli() {
			t.Fatalf("%q is %d, want %v, %v", text, got.millis, want, err)
		}
	})
}
