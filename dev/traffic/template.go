package traffic

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// variable is a $context variable of an access log template.
type variable int

const (
	varRequestID variable = iota
	varExtendedRequestID
	varSourceIP
	varUserAgent
	varCaller
	varUser
	varRequestTime
	varRequestTimeEpoch
	varMethod
	varResourcePath
	varRouteKey
	varPath
	varProtocol
	varStatus
	varResponseLength
	varResponseLatency
	varIntegrationLatency
	varIntegrationStatus
	varIntegrationError
	varIntegrationRequestID
	varErrorMessage
	varErrorMessageString
	varErrorResponseType
	varAPIID
	varAccountID
	varStage
	varDomainName
	varPrincipalID
	varTraceID
)

var variableNames = map[string]variable{
	"requestId":               varRequestID,
	"extendedRequestId":       varExtendedRequestID,
	"identity.sourceIp":       varSourceIP,
	"identity.userAgent":      varUserAgent,
	"identity.caller":         varCaller,
	"identity.user":           varUser,
	"requestTime":             varRequestTime,
	"requestTimeEpoch":        varRequestTimeEpoch,
	"httpMethod":              varMethod,
	"resourcePath":            varResourcePath,
	"routeKey":                varRouteKey,
	"path":                    varPath,
	"protocol":                varProtocol,
	"status":                  varStatus,
	"responseLength":          varResponseLength,
	"responseLatency":         varResponseLatency,
	"integrationLatency":      varIntegrationLatency,
	"integration.latency":     varIntegrationLatency,
	"integration.status":      varIntegrationStatus,
	"integrationStatus":       varIntegrationStatus,
	"integrationErrorMessage": varIntegrationError,
	"integration.error":       varIntegrationError,
	"integration.requestId":   varIntegrationRequestID,
	"error.message":           varErrorMessage,
	"error.messageString":     varErrorMessageString,
	"error.responseType":      varErrorResponseType,
	"apiId":                   varAPIID,
	"accountId":               varAccountID,
	"stage":                   varStage,
	"domainName":              varDomainName,
	"authorizer.principalId":  varPrincipalID,
	"xrayTraceId":             varTraceID,
}

// accessTemplate is an access log format as one writes it in API Gateway, compiled.
type accessTemplate struct {
	segments []segment
	json     bool // values are escaped, as API Gateway does in templates that look like JSON
}

// segment is literal text and, apart from the last one, the variable after it.
type segment struct {
	literal  string
	variable variable
	last     bool
}

func compileTemplate(text string) (accessTemplate, error) {
	t := accessTemplate{json: strings.HasPrefix(text, "{")}
	for {
		literal, rest, found := strings.Cut(text, "$context.")
		if !found {
			t.segments = append(t.segments, segment{literal: literal, last: true})
			return t, nil
		}
		end := 0
		for end < len(rest) && (isLetter(rest[end]) || rest[end] == '.') {
			end++
		}
		name := strings.TrimSuffix(rest[:end], ".")
		v, ok := variableNames[name]
		if !ok {
			return accessTemplate{}, fmt.Errorf("access log template: unknown variable $context.%s", name)
		}
		t.segments = append(t.segments, segment{literal: literal, variable: v})
		text = rest[len(name):]
	}
}

func mustCompile(text string) accessTemplate {
	t, err := compileTemplate(text)
	if err != nil {
		panic(err)
	}
	return t
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// appendLine writes the access log line of one interaction.
func (t accessTemplate) appendLine(b []byte, i *interaction) []byte {
	for _, s := range t.segments {
		b = append(b, s.literal...)
		if s.last {
			break
		}
		start := len(b)
		b = i.appendVariable(b, s.variable)
		if len(b) == start {
			b = append(b, '-') // how API Gateway writes an absent value
		} else if t.json && s.variable != varErrorMessageString {
			b = escapeFrom(b, start)
		}
	}
	return b
}

// escapeFrom escapes the end of b for the inside of a JSON string.
func escapeFrom(b []byte, start int) []byte {
	for _, c := range b[start:] {
		if c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			text := string(b[start:])
			quoted := quoteJSON(text)
			return append(b[:start], quoted[1:len(quoted)-1]...)
		}
	}
	return b
}

// appendVariable appends the value of a variable, and nothing where it is absent.
func (i *interaction) appendVariable(b []byte, v variable) []byte {
	switch v {
	case varRequestID:
		return append(b, i.requestID...)
	case varExtendedRequestID:
		return append(b, i.extendedID...)
	case varSourceIP:
		return append(b, i.user.address...)
	case varUserAgent:
		return append(b, i.user.agent...)
	case varCaller, varUser:
		return append(b, i.user.caller...)
	case varRequestTime:
		return i.started.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	case varRequestTimeEpoch:
		if i.api.http {
			return strconv.AppendInt(b, i.started.Unix(), 10)
		}
		return strconv.AppendInt(b, i.started.UnixMilli(), 10)
	case varMethod:
		return append(b, i.route.method...)
	case varResourcePath:
		return append(b, i.route.template...)
	case varRouteKey:
		return append(b, i.route.key...)
	case varPath:
		return append(append(b, i.api.pathPrefix...), i.path...)
	case varProtocol:
		return append(b, "HTTP/1.1"...)
	case varStatus:
		return strconv.AppendInt(b, int64(i.status), 10)
	case varResponseLength:
		return strconv.AppendInt(b, int64(len(i.responseBody)), 10)
	case varResponseLatency:
		return strconv.AppendInt(b, i.latency.Milliseconds(), 10)
	case varAPIID:
		return append(b, i.api.id...)
	case varAccountID:
		return append(b, i.api.account...)
	case varStage:
		return append(b, i.api.stage...)
	case varDomainName:
		return append(b, i.api.domain...)
	case varTraceID:
		return append(b, i.trace...)
	case varErrorMessage:
		return append(b, i.errorMessage...)
	case varErrorMessageString:
		if i.errorMessage == "" {
			return append(b, `"-"`...)
		}
		return append(b, quoteJSON(i.errorMessage)...)
	case varErrorResponseType:
		return append(b, i.errorType...)
	case varPrincipalID:
		if i.route.authorizer && i.outcome != unauthorized {
			return append(b, i.user.principal...)
		}
		return b
	}
	if !i.outcome.integrated() {
		return b
	}
	switch v {
	case varIntegrationLatency:
		return strconv.AppendInt(b, i.integrationLatency.Milliseconds(), 10)
	case varIntegrationStatus:
		if i.outcome == timedOut {
			return b
		}
		return strconv.AppendInt(b, int64(i.integrationStatus), 10)
	case varIntegrationError:
		return append(b, i.integrationError...)
	case varIntegrationRequestID:
		return append(b, i.integrationID...)
	}
	return b
}

// truncate cuts the text of an execution log line as API Gateway does: to 1,024
// characters, label included, with a mark.
func truncate(text string) string {
	const limit, mark = 1024, " [TRUNCATED]"
	if len(text) <= limit {
		return text
	}
	n := 0
	for at := range text {
		if n == limit {
			return text[:at] + mark
		}
		n++
	}
	return text
}

const dateHeader = "Mon, 02 Jan 2006 15:04:05 GMT"

func httpDate(t time.Time) string { return t.UTC().Format(dateHeader) }
