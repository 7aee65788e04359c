package config

import "strings"

// redactURL masks what may be a credential in a URL: everything before an @, and
// the query unless it is that of a stage URL. It works on the text, because a URL that does not parse
// ends up in an error message, too.
func redactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", text
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = redacted + rest[i:]
	}
	if !strings.EqualFold(scheme, "s3://") && !strings.EqualFold(scheme, "file://") {
		if address, _, found := strings.Cut(rest, "?"); found {
			rest = address + "?" + redacted
		}
	}
	return scheme + rest
}
