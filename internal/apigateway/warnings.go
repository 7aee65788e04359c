package apigateway

// warnings tell what had to be put right to make an event, as a set.
type warnings uint16

const (
	warnInvalidUTF8 warnings = 1 << iota
	warnTimestampMissing
	warnTimestampSeconds
	warnEventIDMissing
	warnMessageMissing
	warnMessageNotString
	warnInvalidJSON
	warnUnquotedDash
	warnUnconverted
	warnRepeatedName
	warnTemplateMismatch
	warnCutByTemplate
)

// warningNames are in the order of the constants.
var warningNames = []string{
	"invalid_utf8",
	"timestamp_missing",
	"timestamp_seconds",
	"event_id_missing",
	"message_missing",
	"message_not_string",
	"invalid_json",
	"unquoted_dash",
	"unconverted_value",
	"repeated_name",
	"template_mismatch",
	"cut_by_template",
}

// append appends the names as members of a JSON array.
func (w warnings) append(dst []byte) []byte {
	for i, name := range warningNames {
		if w&(1<<i) == 0 {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), '"')
	}
	return dst
}
