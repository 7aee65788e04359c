package fleet

import "strings"

// appIDVariable makes the AWS SDK put a text into the User-Agent of its requests.
const appIDVariable = "AWS_SDK_UA_APP_ID"

// AgentProcess is the name of the process that made a request to AWS, from the
// User-Agent, or empty where it is not one of the fleet.
func AgentProcess(userAgent string) string {
	for part := range strings.FieldsSeq(userAgent) {
		if name, ok := strings.CutPrefix(part, "app/"); ok {
			return name
		}
	}
	return ""
}
