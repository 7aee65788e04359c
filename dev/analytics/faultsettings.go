package analytics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of settings that are treated apart elsewhere.
const (
	outageSetting = "outage"
	revokeSetting = "revoke-every"
)

// setting is one entry of the textual form. get returns the empty string where the
// fault is off, and what set reads back otherwise.
type setting struct {
	name string
	set  func(*Faults, string) error
	get  func(*Faults) string
}

var settings = []setting{
	shareSetting("5xx", func(f *Faults) *float64 { return &f.ServerErrors }),
	statusSetting("5xx-status", func(f *Faults) *int { return &f.ServerErrorStatus }),
	shareSetting("token-5xx", func(f *Faults) *float64 { return &f.TokenErrors }),
	durationSetting("token-latency", func(f *Faults) *time.Duration { return &f.TokenLatency }),
	textSetting("token-refuse", func(f *Faults) *string { return &f.TokenRefuse }),
	choiceSetting("token-auth", func(f *Faults) *string { return &f.TokenAuth }, authBasic, authPost),
	choiceSetting("token-form", func(f *Faults) *string { return &f.TokenForm }, formExpiresAt, formEpoch, formJWT, formNone),
	shareSetting("429", func(f *Faults) *float64 { return &f.TooManyRequests }),
	rateSetting("rate-limit", func(f *Faults) *float64 { return &f.RateLimit }),
	durationSetting("retry-after", func(f *Faults) *time.Duration { return &f.RetryAfter }),
	tokenLifeSetting("token-life", func(f *Faults) *time.Duration { return &f.TokenLife }),
	durationSetting(revokeSetting, func(f *Faults) *time.Duration { return &f.RevokeEvery }),
	sizeSetting("body-limit", func(f *Faults) *int64 { return &f.BodyLimit }),
	durationSetting("latency", func(f *Faults) *time.Duration { return &f.Latency }),
	durationSetting("jitter", func(f *Faults) *time.Duration { return &f.Jitter }),
	outagesSetting(outageSetting, func(f *Faults) *[]Outage { return &f.Outages }),
	shareSetting("lost-answer", func(f *Faults) *float64 { return &f.LostAnswers }),
	shareSetting("partial", func(f *Faults) *float64 { return &f.Partial }),
	shareSetting("partial-refuse", func(f *Faults) *float64 { return &f.PartialRefusals }),
	shareSetting("drip", func(f *Faults) *float64 { return &f.Drips }),
	shareSetting("huge", func(f *Faults) *float64 { return &f.HugeAnswers }),
	shareSetting("close", func(f *Faults) *float64 { return &f.ClosedAnswers }),
	shareSetting("refuse", func(f *Faults) *float64 { return &f.Refusals }),
	textSetting("refuse-match", func(f *Faults) *string { return &f.RefuseMatch }),
}

func newSetting[T any](name string, field func(*Faults) *T, parse func(string) (T, error), format func(T) string) setting {
	return setting{
		name: name,
		set: func(f *Faults, text string) error {
			var value T
			if text != "" {
				var err error
				if value, err = parse(text); err != nil {
					return err
				}
			}
			*field(f) = value
			return nil
		},
		get: func(f *Faults) string { return format(*field(f)) },
	}
}

func shareSetting(name string, field func(*Faults) *float64) setting {
	return newSetting(name, field, parseShare, func(v float64) string {
		if v == 0 {
			return ""
		}
		return formatNumber(v)
	})
}

func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is no share: write 20%% or 0.2", text)
	}
	if percent {
		v /= 100
	}
	if v < 0 || v > 1 {
		return 0, fmt.Errorf("share %s is not between 0 and 1: write 20%% or 0.2", text)
	}
	return v, nil
}

func rateSetting(name string, field func(*Faults) *float64) setting {
	return newSetting(name, field, func(text string) (float64, error) {
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		if err != nil || v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("%q is no rate: give requests a second", text)
		}
		return v, nil
	}, func(v float64) string {
		if v == 0 {
			return ""
		}
		return formatNumber(v)
	})
}

func statusSetting(name string, field func(*Faults) *int) setting {
	return newSetting(name, field, func(text string) (int, error) {
		v, err := strconv.Atoi(text)
		if err != nil || v < 500 || v > 599 {
			return 0, fmt.Errorf("%q is no server error: give a status from 500 to 599", text)
		}
		return v, nil
	}, func(v int) string {
		if v == 0 {
			return ""
		}
		return strconv.Itoa(v)
	})
}

func durationSetting(name string, field func(*Faults) *time.Duration) setting {
	return newSetting(name, field, parseDuration, formatDuration)
}

// minTokenLife is the shortest life of a token: its answer counts in whole seconds,
// and clients take 0 for a token that never expires.
const minTokenLife = time.Second

func tokenLifeSetting(name string, field func(*Faults) *time.Duration) setting {
	return newSetting(name, field, func(text string) (time.Duration, error) {
		v, err := parseDuration(text)
		if err == nil && v != 0 && v < minTokenLife {
			return 0, fmt.Errorf("%s is shorter than %s", text, minTokenLife)
		}
		return v, err
	}, formatDuration)
}

func formatDuration(v time.Duration) string {
	if v == 0 {
		return ""
	}
	return v.String()
}

func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%q is no duration: write it like 500ms or 1m30s", text)
	}
	return v, nil
}

func sizeSetting(name string, field func(*Faults) *int64) setting {
	return newSetting(name, field, parseSize, func(v int64) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatInt(v, 10)
	})
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"KB", 1e3}, {"MB", 1e6}, {"B", 1}, {"", 1}}

func parseSize(text string) (int64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/unit.bytes {
			break
		}
		return v * unit.bytes, nil
	}
	return 0, fmt.Errorf("%q is no size: give bytes, or a number with KB, KiB, MB or MiB", text)
}

func textSetting(name string, field func(*Faults) *string) setting {
	return newSetting(name, field, func(text string) (string, error) {
		if strings.Contains(text, ",") {
			return "", fmt.Errorf("%q holds a comma, which separates settings", text)
		}
		return text, nil
	}, func(v string) string { return v })
}

func choiceSetting(name string, field func(*Faults) *string, values ...string) setting {
	return newSetting(name, field, func(text string) (string, error) {
		if !slices.Contains(values, text) {
			return "", fmt.Errorf("%q is none of %s", text, strings.Join(values, ", "))
		}
		return text, nil
	}, func(v string) string { return v })
}

func outagesSetting(name string, field func(*Faults) *[]Outage) setting {
	return newSetting(name, field, func(text string) ([]Outage, error) {
		var outages []Outage
		for one := range strings.SplitSeq(text, "+") {
			o, err := parseOutage(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			outages = append(outages, o)
		}
		return outages, nil
	}, joinOutages)
}

func joinOutages(outages []Outage) string {
	texts := make([]string, len(outages))
	for i, o := range outages {
		texts[i] = o.String()
	}
	return strings.Join(texts, "+")
}

func parseOutage(text string) (Outage, error) {
	span, mode, _ := strings.Cut(text, ":")
	length, after, delayed := strings.Cut(span, "@")
	var o Outage
	var err error
	if o.For, err = parseDuration(length); err != nil || o.For == 0 {
		return Outage{}, fmt.Errorf("%q is no outage: write 20s, 20s@15s or 20s@15s:reset", text)
	}
	if delayed {
		if o.After, err = parseDuration(after); err != nil {
			return Outage{}, fmt.Errorf("%q is no outage: write 20s, 20s@15s or 20s@15s:reset", text)
		}
	}
	switch mode {
	case "", "503":
	case "reset":
		o.Reset = true
	default:
		return Outage{}, fmt.Errorf("outage mode %q is not known: use 503 or reset", mode)
	}
	return o, nil
}

func formatNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
