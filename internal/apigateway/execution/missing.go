package execution

// findMissing finds the kinds of lines that the interaction should have, judging by
// those that it has. It expects what API Gateway writes at the log level that the
// lines show, up to where the request got, and errs on the side of too little:
// response bodies are never expected, because a response that is streamed has none.
// Of a failed request there may be no more than the failure.
func (in *Interaction) findMissing() {
	in.missing = in.missing[:0]
	want := func(expected bool, of ...Kind) {
		for _, kind := range of {
			if expected && in.slots[execution][kind] == nil {
				in.missing = append(in.missing, kind)
			}
		}
	}

	reached := levelAny
	failed := false
	for part := range in.slots {
		for kind, line := range in.slots[part] {
			if line == nil {
				continue
			}
			reached = max(reached, kinds[kind].level)
			failed = failed || phase(part) == execution && Kind(kind).isFailure()
		}
	}
	info, trace := reached >= levelInfo, reached >= levelTrace

	// What the request got to.
	integration := in.hasEndpoint(execution)
	began := in.has(KindStart, KindHTTPMethod, KindAPIKeyID, KindRequestPath, KindRequestQuery, KindRequestHeaders,
		KindRequestBody, KindSuccess, KindResponseHeaders, KindResponseBody) || integration
	authorized := in.has(KindAuthorizerIdentity, KindAuthorizerResult, KindAuthorizerPolicy, KindAuthorizerDone) ||
		in.hasEndpoint(authorizer)
	ended := in.has(KindCompleted, KindGatewayResponse, KindUnauthorized)
	webSocket := in.isWebSocket()

	want((info || !failed) && !webSocket, KindExtendedRequestID)
	want(authorized, KindAuthorizerStart)
	want(began && in.has(KindAuthorizerResult, KindAuthorizerPolicy), KindAuthorizerDone)
	want(began && info && !webSocket, KindStart, KindHTTPMethod)
	want(began && trace && !webSocket, KindRequestPath, KindRequestQuery, KindRequestHeaders, KindRequestBody)
	want(trace && (in.has(KindIntegrationSending) || integration && !failed), KindIntegrationURI, KindIntegrationRequestHeaders, KindIntegrationRequestBody)
	want(integration && !failed, KindIntegrationSending)
	want(integration && !failed, KindIntegrationReceived)
	want(trace && in.has(KindIntegrationReceived), KindIntegrationResponseHeaders)
	want(trace && !webSocket && in.has(KindSuccess), KindResponseHeaders)
	want(!ended, KindCompleted)
}
