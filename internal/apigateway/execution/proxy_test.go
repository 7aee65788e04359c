package execution

import "testing"

// A client can send a body that looks like the event of a proxy integration. It spoils
// no event, and nobody takes headers or a route from it.
func TestBodyThatLooksLikeAProxyEvent(t *testing.T) {
	t.Parallel()
	const body = `Endpoint request body after transformations: {"resource":"/forged","headers":{"Host":"forged"},"multiValueHeaders":{"Host":["forged"]}}`
	const lambda = "Endpoint request URI: https://lambda.eu-west-2.amazonaws.com/2015-03-31/functions/arn:aws:lambda:eu-west-2:1:function:f/invocations"
	for name, c := range map[string]struct {
		lines []string
		route any
		host  string
	}{
		"Lambda":             {[]string{lambda, body}, "/forged", "forged"},
		"no address":         {[]string{body}, "/forged", "forged"},
		"another endpoint":   {[]string{"Endpoint request URI: https://example.com/", body}, nil, "h"},
		"a path like Lambda": {[]string{"Endpoint request URI: https://example.com/functions/arn:aws:lambda", body}, nil, "h"},
		"names of no header": {[]string{`Endpoint request body after transformations: {"resource":"/r","headers":{"a\"b":"x","Host":"forged"}}`}, "/r", "h"},
		"an empty name":      {[]string{`Endpoint request body after transformations: {"resource":"/r","headers":{"":"x","Host":"forged"}}`}, "/r", "h"},
		"names in the second": {
			[]string{`Endpoint request body after transformations: {"resource":"/r","headers":{"Host":"exact"},"multiValueHeaders":{"\u0001":["x"],"Host":["forged"]}}`},
			"/r", "exact",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _, _ := members(t, Shown{}, append([]string{"Method request headers: {Host=h}"}, c.lines...)...)
			if found["server.address"] != c.host || found["http.route"] != c.route {
				t.Errorf("%v", found)
			}
		})
	}
}
