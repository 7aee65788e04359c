package traffic

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// executionLog writes the execution log of one request, in the order in which API
// Gateway does.
type executionLog struct {
	*interaction
	events []Event
	now    time.Time
}

// executionEvents returns the lines of a request: all of them at level info, those
// with headers and bodies only with data trace.
func (i *interaction) executionEvents() []Event {
	l := executionLog{interaction: i, now: i.started, events: make([]Event, 0, 32)}
	l.line("Extended Request Id: ", i.extendedID)
	if i.route.authorizer {
		l.authorize()
		if i.outcome == unauthorized {
			l.line("Unauthorized request: ", i.requestID)
			return l.events
		}
	}
	l.usagePlan()
	if i.outcome == throttledKey {
		l.line("Key throttle limit exceeded for RestApi ", i.api.id, ", Stage ", i.api.stage, ", Resource ", i.route.resourceID,
			", HttpMethod ", i.route.method, ". Limit: 10.00 Burst: 5")
		l.line("Method completed with status: ", strconv.Itoa(i.status))
		return l.events
	}
	l.request()
	l.integration()
	l.response()
	l.line("Method completed with status: ", strconv.Itoa(i.status))
	if i.outcome != timedOut {
		l.line("AWS Integration Endpoint RequestId : ", i.integrationID)
	}
	l.line("X-ray Tracing ID : Root=", i.trace)
	return l.events
}

func (l *executionLog) line(parts ...string) {
	l.events = append(l.events, Event{
		Millis:  l.now.UnixMilli(),
		Message: "(" + l.requestID + ") " + truncate(strings.Join(parts, "")),
	})
}

// data is a line that is only there with data trace.
func (l *executionLog) data(label, value string) {
	if l.api.level == executionData {
		l.line(label, value)
	}
}

func (l *executionLog) authorize() {
	id := authorizerID(l.api)
	function := "arn:aws:lambda:" + l.api.region + ":" + l.api.account + ":function:" + l.api.name + "-authorizer"
	l.line("Starting authorizer: ", id, " for request: ", l.requestID)
	l.line("Incoming identity: ", masked(40, l.user.principal))
	l.endpoint(function, fmt.Sprintf(`{"type":"TOKEN","methodArn":"%s","authorizationToken":"Bearer %s"}`, l.methodARN(), opaque(l.trace, 120)))
	l.now = l.now.Add(time.Millisecond)
	if l.outcome == unauthorized {
		l.data("Authorizer result body before parsing: ", `{"errorMessage":"Unauthorized"}`)
		return
	}
	l.data("Authorizer result body before parsing: ", fmt.Sprintf(
		`{"principalId":%q,"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["%s"]}]},"context":{"tenant":"acme"}}`,
		l.user.principal, l.methodARN()))
	l.line("Using valid authorizer policy for principal: ", masked(16, l.user.principal))
	l.line("Successfully completed authorizer execution")
}

func (l *executionLog) usagePlan() {
	key := ""
	if l.route.apiKey {
		key = masked(34, l.user.principal)
	}
	stage := l.api.id + "/" + l.api.stage
	l.line("Verifying Usage Plan for request: ", l.requestID, ". API Key: ", key, " API Stage: ", stage)
	if l.outcome == throttledKey {
		return
	}
	if !l.route.apiKey {
		l.line("API Key ", key, " authorized because method '", l.route.method, " ", l.route.template,
			"' does not require API Key. Request will not contribute to throttle or quota limits")
	}
	l.line("Usage Plan check succeeded for API Key ", key, " and API Stage ", stage)
}

func (l *executionLog) request() {
	l.line("Starting execution for request: ", l.requestID)
	l.line("HTTP Method: ", l.route.method, ", Resource Path: ", l.path)
	if l.route.apiKey {
		l.line("API Key: ", masked(34, l.user.principal))
		l.line("API Key ID: ", l.route.resourceID+l.api.id)
	}
	l.data("Method request path: ", headerMap(l.pathParameters))
	l.data("Method request query string: ", headerMap(l.query))
	l.data("Method request headers: ", headerMap(l.requestHeaders()))
	l.data("Method request body before transformations: ", l.requestBody)
	l.endpoint(l.route.function, l.proxyRequest())
}

// endpoint is the call of a Lambda function, the authorizer or the integration:
// both have the same labels.
func (l *executionLog) endpoint(function, body string) {
	uri := "https://lambda." + l.api.region + ".amazonaws.com/2015-03-31/functions/" + function + "/invocations"
	l.data("Endpoint request URI: ", uri)
	l.data("Endpoint request headers: ", headerMap([]pair{
		{"x-amzn-lambda-integration-tag", l.requestID},
		{"Authorization", masked(250, l.integrationID)},
		{"X-Amz-Date", l.started.UTC().Format("20060102T150405Z")},
		{"x-amzn-apigateway-api-id", l.api.id},
		{"X-Amz-Source-Arn", l.methodARN()},
		{"Accept", "application/json"},
		{"User-Agent", "AmazonAPIGateway_" + l.api.id},
		{"X-Amz-Security-Token", opaque(l.integrationID, 900)},
		{"X-Amzn-Trace-Id", "Root=" + l.trace},
	}))
	l.data("Endpoint request body after transformations: ", body)
	l.line("Sending request to ", uri)
}

func (l *executionLog) integration() {
	l.now = l.started.Add(l.integrationLatency + time.Millisecond)
	if l.outcome == timedOut {
		l.line("Execution failed due to a timeout error")
		return
	}
	l.line("Received response. Status: ", strconv.Itoa(l.integrationStatus), ", Integration latency: ", strconv.FormatInt(l.integrationLatency.Milliseconds(), 10), " ms")
	body := l.proxyResponse()
	headers := []pair{
		{"Date", httpDate(l.now)}, {"Content-Type", "application/json"}, {"Content-Length", strconv.Itoa(len(body))}, {"Connection", "keep-alive"},
		{"x-amzn-RequestId", l.integrationID}, {"x-amzn-Remapped-Content-Length", "0"}, {"X-Amz-Executed-Version", "$LATEST"},
		{"X-Amzn-Trace-Id", "Root=" + l.trace + ";Sampled=1"},
	}
	if l.outcome == functionError {
		headers = append(headers, pair{"X-Amz-Function-Error", "Unhandled"})
	}
	l.data("Endpoint response headers: ", headerMap(headers))
	l.data("Endpoint response body before transformations: ", body)
}

func (l *executionLog) response() {
	switch l.outcome {
	case timedOut:
	case functionError:
		l.line("Lambda execution failed with status 200 due to customer function error: ", functionFailure, ". Lambda request id: ", l.integrationID)
	default:
		l.data("Method response body after transformations: ", l.responseBody)
		l.data("Method response headers: ", headerMap([]pair{
			{"X-Amzn-Trace-Id", "Root=" + l.trace}, {"Content-Type", "application/json"}, {"Cache-Control", "no-cache, max-age=0"},
		}))
		l.line("Successfully completed execution")
	}
}

func (l *executionLog) methodARN() string {
	return "arn:aws:execute-api:" + l.api.region + ":" + l.api.account + ":" + l.api.id + "/" + l.api.stage + "/" + l.route.method + l.path
}

func (l *executionLog) requestHeaders() []pair {
	headers := []pair{
		{"Accept", "application/json, text/plain, */*"},
		{"CloudFront-Viewer-Country", l.user.country},
		{"CloudFront-Forwarded-Proto", "https"},
		{"User-Agent", l.user.agent},
		{"X-Forwarded-Proto", "https"},
		{"Host", l.api.domain},
		{"X-Forwarded-Port", "443"},
		{"X-Amzn-Trace-Id", "Root=" + l.trace},
		{"X-Amz-Cf-Id", opaque(l.extendedID, 54) + "=="},
		{"X-Forwarded-For", l.user.address + ", " + l.user.forwarded},
	}
	if l.requestBody != "" {
		headers = append(headers, pair{"Content-Type", "application/json;charset=utf-8"}, pair{"Content-Length", strconv.Itoa(len(l.requestBody))})
	}
	if l.route.authorizer {
		headers = append(headers, pair{"Authorization", masked(60, l.requestID)})
	}
	if l.route.apiKey {
		headers = append(headers, pair{"x-api-key", masked(34, l.user.principal)})
	}
	return headers
}

// proxyRequest is the event that a proxy integration sends to its function.
func (l *executionLog) proxyRequest() string {
	var headers, multi []string
	for _, h := range l.requestHeaders() {
		headers = append(headers, quoteJSON(h.name)+":"+quoteJSON(h.value))
		multi = append(multi, quoteJSON(h.name)+":["+quoteJSON(h.value)+"]")
	}
	body := "null"
	if l.requestBody != "" {
		body = quoteJSON(l.requestBody)
	}
	return fmt.Sprintf(`{"resource":%q,"path":%q,"httpMethod":%q,"headers":{%s},"multiValueHeaders":{%s},"requestContext":{"requestId":%q,"stage":%q},"body":%s,"isBase64Encoded":false}`,
		l.route.template, l.path, l.route.method, strings.Join(headers, ","), strings.Join(multi, ","), l.requestID, l.api.stage, body)
}

func (l *executionLog) proxyResponse() string {
	if l.outcome == functionError {
		return fmt.Sprintf(`{"errorType":"TypeError","errorMessage":%q,"trace":["TypeError","    at handler (/var/task/index.js:17:23)"]}`, functionFailure)
	}
	return fmt.Sprintf(`{"statusCode":%d,"headers":{"Content-Type":"application/json"},"body":%s}`, l.status, quoteJSON(l.responseBody))
}

// headerMap is how API Gateway writes headers, paths and queries: nothing is escaped.
func headerMap(pairs []pair) string {
	var b strings.Builder
	b.WriteByte('{')
	for n, p := range pairs {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name + "=" + p.value)
	}
	b.WriteByte('}')
	return b.String()
}

// masked is how API Gateway hides a secret of n characters: stars, then the last six.
func masked(n int, secret string) string {
	return strings.Repeat("*", n-6) + secret[max(0, len(secret)-6):]
}

// opaque is a text of n characters that looks like a token. It is made from a seed
// rather than drawn, so that long ones cost little.
func opaque(seed string, n int) string {
	return strings.Repeat(strings.ReplaceAll(seed, "-", ""), n/8+1)[:n]
}

// authorizerID is six characters, made from those of the API.
func authorizerID(a *api) string { return a.id[4:] }
