package apigateway

// conversion is how the value of a $context variable becomes that of an
// attribute. A value that cannot be converted is kept under its own name.
type conversion uint8

const (
	asText              conversion = iota
	asNumber                       // JSON number, quoted or not
	asStatus                       // three-digit HTTP status code
	asBool                         // true or false, quoted or not
	asTime                         // 27/Feb/2019:11:31:00 +0000; the event's time
	asEpoch                        // milliseconds or seconds since 1970; the event's time
	asInstant                      // milliseconds or seconds since 1970; RFC 3339
	asDigest                       // SHA-256, for what must not be stored in clear
	asTraceID                      // X-Ray trace id without version and dashes
	asProtocol                     // HTTP/1.1: name and version
	asAddress                      // client and peer address
	asRoute                        // route key: itself, and the route without the method
	asSession                      // connection id, which is also the session's id
	asIntegrationStatus            // number; the API's kind tells of what, see settle
)

// variable is a $context variable of API Gateway and what becomes of it.
type variable struct {
	// name is the variable's, without "$context.".
	name string
	// key is the attribute's. Variables of one key are alternatives.
	key string
	as  conversion
	// aliases are further names that access log templates give to it,
	// normalized as keys are looked up: lower case without "_" and "-".
	aliases []string
	// mark tells that the name is API Gateway's own, and an object that has
	// it more likely an access log than an application's line.
	mark bool
}

// variables is the whole list, in the order of the attributes in an event.
// Names with a dot are also known without: "wafStatus" is "waf.status".
var variables = []variable{
	{name: "requestTime", as: asTime, mark: true},
	{name: "requestTimeEpoch", as: asEpoch, mark: true},
	{name: "xrayTraceId", key: "trace_id", as: asTraceID},
	{name: "accountId", key: "cloud.account.id"},

	{name: "requestId", key: "aws.request_id"},
	{name: "extendedRequestId", key: "aws.apigateway.extended_request_id", mark: true},
	{name: "apiId", key: "aws.apigateway.api_id", mark: true},
	{name: "stage", key: "aws.apigateway.stage"},
	{name: "deploymentId", key: "aws.apigateway.deployment_id", mark: true},
	{name: "resourceId", key: "aws.apigateway.resource_id"},
	{name: "endpointType", key: "aws.apigateway.endpoint_type"},
	{name: "isCanaryRequest", key: "aws.apigateway.canary", as: asBool, mark: true},
	{name: "domainName", key: "server.address", mark: true},
	{name: "domainPrefix", key: "aws.apigateway.domain_prefix", mark: true},
	{name: "customDomain.basePathMatched", key: "aws.apigateway.custom_domain.base_path"},
	{name: "customDomain.routingRuleIdMatched", key: "aws.apigateway.custom_domain.routing_rule_id"},

	{name: "httpMethod", key: "http.request.method", aliases: []string{"method"}},
	{name: "path", key: "url.path"},
	{name: "resourcePath", key: "http.route", mark: true},
	{name: "routeKey", key: "aws.apigateway.route_key", as: asRoute, mark: true},
	{name: "protocol", key: "network.protocol.name", as: asProtocol},
	{name: "status", key: "http.response.status_code", as: asStatus, aliases: []string{"responsestatus", "statuscode"}},
	{name: "responseLength", key: "http.response.body.size", as: asNumber, mark: true},
	{name: "responseLatency", key: "aws.apigateway.response_latency_ms", as: asNumber, mark: true},
	{name: "dataProcessed", key: "aws.apigateway.data_processed", as: asNumber},
	{name: "tlsVersion", key: "tls.protocol.version"},
	{name: "cipherSuite", key: "tls.cipher"},

	{name: "error.responseType", key: "error.type"},
	{name: "error.message", key: "aws.apigateway.error.message"},
	{name: "error.messageString", key: "aws.apigateway.error.message"},
	{name: "error.validationErrorString", key: "aws.apigateway.error.validation"},

	{name: "identity.sourceIp", key: "client.address", as: asAddress, aliases: []string{"ip", "sourceip", "clientip"}},
	{name: "identity.userAgent", key: "user_agent.original", aliases: []string{"useragent"}},
	{name: "identity.caller", key: "aws.apigateway.identity.caller", aliases: []string{"caller"}},
	{name: "identity.user", key: "aws.apigateway.identity.user", aliases: []string{"user"}},
	{name: "identity.userArn", key: "aws.apigateway.identity.user_arn", aliases: []string{"userarn"}},
	{name: "identity.accountId", key: "aws.apigateway.identity.account_id"},
	{name: "identity.principalOrgId", key: "aws.apigateway.identity.principal_org_id", aliases: []string{"principalorgid"}},
	{name: "identity.apiKey", key: "aws.apigateway.identity.api_key_sha256", as: asDigest, aliases: []string{"apikey", "xapikey"}},
	{name: "identity.apiKeyId", key: "aws.apigateway.identity.api_key_id", aliases: []string{"apikeyid"}},
	{name: "identity.cognitoAuthenticationProvider", key: "aws.apigateway.identity.cognito.authentication_provider",
		aliases: []string{"cognitoauthenticationprovider"}},
	{name: "identity.cognitoAuthenticationType", key: "aws.apigateway.identity.cognito.authentication_type",
		aliases: []string{"cognitoauthenticationtype"}},
	{name: "identity.cognitoIdentityId", key: "aws.apigateway.identity.cognito.identity_id", aliases: []string{"cognitoidentityid"}},
	{name: "identity.cognitoIdentityPoolId", key: "aws.apigateway.identity.cognito.identity_pool_id",
		aliases: []string{"cognitoidentitypoolid"}},
	{name: "identity.vpcId", key: "aws.apigateway.identity.vpc_id", aliases: []string{"vpcid"}},
	{name: "identity.vpceId", key: "aws.apigateway.identity.vpce_id", aliases: []string{"vpceid"}},
	{name: "identity.clientCert.clientCertPem", key: "tls.client.certificate", aliases: []string{"clientcert.clientcertpem", "clientcertpem"}},
	{name: "identity.clientCert.subjectDN", key: "tls.client.subject", aliases: []string{"clientcert.subjectdn", "subjectdn"}},
	{name: "identity.clientCert.issuerDN", key: "tls.client.issuer", aliases: []string{"clientcert.issuerdn", "issuerdn"}},
	{name: "identity.clientCert.serialNumber", key: "aws.apigateway.identity.client_cert.serial",
		aliases: []string{"clientcert.serialnumber", "serialnumber"}},
	{name: "identity.clientCert.validity.notBefore", key: "tls.client.not_before", aliases: []string{"clientcert.validity.notbefore"}},
	{name: "identity.clientCert.validity.notAfter", key: "tls.client.not_after", aliases: []string{"clientcert.validity.notafter"}},

	{name: "authorizer.principalId", key: "user.id", aliases: []string{"principalid"}},
	{name: "authorizer.claims.sub", key: "user.id"},
	{name: "authorizer.error", key: "aws.apigateway.authorizer.error"},
	{name: "authorizer.status", key: "aws.apigateway.authorizer.status", as: asNumber},
	{name: "authorizer.latency", key: "aws.apigateway.authorizer.latency_ms", as: asNumber},
	{name: "authorizer.integrationStatus", key: "aws.apigateway.authorizer.integration_status", as: asNumber},
	{name: "authorizer.integrationLatency", key: "aws.apigateway.authorizer.integration_latency_ms", as: asNumber},
	{name: "authorizer.requestId", key: "aws.apigateway.authorizer.request_id"},
	{name: "authorize.error", key: "aws.apigateway.authorize.error"},
	{name: "authorize.status", key: "aws.apigateway.authorize.status", as: asNumber},
	{name: "authorize.latency", key: "aws.apigateway.authorize.latency_ms", as: asNumber},
	{name: "authenticate.error", key: "aws.apigateway.authenticate.error"},
	{name: "authenticate.status", key: "aws.apigateway.authenticate.status", as: asNumber},
	{name: "authenticate.latency", key: "aws.apigateway.authenticate.latency_ms", as: asNumber},

	{name: "integration.requestId", key: "aws.apigateway.integration.request_id"},
	{name: "awsEndpointRequestId", key: "aws.apigateway.integration.request_id", mark: true},
	{name: "awsEndpointRequestId2", key: "aws.apigateway.integration.request_id2", mark: true},
	// The status that the function's code returned.
	{name: "integration.status", key: "aws.apigateway.integration.status", as: asNumber},
	// The status of the service that was called, such as Lambda itself.
	{name: "integration.integrationStatus", key: "aws.apigateway.integration.service_status", as: asNumber},
	// One of the two: that of the service for a REST API, else the function's.
	{name: "integrationStatus", key: "aws.apigateway.integration.service_status", as: asIntegrationStatus, mark: true},
	{name: "integration.latency", key: "aws.apigateway.integration.latency_ms", as: asNumber},
	{name: "integration.error", key: "aws.apigateway.integration.error", aliases: []string{"integrationerrormessage"}},
	{name: "integration.responseTransferMode", key: "aws.apigateway.integration.response_transfer_mode"},
	{name: "integration.timeToAllHeaders", key: "aws.apigateway.integration.time_to_all_headers_ms", as: asNumber},
	{name: "integration.timeToFirstContent", key: "aws.apigateway.integration.time_to_first_content_ms", as: asNumber},

	{name: "waf.error", key: "aws.apigateway.waf.error"},
	{name: "waf.status", key: "aws.apigateway.waf.status", as: asNumber},
	{name: "waf.latency", key: "aws.apigateway.waf.latency_ms", as: asNumber},
	{name: "wafResponseCode", key: "aws.apigateway.waf.response_code", mark: true},
	{name: "webaclArn", key: "aws.apigateway.waf.web_acl_arn", mark: true},

	{name: "connectionId", key: "aws.apigateway.websocket.connection_id", as: asSession, mark: true},
	{name: "eventType", key: "aws.apigateway.websocket.event_type"},
	{name: "messageId", key: "aws.apigateway.websocket.message_id"},
	{name: "connectedAt", key: "aws.apigateway.websocket.connected_at", as: asInstant},
}
