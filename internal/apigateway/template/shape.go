package template

// absent is what API Gateway writes for a variable that has no value.
const absent = "-"

// shape is what the values of a variable look like, as far as that helps to
// find their end.
type shape uint8

const (
	// anything can hold whatever stands behind it, too.
	anything shape = iota
	// unbroken has no blanks.
	unbroken
	// word is an identifier: no blanks, commas, quotes or brackets.
	word
	// number is a number, of milliseconds, bytes or the like.
	number
	// status has three digits.
	status
	// clock is a time as in 27/Feb/2019:11:31:00 +0000.
	clock
)

// elastic tells that the text behind a value can also occur in it.
func (s shape) elastic() bool { return s == anything || s == unbroken }

// fits tells whether a value looks like that, or is absent.
func (s shape) fits(value []byte) bool {
	if string(value) == absent {
		return true
	}
	switch s {
	case unbroken:
		return all(value, func(c byte) bool { return c > ' ' })
	case word:
		return len(value) > 0 && all(value, isWordByte)
	case number:
		return len(value) > 0 && all(value, isNumberByte)
	case status:
		return len(value) == 3 && all(value, isDigit)
	case clock:
		return isClock(value)
	}
	return true
}

func all(value []byte, is func(byte) bool) bool {
	for _, c := range value {
		if !is(c) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNumberByte(c byte) bool {
	return isDigit(c) || c == '.' || c == '-' || c == '+' || c|0x20 == 'e'
}

func isWordByte(c byte) bool {
	switch c {
	case '"', '\'', ',', ';', '<', '>', '(', ')', '[', ']', '{', '}', '\\', 0x7f:
		return false
	}
	return c > ' ' && c < 0x80
}

const clockForm = "00/Aaa/0000:00:00:00 +0000"

func isClock(value []byte) bool {
	if len(value) != len(clockForm) {
		return false
	}
	for i, c := range value {
		switch want := clockForm[i]; want {
		case '0':
			if !isDigit(c) {
				return false
			}
		case 'A', 'a':
			if c|0x20 < 'a' || c|0x20 > 'z' {
				return false
			}
		case '+':
			if c != '+' && c != '-' {
				return false
			}
		default:
			if c != want {
				return false
			}
		}
	}
	return true
}

// shapes has every variable that API Gateway documents for access logs.
var shapes = map[string]shape{
	"accountId":                              word,
	"apiId":                                  word,
	"authenticate.error":                     anything,
	"authenticate.latency":                   number,
	"authenticate.status":                    number,
	"authorize.error":                        anything,
	"authorize.latency":                      number,
	"authorize.status":                       number,
	"authorizer.claims.sub":                  anything,
	"authorizer.error":                       anything,
	"authorizer.integrationLatency":          number,
	"authorizer.integrationStatus":           number,
	"authorizer.latency":                     number,
	"authorizer.principalId":                 anything,
	"authorizer.requestId":                   word,
	"authorizer.status":                      number,
	"awsEndpointRequestId":                   word,
	"awsEndpointRequestId2":                  unbroken,
	"cipherSuite":                            word,
	"connectedAt":                            number,
	"connectionId":                           word,
	"customDomain.basePathMatched":           unbroken,
	"customDomain.routingRuleIdMatched":      unbroken,
	"dataProcessed":                          number,
	"deploymentId":                           word,
	"domainName":                             word,
	"domainPrefix":                           word,
	"endpointType":                           word,
	"error.message":                          anything,
	"error.messageString":                    anything,
	"error.responseType":                     word,
	"error.validationErrorString":            anything,
	"eventType":                              word,
	"extendedRequestId":                      word,
	"httpMethod":                             word,
	"identity.accountId":                     word,
	"identity.apiKey":                        unbroken,
	"identity.apiKeyId":                      word,
	"identity.caller":                        unbroken,
	"identity.clientCert.clientCertPem":      anything,
	"identity.clientCert.issuerDN":           anything,
	"identity.clientCert.serialNumber":       word,
	"identity.clientCert.subjectDN":          anything,
	"identity.clientCert.validity.notAfter":  anything,
	"identity.clientCert.validity.notBefore": anything,
	"identity.cognitoAuthenticationProvider": unbroken,
	"identity.cognitoAuthenticationType":     unbroken,
	"identity.cognitoIdentityId":             word,
	"identity.cognitoIdentityPoolId":         word,
	"identity.principalOrgId":                word,
	"identity.sourceIp":                      word,
	"identity.user":                          unbroken,
	"identity.userAgent":                     anything,
	"identity.userArn":                       unbroken,
	"identity.vpcId":                         word,
	"identity.vpceId":                        word,
	"integration.error":                      anything,
	"integration.integrationStatus":          number,
	"integration.latency":                    number,
	"integration.requestId":                  word,
	"integration.responseTransferMode":       word,
	"integration.status":                     number,
	"integration.timeToAllHeaders":           number,
	"integration.timeToFirstContent":         number,
	"integrationErrorMessage":                anything,
	"integrationLatency":                     number,
	"integrationStatus":                      number,
	"isCanaryRequest":                        word,
	"messageId":                              word,
	"path":                                   unbroken,
	"protocol":                               word,
	"requestId":                              word,
	"requestTime":                            clock,
	"requestTimeEpoch":                       number,
	"resourceId":                             word,
	"resourcePath":                           unbroken,
	"responseLatency":                        number,
	"responseLength":                         number,
	"routeKey":                               anything,
	"stage":                                  word,
	"status":                                 status,
	"tlsVersion":                             word,
	"waf.error":                              anything,
	"waf.latency":                            number,
	"waf.status":                             number,
	"wafResponseCode":                        word,
	"webaclArn":                              unbroken,
	"xrayTraceId":                            word,
}
