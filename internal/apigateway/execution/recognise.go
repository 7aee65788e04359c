package execution

import "bytes"

// valueLabel is a label with everything behind it as the value. One space between
// them belongs to neither.
type valueLabel struct {
	label string
	kind  Kind
}

// valueLabels are the labels of values by their first letter, counted from A. None of
// a letter begins another of the same.
var valueLabels = [...][]valueLabel{
	0: {
		{"Authorizer result body before parsing:", KindAuthorizerResult},
		{"API Key ID:", KindAPIKeyID},
		{"API Key:", KindAPIKey},
	},
	'E' - 'A': {
		{"Endpoint request URI:", KindIntegrationURI},
		{"Endpoint request headers:", KindIntegrationRequestHeaders},
		{"Endpoint request body after transformations:", KindIntegrationRequestBody},
		{"Endpoint response headers:", KindIntegrationResponseHeaders},
		{"Endpoint response body before transformations:", KindIntegrationResponseBody},
	},
	'G' - 'A': {
		{"Gateway response body:", KindGatewayResponseBody},
		{"Gateway response headers:", KindGatewayResponseHeaders},
	},
	'I' - 'A': {
		{"Incoming identity:", KindAuthorizerIdentity},
	},
	'M' - 'A': {
		{"Method request path:", KindRequestPath},
		{"Method request query string:", KindRequestQuery},
		{"Method request headers:", KindRequestHeaders},
		{"Method request body before transformations:", KindRequestBody},
		{"Method response body after transformations:", KindResponseBody},
		{"Method response headers:", KindResponseHeaders},
	},
	'S' - 'A': {
		{"Sending request to", KindIntegrationSending},
	},
	'U' - 'A': {
		{"Using valid authorizer policy for principal:", KindAuthorizerPolicy},
	},
	'Z' - 'A': nil,
}

// forms are the matchers of lines with a form of their own, by their first letter,
// counted from A.
var forms = [...][]func(*Line, []byte) bool{
	0:         {(*Line).apiKeyNotRequired, (*Line).integrationRequestID},
	'C' - 'A': {(*Line).webSocketConnect},
	'E' - 'A': {(*Line).extendedRequestID, (*Line).failed},
	'G' - 'A': {(*Line).gatewayResponse},
	'H' - 'A': {(*Line).httpMethod},
	'L' - 'A': {(*Line).lambdaFunctionError, (*Line).lambdaInvokeError},
	'M' - 'A': {(*Line).completed},
	'R' - 'A': {(*Line).received, (*Line).requestValidation},
	'S' - 'A': {(*Line).authorizerStart, (*Line).start, (*Line).success},
	'U' - 'A': {(*Line).usagePlanOK, (*Line).unauthorized},
	'V' - 'A': {(*Line).usagePlanVerify},
	'W' - 'A': {(*Line).webSocketRoute, (*Line).webSocketMessage},
	'X' - 'A': {(*Line).xray},
	'Z' - 'A': nil,
}

// recognise finds the kind of a text and takes it apart. Where it returns false it
// may have set fields.
func (l *Line) recognise(text []byte) bool {
	if len(text) == 0 || !isLetter(text[0]) {
		return false
	}
	letter := text[0]&^0x20 - 'A'
	for i := range valueLabels[letter] {
		v := &valueLabels[letter][i]
		if value, ok := cut(text, v.label); ok {
			if len(value) > 0 && value[0] == ' ' {
				value = value[1:]
			}
			l.Kind, l.Value = v.kind, value
			return true
		}
	}
	for _, form := range forms[letter] {
		if form(l, text) {
			return true
		}
	}
	return l.throttled(text)
}

func (l *Line) extendedRequestID(text []byte) bool {
	rest, ok := cut(text, "Extended Request Id:")
	if !ok {
		return false
	}
	l.Value, rest = cutWord(trimSpace(rest))
	l.Kind = KindExtendedRequestID
	return len(l.Value) > 0 && isEmpty(rest)
}

func (l *Line) authorizerStart(text []byte) bool {
	rest, ok := cut(text, "Starting authorizer: ")
	if !ok {
		return false
	}
	l.Value, rest = cutWord(rest)
	if rest, ok = cut(rest, " for request: "); !ok {
		return false
	}
	l.Mentioned, rest = cutWord(rest)
	l.Kind = KindAuthorizerStart
	return isEmpty(rest)
}

func (l *Line) start(text []byte) bool {
	rest, ok := cut(text, "Starting execution for request: ")
	if !ok {
		return false
	}
	l.Mentioned, rest = cutWord(rest)
	l.Kind = KindStart
	return isEmpty(rest)
}

func (l *Line) success(text []byte) bool {
	switch string(trimSpace(text)) {
	case "Successfully completed execution":
		l.Kind = KindSuccess
	case "Successfully completed authorizer execution":
		l.Kind = KindAuthorizerDone
	default:
		return false
	}
	return true
}

func (l *Line) unauthorized(text []byte) bool {
	rest, ok := cut(text, "Unauthorized request: ")
	if !ok {
		return false
	}
	l.Mentioned, rest = cutWord(rest)
	l.Kind = KindUnauthorized
	return isEmpty(rest)
}

// usagePlanVerify reads "Verifying Usage Plan for request: ID. API Key: KEY API Stage:
// API/STAGE", in which there may be no key and then one blank or two.
func (l *Line) usagePlanVerify(text []byte) bool {
	rest, ok := cut(text, "Verifying Usage Plan for request: ")
	if !ok {
		return false
	}
	id, rest, ok := bytes.Cut(rest, []byte(". API Key:"))
	if !ok {
		return false
	}
	key, stage, ok := cutLast(rest, "API Stage: ")
	if !ok {
		return false
	}
	l.Mentioned, l.APIKey = id, trimSpace(key)
	l.Kind = KindUsagePlanVerify
	return l.cutStage(stage)
}

func (l *Line) usagePlanOK(text []byte) bool {
	rest, ok := cut(text, "Usage Plan check succeeded for API Key ")
	if !ok {
		return false
	}
	key, stage, ok := cutLast(rest, "and API Stage ")
	if !ok {
		return false
	}
	l.APIKey = trimSpace(key)
	l.Kind = KindUsagePlanOK
	return l.cutStage(stage)
}

// cutStage reads "api/stage".
func (l *Line) cutStage(text []byte) bool {
	stage, rest := cutWord(text)
	l.API, l.Stage, _ = bytes.Cut(stage, []byte{'/'})
	return len(stage) > 0 && isEmpty(rest)
}

func (l *Line) apiKeyNotRequired(text []byte) bool {
	rest, ok := cut(text, "API Key ")
	if !ok {
		return false
	}
	key, rest, ok := bytes.Cut(rest, []byte("authorized because method '"))
	if !ok {
		return false
	}
	method, after, ok := bytes.Cut(rest, []byte("' does not require API Key. "))
	if !ok {
		return false
	}
	l.Method, l.Path, ok = bytes.Cut(method, []byte{' '})
	l.APIKey = trimSpace(key)
	l.Kind = KindAPIKeyNotRequired
	return ok && bytes.HasPrefix(after, []byte("Request will not contribute to throttle or quota limits"))
}

// throttled reads "Key throttle limit exceeded for RestApi …, Stage …, Resource …,
// HttpMethod …. Limit: 10.00 Burst: 5" and other limits, with or without the middle.
func (l *Line) throttled(text []byte) bool {
	const exceeded = "limit exceeded for "
	at := bytes.Index(text[:min(len(text), 100)], []byte(exceeded))
	if at < 0 {
		return false
	}
	name := text[:at+len("limit")]
	for _, c := range name {
		if !isLetter(c) && c != ' ' {
			return false
		}
	}
	l.Kind, l.Value = KindThrottled, name
	l.Detail = text[at+len(exceeded):]
	rest, ok := cut(l.Detail, "RestApi ")
	if !ok {
		return true
	}
	for _, part := range []struct {
		field *[]byte
		next  string
	}{{&l.API, ", Stage "}, {&l.Stage, ", Resource "}, {&l.Resource, ", HttpMethod "}, {&l.Method, ". "}} {
		value, after, ok := bytes.Cut(rest, []byte(part.next))
		if !ok {
			l.API, l.Stage, l.Resource, l.Method = nil, nil, nil, nil
			return true
		}
		*part.field, rest = value, after
	}
	l.Detail = rest
	return true
}

func (l *Line) httpMethod(text []byte) bool {
	rest, ok := cut(text, "HTTP Method: ")
	if !ok {
		return false
	}
	l.Method, l.Path, ok = bytes.Cut(rest, []byte(", Resource Path: "))
	l.Path = trimSpace(l.Path)
	l.Kind = KindHTTPMethod
	return ok && len(l.Method) > 0 && bytes.IndexByte(l.Method, ' ') < 0
}

func (l *Line) requestValidation(text []byte) bool {
	rest, ok := cut(text, "Request ")
	if !ok {
		return false
	}
	for _, what := range []string{"body", "validation", "parameter"} {
		if _, ok := cut(rest, what); ok {
			l.Kind, l.Value = KindRequestValidation, text
			return true
		}
	}
	return false
}

// received reads "Received response. Status: 200, Integration latency: 42 ms". Before
// 2019 there was no status.
func (l *Line) received(text []byte) bool {
	rest, ok := cut(text, "Received response. ")
	if !ok {
		return false
	}
	if status, found := cut(rest, "Status: "); found {
		var n int64
		if n, rest, ok = cutInt(status); !ok || n > maxStatus {
			return false
		}
		l.Status = int(n)
		if rest, ok = cut(rest, ", "); !ok {
			return false
		}
	}
	if rest, ok = cut(rest, "Integration latency: "); !ok {
		return false
	}
	if l.LatencyMillis, rest, ok = cutInt(rest); !ok {
		return false
	}
	l.Kind = KindIntegrationReceived
	return string(trimSpace(rest)) == "ms"
}

func (l *Line) lambdaFunctionError(text []byte) bool {
	rest, ok := cut(text, "Lambda execution failed with status ")
	if !ok {
		return false
	}
	if l.Status, rest, ok = cutStatus(rest); !ok {
		return false
	}
	if l.Value, ok = cut(rest, " due to customer function error: "); !ok {
		return false
	}
	if message, id, found := cutLast(l.Value, ". Lambda request id: "); found {
		if id, after := cutWord(id); isEmpty(after) {
			l.Value, l.Mentioned = message, id
		}
	}
	l.Kind = KindLambdaFunctionError
	return true
}

func (l *Line) lambdaInvokeError(text []byte) bool {
	rest, ok := cut(text, "Lambda invocation failed with status: ")
	if !ok {
		return false
	}
	if l.Status, rest, ok = cutStatus(rest); !ok {
		return false
	}
	if rest, ok = cut(rest, ". Lambda request id: "); !ok {
		return false
	}
	l.Mentioned, rest = cutWord(rest)
	l.Kind = KindLambdaInvokeError
	return isEmpty(rest)
}

// failed reads "Execution failed due to a timeout error", "Execution failed due to
// configuration error: Malformed Lambda proxy response" and the like.
func (l *Line) failed(text []byte) bool {
	rest, ok := cut(text, "Execution failed")
	if !ok {
		return false
	}
	l.Kind = KindFailed
	if reason, found := cut(rest, " due to "); found {
		reason, l.Value, _ = bytes.Cut(reason, []byte(": "))
		for _, article := range []string{"a ", "an "} {
			reason = bytes.TrimPrefix(reason, []byte(article))
		}
		l.Reason = trimSpace(reason)
		for _, c := range l.Reason {
			if c != ' ' && (c < 'a' || 'z' < c) {
				l.Reason, l.Value = nil, rest[len(" due to "):]
				break
			}
		}
		return true
	}
	l.Value, _ = cut(rest, ": ")
	return l.Value != nil || isEmpty(rest)
}

func (l *Line) gatewayResponse(text []byte) bool {
	rest, ok := cut(text, "Gateway response type: ")
	if !ok {
		return false
	}
	l.Value, rest = cutWord(rest)
	if rest, ok = cut(rest, " with status code: "); !ok {
		return false
	}
	l.Status, rest, ok = cutStatus(rest)
	l.Kind = KindGatewayResponse
	return ok && isEmpty(rest)
}

func (l *Line) completed(text []byte) bool {
	rest, ok := cut(text, "Method completed with status: ")
	if !ok {
		return false
	}
	l.Status, rest, ok = cutStatus(rest)
	l.Kind = KindCompleted
	return ok && isEmpty(rest)
}

func (l *Line) integrationRequestID(text []byte) bool {
	rest, ok := cut(text, "AWS Integration Endpoint RequestId")
	if !ok {
		return false
	}
	l.Kind = KindIntegrationRequestID
	return l.trailingID(rest)
}

// xray reads "X-ray Tracing ID : Root=1-…", whose case has changed over the years.
func (l *Line) xray(text []byte) bool {
	const label = "X-ray Tracing ID"
	if len(text) < len(label) || !bytes.EqualFold(text[:len(label)], []byte(label)) {
		return false
	}
	l.Kind = KindXRay
	return l.trailingID(text[len(label):])
}

func (l *Line) trailingID(rest []byte) bool {
	rest, ok := cut(bytes.TrimPrefix(rest, []byte{' '}), ":")
	if !ok {
		return false
	}
	l.Value, rest = cutWord(bytes.TrimPrefix(rest, []byte{' '}))
	return len(l.Value) > 0 && isEmpty(rest)
}

func (l *Line) webSocketRoute(text []byte) bool {
	rest, ok := cut(trimSpace(text), "WebSocket Request Route: [")
	if !ok {
		return false
	}
	l.Value, ok = bytes.CutSuffix(rest, []byte{']'})
	l.Kind = KindWebSocketRoute
	return ok
}

func (l *Line) webSocketConnect(text []byte) bool {
	rest, ok := cut(trimSpace(text), "Client [UserAgent: ")
	if !ok {
		return false
	}
	client, api, ok := cutLast(rest, "] is connecting to WebSocket API [")
	if !ok {
		return false
	}
	l.UserAgent, l.Address, ok = cutLast(client, ", SourceIp: ")
	if !ok {
		return false
	}
	l.API, ok = bytes.CutSuffix(api, []byte("]."))
	l.Kind = KindWebSocketConnect
	return ok
}

func (l *Line) webSocketMessage(text []byte) bool {
	rest, ok := cut(text, "WebSocket API [")
	if !ok {
		return false
	}
	l.API, rest, ok = bytes.Cut(rest, []byte("] received message from client [Connection Id: "))
	if !ok {
		return false
	}
	l.Value, l.Detail, ok = bytes.Cut(rest, []byte{']'})
	l.Kind = KindWebSocketMessage
	return ok && len(l.Value) > 0
}
