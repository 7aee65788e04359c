package execution

// Kind is what a line says.
type Kind uint8

// The kinds of lines, in the order in which API Gateway writes them.
const (
	// KindOther is a line of none of the other kinds.
	KindOther Kind = iota
	KindExtendedRequestID
	KindWebSocketConnect
	KindWebSocketMessage
	KindWebSocketRoute
	KindAuthorizerStart
	KindAuthorizerIdentity
	KindAuthorizerResult
	KindAuthorizerPolicy
	KindAuthorizerDone
	KindUnauthorized
	KindUsagePlanVerify
	KindAPIKeyNotRequired
	KindUsagePlanOK
	KindThrottled
	KindStart
	KindHTTPMethod
	KindAPIKey
	KindAPIKeyID
	KindRequestPath
	KindRequestQuery
	KindRequestHeaders
	KindRequestBody
	KindRequestValidation
	KindIntegrationURI
	KindIntegrationRequestHeaders
	KindIntegrationRequestBody
	KindIntegrationSending
	KindIntegrationReceived
	KindIntegrationResponseHeaders
	KindIntegrationResponseBody
	KindResponseBody
	KindResponseHeaders
	KindLambdaFunctionError
	KindLambdaInvokeError
	KindFailed
	KindSuccess
	KindGatewayResponse
	KindGatewayResponseBody
	KindGatewayResponseHeaders
	KindCompleted
	KindIntegrationRequestID
	KindXRay

	kindCount
)

// level is the log level from which on API Gateway writes lines of a kind.
type level uint8

const (
	levelAny   level = iota // with every level, or not known
	levelInfo               // errors and information
	levelTrace              // information with data trace
)

// kinds describes each kind.
var kinds = [kindCount]struct {
	name  string
	level level
}{
	KindOther:                      {"other", levelAny},
	KindExtendedRequestID:          {"extended_request_id", levelAny},
	KindWebSocketConnect:           {"ws_connect", levelInfo},
	KindWebSocketMessage:           {"ws_message", levelInfo},
	KindWebSocketRoute:             {"ws_route", levelInfo},
	KindAuthorizerStart:            {"authorizer_start", levelInfo},
	KindAuthorizerIdentity:         {"authorizer_identity", levelInfo},
	KindAuthorizerResult:           {"authorizer_result", levelTrace},
	KindAuthorizerPolicy:           {"authorizer_policy", levelInfo},
	KindAuthorizerDone:             {"authorizer_done", levelInfo},
	KindUnauthorized:               {"authorizer_unauthorized", levelAny},
	KindUsagePlanVerify:            {"usage_plan_verify", levelInfo},
	KindAPIKeyNotRequired:          {"api_key_not_required", levelInfo},
	KindUsagePlanOK:                {"usage_plan_ok", levelInfo},
	KindThrottled:                  {"throttled", levelAny},
	KindStart:                      {"start", levelInfo},
	KindHTTPMethod:                 {"http_method", levelInfo},
	KindAPIKey:                     {"api_key", levelInfo},
	KindAPIKeyID:                   {"api_key_id", levelInfo},
	KindRequestPath:                {"req_path", levelTrace},
	KindRequestQuery:               {"req_query", levelTrace},
	KindRequestHeaders:             {"req_headers", levelTrace},
	KindRequestBody:                {"req_body", levelTrace},
	KindRequestValidation:          {"req_validation", levelAny},
	KindIntegrationURI:             {"int_uri", levelTrace},
	KindIntegrationRequestHeaders:  {"int_req_headers", levelTrace},
	KindIntegrationRequestBody:     {"int_req_body", levelTrace},
	KindIntegrationSending:         {"int_sending", levelInfo},
	KindIntegrationReceived:        {"int_received", levelInfo},
	KindIntegrationResponseHeaders: {"int_resp_headers", levelTrace},
	KindIntegrationResponseBody:    {"int_resp_body", levelTrace},
	KindResponseBody:               {"resp_body", levelTrace},
	KindResponseHeaders:            {"resp_headers", levelTrace},
	KindLambdaFunctionError:        {"lambda_func_error", levelAny},
	KindLambdaInvokeError:          {"lambda_invoke_error", levelAny},
	KindFailed:                     {"failed", levelAny},
	KindSuccess:                    {"success", levelInfo},
	KindGatewayResponse:            {"gateway_response", levelAny},
	KindGatewayResponseBody:        {"gateway_response_body", levelTrace},
	KindGatewayResponseHeaders:     {"gateway_response_headers", levelTrace},
	KindCompleted:                  {"completed", levelAny},
	KindIntegrationRequestID:       {"int_request_id", levelAny},
	KindXRay:                       {"xray", levelAny},
}

// String is the name of the kind in events.
func (k Kind) String() string { return kinds[k].name }

// Kinds lists the names of all kinds.
func Kinds() []string {
	names := make([]string, 0, kindCount)
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// ends tells that a request has ended with a line of the kind, but for trailing
// lines.
func (k Kind) ends() bool {
	return k == KindCompleted || k == KindGatewayResponse || k == KindUnauthorized
}

// trails tells that lines of the kind are written after the end of a request.
func (k Kind) trails() bool {
	switch k {
	case KindIntegrationRequestID, KindXRay, KindGatewayResponseBody, KindGatewayResponseHeaders, KindOther:
		return true
	}
	return false
}

// isEndpoint tells that the authorizer and the integration have lines of the kind
// with the same label.
func (k Kind) isEndpoint() bool {
	switch k {
	case KindIntegrationURI, KindIntegrationRequestHeaders, KindIntegrationRequestBody, KindIntegrationSending,
		KindIntegrationReceived, KindIntegrationResponseHeaders, KindIntegrationResponseBody,
		KindLambdaFunctionError, KindLambdaInvokeError:
		return true
	}
	return false
}

// isBody tells that a line of the kind holds a body, or what an authorizer answers.
func (k Kind) isBody() bool {
	switch k {
	case KindRequestBody, KindResponseBody, KindGatewayResponseBody,
		KindIntegrationRequestBody, KindIntegrationResponseBody, KindAuthorizerResult:
		return true
	}
	return false
}

// isFailure tells that the request was not carried to its end.
func (k Kind) isFailure() bool {
	switch k {
	case KindThrottled, KindRequestValidation, KindLambdaFunctionError, KindLambdaInvokeError, KindFailed,
		KindGatewayResponse, KindUnauthorized:
		return true
	}
	return false
}
