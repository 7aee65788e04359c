package execution

import "bytes"

// What an interaction warns of.
const (
	// WarnMapGuessed is given if a part of a header's value looked like a further
	// header and was taken for what it most likely is.
	WarnMapGuessed = "map_guessed"
	// WarnStatusInferred is given if no line tells the status, but one that the request
	// was refused with a status that is known.
	WarnStatusInferred = "status_inferred"
	// WarnRepeatedLine is given if a log event came more than once.
	WarnRepeatedLine = "repeated_line"
)

// WarningNames lists all warnings.
func WarningNames() []string { return []string{WarnMapGuessed, WarnStatusInferred, WarnRepeatedLine} }

const statusUnauthorized = 401

// AppendMembers appends what the lines tell as members of a JSON object, each with a
// comma before it, in a fixed order. It returns how much was redacted and what there is
// to warn of; the latter is valid until the next call.
func (in *Interaction) AppendMembers(dst []byte, shown Shown) (_ []byte, redacted int, warnings []string) {
	w := &in.written
	w.dst, w.shown, w.redacted = dst, shown, 0
	w.warnings, w.partial = w.warnings[:0], w.partial[:0]
	unknown := len(in.extra) // lines that turn out not to be what their kind promises follow

	in.writeIdentity(w)
	in.writeRequest(w)
	in.writeResponse(w)
	in.writeError(w)
	in.writeUsagePlan(w)
	in.writeAuthorizer(w)
	in.writeIntegration(w)
	in.writeWebSocket(w)
	in.writeRest(w)
	for i := range in.lines {
		if in.lines[i].repeats > 0 {
			w.warn(WarnRepeatedLine)
			break
		}
	}
	in.extra = in.extra[:unknown]
	dst = w.dst
	w.dst = nil
	return dst, w.redacted, w.warnings
}

// Status is the status of the response, 0 if the lines do not tell.
func (in *Interaction) Status() int {
	switch {
	case in.has(KindCompleted):
		return in.line(KindCompleted).Status
	case in.has(KindGatewayResponse):
		return in.line(KindGatewayResponse).Status
	case in.has(KindUnauthorized):
		return statusUnauthorized
	}
	return 0
}

// Severity is that of the response, or of a failure that no response is known of;
// empty if the lines tell neither.
func (in *Interaction) Severity() string {
	const clientError, serverError = 400, 500
	switch status := in.Status(); {
	case status >= serverError:
		return "ERROR"
	case status >= clientError:
		return "WARN"
	case status > 0:
		return "INFO"
	case in.has(KindFailed, KindLambdaFunctionError, KindLambdaInvokeError):
		return "ERROR"
	case in.has(KindThrottled, KindRequestValidation):
		return "WARN"
	}
	return ""
}

// TraceID is the X-Ray trace id as it is written, 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx,
// or nil.
func (in *Interaction) TraceID() []byte {
	if line := in.line(KindXRay); line != nil {
		if id := findTraceID(line.Value); id != nil {
			return id
		}
	}
	for _, kind := range []Kind{KindRequestHeaders, KindIntegrationRequestHeaders, KindResponseHeaders} {
		line := in.line(kind)
		if line == nil {
			continue
		}
		const header = "X-Amzn-Trace-Id="
		if at := bytes.Index(line.Value, []byte(header)); at >= 0 {
			value := line.Value[at+len(header):]
			if id := findTraceID(value[:min(len(value), 200)]); id != nil {
				return id
			}
		}
	}
	return nil
}

// findTraceID finds the root among the fields of a tracing header, or an id by itself.
func findTraceID(text []byte) []byte {
	const pattern, dash = "1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx", len("1-xxxxxxxx")
	for field := range bytes.SplitSeq(text, []byte{';'}) {
		if name, value, ok := bytes.Cut(field, []byte{'='}); ok {
			if !bytes.EqualFold(trimSpace(name), []byte("root")) {
				continue
			}
			field = value
		}
		if len(field) >= len(pattern) && isTraceID(field[:len(pattern)], dash) {
			return field[:len(pattern)]
		}
	}
	return nil
}

func isTraceID(id []byte, dash int) bool {
	if id[0] != '1' || id[1] != '-' {
		return false
	}
	for i, c := range id[2:] {
		switch {
		case i+2 == dash:
			if c != '-' {
				return false
			}
		case !isDigit(c) && (c < 'a' || 'f' < c):
			return false
		}
	}
	return true
}

func (in *Interaction) writeIdentity(w *memberWriter) {
	switch {
	case in.isWebSocket():
		w.constant("aws.apigateway.api_type", "WEBSOCKET")
	case len(in.requestID) > 0:
		w.constant("aws.apigateway.api_type", "REST")
	}
	w.text("aws.request_id", in.requestID)
	if line := in.line(KindExtendedRequestID); line != nil {
		w.text("aws.apigateway.extended_request_id", line.Value)
	}
	w.scratch = append(w.scratch[:0], in.group.API...) // a conversion would allocate
	w.text("aws.apigateway.api_id", w.scratch)
	w.scratch = append(w.scratch[:0], in.group.Stage...)
	w.text("aws.apigateway.stage", w.scratch)
	if line := in.line(KindThrottled); line != nil {
		w.text("aws.apigateway.resource_id", line.Resource)
	}
}

func (in *Interaction) writeRequest(w *memberWriter) {
	notRequired, throttled := in.line(KindAPIKeyNotRequired), in.line(KindThrottled)
	body := in.line(KindIntegrationRequestBody)
	w.proxy.read(nil)
	// Any other endpoint may get the client's own body, which can be made to look alike.
	if uri := in.line(KindIntegrationURI); body != nil && (uri == nil || isLambda(uri.Value)) {
		w.proxy.read(body.Value)
	}
	switch line := in.line(KindHTTPMethod); {
	case line != nil:
		w.text("http.request.method", line.Method)
		w.text("url.path", line.Path)
		in.markPartial(w, "url.path", line)
	case notRequired != nil:
		w.text("http.request.method", notRequired.Method)
	case throttled != nil:
		w.text("http.request.method", throttled.Method)
	}
	switch {
	case len(w.proxy.resource) > 0:
		w.text("http.route", w.proxy.resource)
	case notRequired != nil:
		w.text("http.route", notRequired.Path)
	case in.has(KindWebSocketRoute):
		w.text("http.route", in.line(KindWebSocketRoute).Value)
	}

	if line := in.line(KindRequestHeaders); line != nil && !isNoMap(line.Value) {
		if w.headers.parse(line.Value, HeaderMap, line.Truncated) {
			in.writeRequestHeaders(w, w.proxy.refine(&w.headers))
		} else {
			in.extra = append(in.extra, line)
		}
	}
	w.body("http.request.body", in.line(KindRequestBody))
	in.writeMap(w, "aws.apigateway.request.path_parameter.", in.line(KindRequestPath), ParameterMap)
	in.writeMap(w, "aws.apigateway.request.query.", in.line(KindRequestQuery), ParameterMap)
}

// writeMap writes the map of a line, or keeps a line that has none.
func (in *Interaction) writeMap(w *memberWriter, prefix string, line *Line, kind MapKind) {
	if !w.maps(prefix, line, kind) {
		in.extra = append(in.extra, line)
	}
}

// writeRequestHeaders writes the headers and what is known by them. A value that was
// cut off is not good for anything else.
func (in *Interaction) writeRequestHeaders(w *memberWriter, headers *Map) {
	whole := func(name string) []byte {
		for i := range headers.Entries {
			if string(headers.Entries[i].Name) == name && !headers.isLastPartial(i) {
				return headers.Entries[i].Values[0]
			}
		}
		return nil
	}
	w.named("url.scheme", "x-forwarded-proto", whole("x-forwarded-proto"))
	w.named("server.address", "host", whole("host"))
	if !in.has(KindWebSocketConnect) {
		// A client can send the header with any address before API Gateway adds its own.
		client, _, _ := bytes.Cut(whole("x-forwarded-for"), []byte{','})
		if client = trimSpace(client); len(client) > 0 {
			w.named("client.address", "x-forwarded-for", client)
			w.constant("aws.apigateway.client_address.source", "x-forwarded-for")
		}
		w.named("user_agent.original", "user-agent", whole("user-agent"))
	}
	if size, rest, ok := cutInt(whole("content-length")); ok && len(rest) == 0 {
		w.number("http.request.body.size", size)
	}
	w.entries("http.request.header.", headers, HeaderMap)
}

func (in *Interaction) writeResponse(w *memberWriter) {
	w.status("http.response.status_code", in.Status())
	if !in.has(KindCompleted, KindGatewayResponse) && in.has(KindUnauthorized) {
		w.warn(WarnStatusInferred)
	}
	in.writeMap(w, "http.response.header.", in.either(KindResponseHeaders, KindGatewayResponseHeaders), HeaderMap)
	w.body("http.response.body", in.either(KindResponseBody, KindGatewayResponseBody))
}

// either is the line of the method's response, or else that of the gateway's own,
// which is there in its place.
func (in *Interaction) either(method, gateway Kind) *Line {
	line, other := in.line(method), in.line(gateway)
	if line == nil {
		return other
	}
	if other != nil {
		in.extra = append(in.extra, other)
	}
	return line
}

// writeError writes what the request failed of. The gateway response says best what
// the client got.
func (in *Interaction) writeError(w *memberWriter) {
	failed := in.line(KindFailed)
	switch {
	case in.has(KindGatewayResponse):
		w.text("error.type", in.line(KindGatewayResponse).Value)
	case in.has(KindThrottled):
		w.constant("error.type", "throttled")
	case in.has(KindUnauthorized):
		w.constant("error.type", "unauthorized")
	case in.has(KindLambdaFunctionError):
		w.constant("error.type", "lambda_function_error")
	case in.has(KindLambdaInvokeError):
		w.constant("error.type", "lambda_invocation_error")
	case failed != nil && len(failed.Reason) > 0:
		w.text("error.type", bytes.ReplaceAll(failed.Reason, []byte{' '}, []byte{'_'}))
	case failed != nil:
		w.constant("error.type", "execution_failed")
	case in.has(KindRequestValidation):
		w.constant("error.type", "request_validation")
	}
	in.writeMessage(w, "aws.apigateway.error.message", failed, in.line(KindThrottled))
	if line := in.line(KindRequestValidation); line != nil {
		w.text("aws.apigateway.error.validation", line.Value)
		in.markPartial(w, "aws.apigateway.error.validation", line)
	}
}

// writeMessage writes the message of the first of the lines that is there and has one:
// its value or else its text.
func (in *Interaction) writeMessage(w *memberWriter, key string, lines ...*Line) {
	for i, line := range lines {
		if line == nil {
			continue
		}
		message := line.Value
		if line.Kind == KindThrottled || len(message) == 0 {
			message = line.Text
		}
		w.text(key, message)
		in.markPartial(w, key, line)
		for _, other := range lines[i+1:] {
			if other != nil {
				in.extra = append(in.extra, other)
			}
		}
		return
	}
}

// markPartial notes that the value of a member is not whole.
func (in *Interaction) markPartial(w *memberWriter, key string, line *Line) {
	if line.Truncated {
		w.partial = append(w.partial, key)
	}
}

func (in *Interaction) writeUsagePlan(w *memberWriter) {
	if line := in.line(KindThrottled); line != nil {
		w.text("aws.apigateway.usage_plan.limit_exceeded", line.Value)
	}
	switch {
	case in.has(KindAPIKeyNotRequired):
		w.boolean("aws.apigateway.usage_plan.api_key_required", false)
	case in.has(KindUsagePlanOK):
		w.boolean("aws.apigateway.usage_plan.api_key_required", true)
	}
	if in.has(KindUsagePlanOK) {
		w.boolean("aws.apigateway.usage_plan.ok", true)
	}
	if key := in.apiKey(); len(key) > 0 {
		w.named("aws.apigateway.usage_plan.api_key", "x-api-key", key)
	}
	if line := in.line(KindAPIKeyID); line != nil {
		w.text("aws.apigateway.identity.api_key_id", line.Value)
	}
}

// apiKey is the API key with all but its end masked.
func (in *Interaction) apiKey() []byte {
	if line := in.line(KindAPIKey); line != nil && len(line.Value) > 0 {
		return line.Value
	}
	for _, kind := range []Kind{KindUsagePlanVerify, KindUsagePlanOK, KindAPIKeyNotRequired} {
		if line := in.line(kind); line != nil && len(line.APIKey) > 0 {
			return line.APIKey
		}
	}
	return nil
}

func (in *Interaction) writeAuthorizer(w *memberWriter) {
	if line := in.line(KindAuthorizerStart); line != nil {
		w.text("aws.apigateway.authorizer.id", line.Value)
	}
	if line := in.line(KindAuthorizerIdentity); line != nil {
		w.named("aws.apigateway.authorizer.identity", "authorization", line.Value)
		in.markPartial(w, "aws.apigateway.authorizer.identity", line)
	}
	if line := in.line(KindAuthorizerPolicy); line != nil {
		w.text("aws.apigateway.authorizer.principal", line.Value)
	}
	if in.has(KindAuthorizerDone) {
		w.boolean("aws.apigateway.authorizer.completed", true)
	}
	w.body("aws.apigateway.authorizer.result", in.line(KindAuthorizerResult))
	in.writeEndpoint(w, authorizer, &authorizerKeys)
}

func (in *Interaction) writeIntegration(w *memberWriter) {
	in.writeEndpoint(w, execution, &integrationKeys)
}

func (in *Interaction) writeWebSocket(w *memberWriter) {
	if line := in.line(KindWebSocketConnect); line != nil {
		w.text("client.address", line.Address)
		w.text("network.peer.address", line.Address)
		w.named("user_agent.original", "user-agent", line.UserAgent)
		w.constant("aws.apigateway.websocket.event_type", "CONNECT")
	}
	if line := in.line(KindWebSocketRoute); line != nil {
		w.text("aws.apigateway.route_key", line.Value)
	}
	if line := in.line(KindWebSocketMessage); line != nil {
		w.text("aws.apigateway.websocket.connection_id", line.Value)
		w.text("session.id", line.Value)
		if !in.has(KindWebSocketConnect) {
			w.constant("aws.apigateway.websocket.event_type", "MESSAGE")
		}
		w.text("aws.apigateway.websocket.message", trimSpace(line.Detail))
	}
}

// writeRest writes the lines that nothing else was made from.
func (in *Interaction) writeRest(w *memberWriter) {
	if len(in.extra) > 0 {
		w.key("aws.apigateway.execution.lines")
		separator := byte('[')
		for _, line := range in.extra {
			w.dst = append(w.dst, separator)
			w.rest(line)
			separator = ','
		}
		w.dst = append(w.dst, ']')
		for _, line := range in.extra {
			if line.Truncated {
				w.partial = append(w.partial, "aws.apigateway.execution.lines")
				break
			}
		}
	}
	w.strings("aws.apigateway.partial", w.partial)
}
