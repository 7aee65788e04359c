package execution

import (
	"bytes"
	"math"
)

// endpointKeys are the members of a phase's endpoint.
type endpointKeys struct {
	uri, sentTo, status, serviceStatus, latency, requestID, failure string
	requestHeader, requestBody, responseHeader, responseBody        string
}

func keysFor(phase string) endpointKeys {
	prefix := "aws.apigateway." + phase + "."
	return endpointKeys{
		uri: prefix + "uri", sentTo: prefix + "sent_to", status: prefix + "status", serviceStatus: prefix + "service_status",
		latency: prefix + "latency_ms", requestID: prefix + "request_id", failure: prefix + "error",
		requestHeader: prefix + "request.header.", requestBody: prefix + "request.body",
		responseHeader: prefix + "response.header.", responseBody: prefix + "response.body",
	}
}

var integrationKeys, authorizerKeys = keysFor("integration"), keysFor("authorizer")

// writeEndpoint writes the call of the authorizer or of the integration.
func (in *Interaction) writeEndpoint(w *memberWriter, part phase, keys *endpointKeys) {
	lines := &in.slots[part]
	sent := lines[KindIntegrationSending]
	uri := lines[KindIntegrationURI]
	if uri == nil || sent != nil && uri.Truncated && bytes.HasPrefix(sent.Value, uri.Value) {
		uri = sent // the shorter label leaves room for more of it
	}
	if uri != nil {
		w.text(keys.uri, uri.Value)
		in.markPartial(w, keys.uri, uri)
		if sent != nil && !bytes.Equal(uri.Value, sent.Value) {
			w.text(keys.sentTo, sent.Value)
		}
	}

	failure := lines[KindLambdaFunctionError]
	status := 0
	for _, kind := range []Kind{KindIntegrationReceived, KindLambdaFunctionError, KindLambdaInvokeError} {
		if line := lines[kind]; line != nil && status == 0 {
			status = line.Status
		}
	}
	key := keys.status
	if failure != nil || lines[KindLambdaInvokeError] != nil || uri != nil && isLambda(uri.Value) {
		key = keys.serviceStatus // Lambda's own, not that of the function's answer
		if body := lines[KindIntegrationResponseBody]; body != nil {
			w.status(keys.status, proxyStatus(body.Value))
		}
	}
	w.status(key, status)
	if line := lines[KindIntegrationReceived]; line != nil {
		w.number(keys.latency, line.LatencyMillis)
	}
	w.text(keys.requestID, in.endpointRequestID(part))
	if failure != nil {
		w.text(keys.failure, failure.Value)
		in.markPartial(w, keys.failure, failure)
	}
	in.writeMap(w, keys.requestHeader, lines[KindIntegrationRequestHeaders], HeaderMap)
	w.body(keys.requestBody, lines[KindIntegrationRequestBody])
	in.writeMap(w, keys.responseHeader, lines[KindIntegrationResponseHeaders], HeaderMap)
	w.body(keys.responseBody, lines[KindIntegrationResponseBody])
}

// endpointRequestID is the id that the endpoint gave to its request.
func (in *Interaction) endpointRequestID(part phase) []byte {
	if line := in.line(KindIntegrationRequestID); line != nil && part == execution {
		return line.Value
	}
	for _, kind := range []Kind{KindLambdaFunctionError, KindLambdaInvokeError} {
		if line := in.slots[part][kind]; line != nil && len(line.Mentioned) > 0 {
			return line.Mentioned
		}
	}
	return nil
}

// proxyStatus is the status in the answer of a function behind a proxy integration,
// or 0.
func proxyStatus(body []byte) int {
	const name = `"statusCode"`
	rest, ok := cut(bytes.TrimLeft(body, " \t\r\n"), "{")
	if !ok {
		return 0
	}
	if rest, ok = cut(bytes.TrimLeft(rest, " \t\r\n"), name); !ok {
		return 0
	}
	if rest, ok = cut(bytes.TrimLeft(rest, " \t\r\n"), ":"); !ok {
		return 0
	}
	n, rest, ok := cutInt(bytes.Trim(bytes.TrimLeft(rest, " \t\r\n"), `"`))
	if !ok || n > math.MaxInt16 || len(rest) == 0 {
		return 0
	}
	return int(n)
}

// isLambda tells that an address is that of a Lambda function. The path of any other can
// hold what a client wants, its host cannot.
func isLambda(uri []byte) bool {
	return bytes.HasPrefix(uri, []byte("https://lambda")) && bytes.Contains(uri, []byte("/functions/arn:"))
}
