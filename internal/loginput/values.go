package loginput

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// decodes decodes raw into v and reports whether it has that form. What has not is
// no error: it is a message as any.
func decodes(raw json.RawMessage, v any) bool { return json.Unmarshal(raw, v) == nil }

// Text is the text of a JSON string, and empty for anything else.
func Text(raw json.RawMessage) string {
	var text string
	if !decodes(raw, &text) {
		return ""
	}
	return text
}

// MessageText is the message of a log event as PutLogEvents takes it: text. Some producers write
// JSON instead, which is kept as it stands.
func MessageText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		return Text(raw)
	}
	return string(raw)
}

// secondsBelow tells seconds from milliseconds: as milliseconds it is March 1973.
const secondsBelow = 1e11

// TimeMillis reads a timestamp as producers write them: a number of milliseconds or
// seconds, also as a string, or RFC 3339. It is 0 where there is none.
func TimeMillis(raw json.RawMessage) int64 {
	text := Text(raw)
	if len(raw) > 0 && raw[0] != '"' {
		text = string(raw)
	}
	return textMillis(text)
}

func textMillis(text string) int64 {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UnixMilli()
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n > 1e15 {
		return 0
	}
	if n < secondsBelow {
		n *= 1000
	}
	return int64(math.Round(n))
}

var (
	leadingTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)\b`)
	clfTime     = regexp.MustCompile(`\[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\]`)
	jsonTime    = regexp.MustCompile(`(?i)"request_?time_?epoch"\s*:\s*"?(\d{9,14})\b`)
	jsonCLFTime = regexp.MustCompile(`(?i)"request_?time"\s*:\s*"(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})"`)
)

const clfLayout = "02/Jan/2006:15:04:05 -0700"

// messageMillis finds the time in a message that came without one; 0 is none. It
// knows what access logs, exports to S3 and Lambda write.
func messageMillis(message string) int64 {
	head := message[:min(len(message), 4096)]
	if strings.HasPrefix(head, "{") {
		if m := jsonTime.FindStringSubmatch(head); m != nil {
			return textMillis(m[1])
		}
		if m := jsonCLFTime.FindStringSubmatch(head); m != nil {
			return clfMillis(m[1])
		}
		return 0
	}
	if m := leadingTime.FindString(head); m != "" {
		return textMillis(m)
	}
	if m := clfTime.FindStringSubmatch(head); m != nil {
		return clfMillis(m[1])
	}
	return 0
}

func clfMillis(text string) int64 {
	t, err := time.Parse(clfLayout, text)
	if err != nil {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
)

// CheckNames refuses names that CloudWatch Logs would refuse. Empty ones stand for
// the default.
func CheckNames(group, name string) error {
	if group != "" && !groupName.MatchString(group) {
		return fmt.Errorf("log group %q: CloudWatch Logs allows 1 to 512 of letters, digits and . - _ / #", group)
	}
	if name != "" && !streamName.MatchString(name) {
		return fmt.Errorf("log stream %q: CloudWatch Logs allows up to 512 characters without : and *", name)
	}
	return nil
}
