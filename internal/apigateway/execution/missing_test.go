package execution

import (
	"strings"
	"testing"
)

// TestMissing shows what interactions are said to lack. Texts are short for lines of
// their kind.
func TestMissing(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"ext": "Extended Request Id: e=", "auth": "Starting authorizer: a for request: r", "identity": "Incoming identity: *",
		"result": "Authorizer result body before parsing: {}", "policy": "Using valid authorizer policy for principal: *",
		"authorized": "Successfully completed authorizer execution", "unauthorized": "Unauthorized request: r",
		"verify": "Verifying Usage Plan for request: r. API Key:  API Stage: a1/prod", "start": "Starting execution for request: r",
		"method": "HTTP Method: GET, Resource Path: /", "path": "Method request path: {}", "query": "Method request query string: {}",
		"headers": "Method request headers: {}", "body": "Method request body before transformations: ",
		"invalid": "Request body does not match model schema for content type a/b: []", "throttled": "Key throttle limit exceeded for x",
		"uri": "Endpoint request URI: u", "iheaders": "Endpoint request headers: {}", "ibody": "Endpoint request body after transformations: ",
		"sending": "Sending request to u", "received": "Received response. Status: 200, Integration latency: 1 ms",
		"rheaders": "Endpoint response headers: {}", "rbody": "Endpoint response body before transformations: ",
		"oheaders": "Method response headers: {}", "obody": "Method response body after transformations: ",
		"lambda": "Lambda execution failed with status 200 due to customer function error: x", "failed": "Execution failed due to a timeout error",
		"success": "Successfully completed execution", "gateway": "Gateway response type: X with status code: 500",
		"completed": "Method completed with status: 200", "xray": "X-ray Tracing ID : x", "route": "WebSocket Request Route: [r]",
	}
	const (
		infoRequest  = "ext verify start method "
		traceRequest = infoRequest + "path query headers body "
		traceCall    = "uri iheaders ibody sending "
	)
	for lines, want := range map[string]string{
		// Errors only.
		"ext failed completed": "",
		"lambda completed":     "",
		"lambda":               "completed",
		"ext":                  "completed",
		"xray":                 "extended_request_id completed",
		"completed":            "extended_request_id",
		"completed xray":       "extended_request_id",
		// Information.
		infoRequest + "sending received success completed xray": "",
		infoRequest + "success completed":                       "",
		infoRequest + "sending failed completed":                "",
		infoRequest + "sending received lambda completed":       "",
		infoRequest + "failed gateway":                          "",
		infoRequest + "sending received":                        "completed",
		infoRequest + "sending":                                 "int_received completed",
		infoRequest + "received success completed":              "int_sending",
		infoRequest:                             "completed",
		"received success completed":            "extended_request_id start http_method int_sending",
		"ext verify throttled completed":        "",
		"ext verify completed":                  "",
		"verify completed":                      "extended_request_id",
		"ext auth unauthorized":                 "",
		"ext auth":                              "completed",
		"ext auth identity policy authorized":   "completed",
		"ext auth identity policy start method": "authorizer_done completed",
		"policy authorized verify start method sending received success completed": "extended_request_id authorizer_start",
		// With data.
		traceRequest + traceCall + "received rheaders rbody obody oheaders success completed": "",
		traceRequest + traceCall + "received rheaders oheaders success completed":             "",
		traceRequest + traceCall + "received lambda completed":                                "int_resp_headers",
		traceRequest + "failed completed":                                                     "",
		traceRequest + "invalid completed":                                                    "",
		traceRequest + "obody oheaders success completed":                                     "",
		traceRequest + traceCall:                                                              "int_received completed",
		traceRequest + "sending failed completed":                                             "int_uri int_req_headers int_req_body",
		"received rheaders rbody obody oheaders success completed":                            "extended_request_id start http_method req_path req_query req_headers req_body int_uri int_req_headers int_req_body int_sending",
		"ext auth identity " + traceCall + "received rheaders rbody result policy authorized " + strings.TrimPrefix(traceRequest, "ext ") + "success completed": "resp_headers",
		"ext auth identity " + traceCall + "received rheaders rbody result unauthorized":                                                                        "",
	} {
		t.Run(lines, func(t *testing.T) {
			t.Parallel()
			var all []added
			for i, name := range strings.Fields(lines) {
				if texts[name] == "" {
					t.Fatalf("no text for %s", name)
				}
				all = append(all, added{i + 1, 1, texts[name]})
			}
			got, _ := assemble(t, lots, all...)
			if len(got.folded) != 1 {
				t.Fatalf("%d interactions", len(got.folded))
			}
			var missing []string
			for _, kind := range got.folded[0].missing {
				missing = append(missing, kind.String())
			}
			if got := strings.Join(missing, " "); got != want {
				t.Errorf("missing %q, want %q", got, want)
			}
		})
	}
}

// A request of a WebSocket API has an extended id and fewer lines.
func TestMissingOfWebSocket(t *testing.T) {
	t.Parallel()
	c := &collector{tb: t}
	a := NewAssembler(lots, lots, c.take)
	for i, text := range []string{
		"WebSocket Request Route: [say]", "Sending request to u", "Received response. Status: 200, Integration latency: 1 ms",
		"Successfully completed execution", "Method completed with status: 200",
	} {
		source := added{id: i + 1}.source()
		if _, err := a.Add(testGroup, source, []byte("(vrieGTeSafmDWzC=) "+text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(c.folded) != 1 || len(c.folded[0].missing) > 0 {
		t.Errorf("%+v", c.folded)
	}
}
