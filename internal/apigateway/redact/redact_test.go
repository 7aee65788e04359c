package redact

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func newRedactor(tb testing.TB, options Options) *Redactor {
	tb.Helper()
	r, err := New(options)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// redactText redacts and checks what holds for any text.
func redactText(tb testing.TB, r *Redactor, text string) (string, int) {
	tb.Helper()
	out, n := r.AppendText([]byte("before"), []byte(text))
	rest, found := bytes.CutPrefix(out, []byte("before"))
	switch {
	case !found:
		tb.Fatalf("%q: what was there before became %q", text, out)
	case n == 0 && string(rest) != text:
		tb.Fatalf("%q became %q with nothing replaced", text, rest)
	case len(rest) > 4*len(text)+64:
		tb.Fatalf("%d bytes became %d: %q", len(text), len(rest), rest)
	}
	again, m := r.AppendText(nil, rest)
	if m != 0 || !bytes.Equal(again, rest) {
		tb.Fatalf("%q became %q and, redacted again, %q", text, rest, again)
	}
	out, _ = r.RedactText(nil, []byte(text))
	if len(out) > 0 && !bytes.Equal(out, rest) {
		tb.Fatalf("%q became %q and %q", text, rest, out)
	}
	return string(rest), n
}

// redactJSON redacts and checks what holds for any JSON value.
func redactJSON(tb testing.TB, r *Redactor, raw string) (string, int) {
	tb.Helper()
	out, n := r.AppendJSON([]byte(" "), []byte(raw))
	out = out[1:]
	if !jsontext.Value(out).IsValid() {
		tb.Fatalf("%s became %s", raw, out)
	}
	if n == 0 && string(out) != raw {
		tb.Fatalf("%s became %s with nothing replaced", raw, out)
	}
	again, m := r.AppendJSON(nil, out)
	if m != 0 || !bytes.Equal(again, out) {
		tb.Fatalf("%s became %s and, redacted again, %s", raw, out, again)
	}
	return string(out), n
}

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

func TestText(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{})
	for _, test := range []struct{ text, want string }{
		// URLs and forms.
		{"GET /x?token=abc123&b=2 HTTP/1.1", "GET /x?token=[REDACTED:6]&b=2 HTTP/1.1"},
		{"/cb#access_token=abc&state=1", "/cb#access_token=[REDACTED:3]&state=1"},
		{"a=1&password=p%26q&b=2", "a=1&password=[REDACTED:5]&b=2"},
		{"to=https%3A%2F%2Fx%2F%3Faccess_token%3Dabc%26s%3D1&x=1", "to=https%3A%2F%2Fx%2F%3Faccess_token%3D[REDACTED:3]%26s%3D1&x=1"},
		{"q=%7B%22password%22%3A%22x%22%2C%22a%22%3A1%7D", "q=%7B%22password%22%3A%22[REDACTED:1]%22%2C%22a%22%3A1%7D"},
		{"user[password]=x&user[name]=y&user%5Bpassword%5D=z", "user[password]=[REDACTED:1]&user[name]=y&user%5Bpassword%5D=[REDACTED:1]"},
		{"tokens[]=a&tokens[1]=b", "tokens[]=[REDACTED:1]&tokens[1]=[REDACTED:1]"},
		{"/p;jsessionid=0123?a=b", "/p;jsessionid=[REDACTED:8]"},
		{"postgres://user:p@ss@host/db", "postgres://user:[REDACTED:4]@host/db"},
		{"?code=4/0AX4XfWh2345678901234&state=abc", "?code=[REDACTED:23]&state=abc"},
		{"?authorization=Bearer%20x&a=1", "?authorization=[REDACTED:10]&a=1"},
		{`next\u0026token\u003dabc\u0026x=1`, `next\u0026token\u003d[REDACTED:3]\u0026x=1`},

		// Header maps as API Gateway prints them.
		{"(id) Method request headers: {Accept=a, b, Authorization=****abc, Cookie=a=b; c=d, Host=x, X-Api-Key=foo}",
			"(id) Method request headers: {Accept=a, b, Authorization=[REDACTED:7], Cookie=[REDACTED:8], Host=x, X-Api-Key=[REDACTED:3]}"},
		{"{Authorization=AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20150830, SignedHeaders=host;x, Signature=abcdef, Host=y}",
			"{Authorization=[REDACTED:97], Host=y}"},
		{`{Authorization=Digest username="M", realm="a, b", response="6629"}`, `{Authorization=[REDACTED:50]}`},
		{"{Set-Cookie=sid=abc; Path=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT, other=def; HttpOnly, X-Next=foo}",
			"{Set-Cookie=[REDACTED:75], X-Next=foo}"},
		{"{X-Amz-Security-Token=IQoJb3Jp [TRUNCATED]", "{X-Amz-Security-Token=[REDACTED:8] [TRUNCATED]"},
		{"{X-Token=abc [TRUNCATED]\nnext line", "{X-Token=[REDACTED:3] [TRUNCATED]\nnext line"},
		{"{a={b, X-Token=x}y, c=d}", "{a={b, X-Token=[REDACTED:3], c=d}"},
		{"LoginRequest(user=bob, password=hunter2)", "LoginRequest(user=bob, password=[REDACTED:7])"},
		{"cookies=[a=b, c=d], x=y", "cookies=[REDACTED:10], x=y"},

		// JSON, also within strings and cut off.
		{`{"password":"hunter2","a":1}`, `{"password":"[REDACTED:7]","a":1}`},
		{`{"body":"{\"password\":\"hunter2\",\"x\":\"{\\\"pin\\\":1234}\"}"}`,
			`{"body":"{\"password\":\"[REDACTED:7]\",\"x\":\"{\\\"pin\\\":\\\"[REDACTED:4]\\\"}\"}"}`},
		{`{"pa\u0073sword":"x","url":"/?token\u003dabc\u0026b=2"}`, `{"pa\u0073sword":"[REDACTED:1]","url":"/?token=[REDACTED:3]&b=2"}`},
		{`{"headers":{"Authorization":"Bear [TRUNCATED]`, `{"headers":{"Authorization":"[REDACTED:4] [TRUNCATED]`},
		{`{"body":"{\"password\":\"hunt [TRUNCATED]`, `{"body":"{\"password\":\"[REDACTED:4] [TRUNCATED]`},
		{`{"a":1, [TRUNCATED]`, `{"a":1, [TRUNCATED]`},
		{`{"tokens":["a","b`, `{"tokens":["[REDACTED:7]"`},
		{`INFO {"secret": {"a": "}"}, "b": 1}`, `INFO {"secret": "[REDACTED:10]", "b": 1}`},
		{`INFO {\"password\":\"a\\\"b\",\"user\":\"x\"}`, `INFO {\"password\":\"[REDACTED:6]\",\"user\":\"x\"}`},
		{`INFO {\"password\":\"a\\\\\",\"user\":\"x\"}`, `INFO {\"password\":\"[REDACTED:5]\",\"user\":\"x\"}`},
		{`INFO {\"pin\":1234,\"a\":1}`, `INFO {\"pin\":\"[REDACTED:4]\",\"a\":1}`},
		{`INFO {"name":"Authorization","value":"x"}`, `INFO {"name":"Authorization","value":"[REDACTED:1]"}`},
		{`{"password":"x"}` + "\n" + `{"secret":"y"}`, `{"password":"[REDACTED:1]"}` + "\n" + `{"secret":"[REDACTED:1]"}`},
		{`{"password":"x"} failed with secret=y`, `{"password":"[REDACTED:1]"} failed with secret=[REDACTED:1]`},
		{`"{\"password\":\"x\"}"`, `"{\"password\":\"[REDACTED:1]\"}"`},

		// Headers and sentences.
		{"GET / HTTP/1.1\r\nAuthorization: Basic eDp5\r\nCookie: a=\"b\"; c\r\nHost: h", "GET / HTTP/1.1\r\nAuthorization: [REDACTED:10]\r\nCookie: [REDACTED:8]\r\nHost: h"},
		{`curl -H "Authorization: Bearer x" -H 'X-Api-Key: y' h`, `curl -H "Authorization: [REDACTED:8]" -H 'X-Api-Key: [REDACTED:1]' h`},
		{"not a valid key=value pair in Authorization header: 'opaque'.", "not a valid key=value pair in Authorization header: '[REDACTED:6]'."},
		{"login failed, password: hunter2, user: bob", "login failed, password: [REDACTED:7], user: bob"},
		{"secret: Bearer x1 sent", "secret: [REDACTED:14]"},
		{"request: 1. API Key: ******abc123 API Stage: a/Prod", "request: 1. API Key: [REDACTED:12] API Stage: a/Prod"},
		{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [REDACTED:40]"},
		{`"password"=>"x", 'secret': 'y'`, `"password"=>"[REDACTED:1]", 'secret': '[REDACTED:1]'`},

		// Forms.
		{jwt, "[REDACTED:92]"},
		{"x" + jwt + ".", "x[REDACTED:92]."},
		{"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", "token [REDACTED:29]"},
		{"eyJhbGciOiJkaXIifQ..iv.text.tag cut eyJhbGciOiJkaXIifQ", "[REDACTED:31] cut eyJhbGciOiJkaXIifQ"},
		{"with Bearer abc123.def, Basic dXNlcjpwYXNz.", "with Bearer [REDACTED:10], Basic [REDACTED:12]."},
		{"Negotiate YIIKWQYGKwYBBQUCoIIKTTCCCkk=", "Negotiate [REDACTED:28]"},
		{`used Digest username="M", nonce="n1", response="r1" and more`, `used Digest [REDACTED:39] and more`},
		{"user AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE", "user [REDACTED:20] and [REDACTED:20]"},
		{"x IQoJb3JpZ2luX2VjEJr%2F%2F%2F%2F y", "x [REDACTED:31] y"},
		{"k:\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", "k:\n[REDACTED:66]\nx"},
		{"-----BEGIN PRIVATE KEY-----\nMIIE", "[REDACTED:32]"},
		{"ghp_0123456789abcdefghij0123456789abcdef xoxb-123-456-abc", "[REDACTED:40] [REDACTED:16]"},

		// XML and multipart forms.
		{`<a:Password Type="x#PasswordText">hunter2</a:Password><token/>`, `<a:Password Type="x#PasswordText">[REDACTED:7]</a:Password><token/>`},
		{"<secret><![CDATA[<x>]]></secret>", "<secret><![CDATA[[REDACTED:3]]]></secret>"},
		{`<add key="password" value="x"/>`, `<add key="password" value="[REDACTED:1]"/>`},
		{"--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--", "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[REDACTED:7]\r\n--b--"},

		// A name in front of another, and what is none.
		{"secret: password: hunter2", "secret: [REDACTED:17]"},
		{"x token=password: hunter2 y", "x token=[REDACTED:17] y"},
		{`x "token"= "tokens":["a","b"] y`, `x "token"= "[REDACTED:17] y`},
		{"token" + jwt + "=x", "token[REDACTED:92]=[REDACTED:1]"},
		{"password=[REDACTED:7]&a=1", "password=[REDACTED:7]&a=1"},
		{`{"msg":"token=","user":"bob"} {"msg":"bad token:","user":"bob"}`, `{"msg":"token=","user":"bob"} {"msg":"bad token:","user":"bob"}`},
		{`INFO {"msg":"token=","user":"bob"}`, `INFO {"msg":"token=","user":"bob"}`},
	} {
		if got, _ := redactText(t, r, test.text); got != test.want {
			t.Errorf("%s\nbecame %s\nwant   %s", test.text, got, test.want)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{})
	for _, test := range []struct{ raw, want string }{
		{`{"token":"abc","a":[1,{"Pass-Word":"x"}]}`, `{"token":"[REDACTED:3]","a":[1,{"Pass-Word":"[REDACTED:1]"}]}`},
		{`{"multiValueHeaders":{"Authorization":["Bearer x"],"Accept":["*"]}}`, `{"multiValueHeaders":{"Authorization":["[REDACTED:12]"],"Accept":["*"]}}`},
		{`{"token":{"a":"x","n":5,"b":true,"c":null,"d":{"e":["f"]}}}`, `{"token":{"a":"[REDACTED:1]","n":"[REDACTED:1]","b":true,"c":null,"d":{"e":["[REDACTED:5]"]}}}`},
		{`{"tokens":["a"],"max_tokens":55,"total_tokens":{"in":5}}`, `{"tokens":["[REDACTED:5]"],"max_tokens":55,"total_tokens":{"in":5}}`},
		{`{"password":"","token":null,"secret":false,"cookie":"-","api_key":[],"apiKeys":[[]]}`, `{"password":"","token":null,"secret":false,"cookie":"-","api_key":[],"apiKeys":[[]]}`},
		{`{"pin":1234,"otp":"000000","cvv":12}`, `{"pin":"[REDACTED:4]","otp":"[REDACTED:6]","cvv":"[REDACTED:2]"}`},
		{`[{"name":"Cookie","value":"a=b"},{"key":"Accept","value":"x"},{"Key":"x-api-key","Values":["y"]}]`,
			`[{"name":"Cookie","value":"[REDACTED:3]"},{"key":"Accept","value":"x"},{"Key":"x-api-key","Values":["[REDACTED:5]"]}]`},
		{`{"` + jwt + `":1,"[REDACTED:92]":2,"x":{"` + jwt + `":3}}`, `{"[REDACTED:92]#2":1,"[REDACTED:92]":2,"x":{"[REDACTED:92]#3":3}}`},
		{`{"{\"password\":\"x\"}":""}`, `{"{\"password\":\"[REDACTED:1]\"}":""}`},
		{`"token=abc"`, `"token=[REDACTED:3]"`},
		{` { "token" : "é\ud83d\ude00" , "a" : 1e5 } `, ` { "token" : "[REDACTED:6]" , "a" : 1e5 } `},
		{`{"code":"1f2e3d4c-0000-4000-8000-00000000000a","error":{"code":"NOT_FOUND"},"c":{"code":404}}`,
			`{"code":"[REDACTED:36]","error":{"code":"NOT_FOUND"},"c":{"code":404}}`},
		{`{"session":{"id":"a"},"auth":"simple"}`, `{"session":{"id":"a"},"auth":"simple"}`},
		{`{"a":"b\\u0000\ud800","token_type":"Bearer"}`, `{"a":"b\\u0000\ud800","token_type":"Bearer"}`},
	} {
		out, _ := r.AppendJSON(nil, []byte(test.raw))
		if string(out) != test.want {
			t.Errorf("%s\nbecame %s\nwant   %s", test.raw, out, test.want)
		}
		if jsontext.Value(test.raw).IsValid() {
			redactJSON(t, r, test.raw)
		}
	}
	// What is no JSON does not come out.
	for _, raw := range []string{`{"a":"token=x"`, `token=x`, strings.Repeat("[", maxJSONDepth+1) + `"token=x"` + strings.Repeat("]", maxJSONDepth+1)} {
		out, n := r.AppendJSON(nil, []byte(raw))
		if !json.Valid(out) || n != 1 || placeholderAt(out[1:]) == 0 {
			t.Errorf("%.20s became %.50s", raw, out)
		}
	}
}

// What is no secret must survive.
func TestInnocent(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{})
	for _, text := range []string{
		"286364ab-3a83-11e9-8dc8-db3cf4c83204",
		"Vwc2MGFUrPEFV_g=",
		"Root=1-5c7674f4-a3491d0a9c8012c191821b83;Parent=53995c3f42cd8ad8;Sampled=1",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"Hcd55qxuXLG3Eyo00VI-2W4d-aP8JKgZ19O2-c1hIp4aqiDK77RSXw==",
		"38480917865042697265541435337210170848218320297781100544",
		"arn:aws:sts::123456789012:assumed-role/orders/i-0abc", "AROAJQABLZS4A3QDU576Q:orders", "AIDAJQABLZS4A3QDU576Q",
		"cognito-idp.eu-west-2.amazonaws.com/eu-west-2_abc,cognito-idp.eu-west-2.amazonaws.com/eu-west-2_abc:CognitoSignIn:0f1e",
		"/v1/tokens/{id}", "/v1/tokens/4711/secrets", "/oauth2/token", "/reset-password", "POST /v1/api-keys HTTP/1.1", "/auth/session?next=/a",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"The incoming token has expired", "Invalid token: signature has expired", "tokenize the text, and basic tokenization of secretaries",
		"Bearer of bad news", "Basic authentication is off", "Digest mismatch", `Bearer realm="api", error="invalid_token"`, "the digest of a=b",
		"Invalid request body: [object has missing required properties ([\"password\"])]",
		"API Key  authorized because method 'GET /echo' does not require API Key. Request will not contribute to throttle or quota limits",
		"Verifying Usage Plan for request: 286364ab. API Key: API Stage: uwe3g5jm54/Prod",
		"Usage Plan check succeeded for API Key and API Stage uwe3g5jm54/Prod",
		"token_type=bearer&expires_in=3600&nextToken=eyJ2IjoxfQ&tokenUse=id&maxTokens=500", "total_tokens=812",
		`{"token_type":"Bearer","tokenUse":"access","expires_in":3600,"token_endpoint":"https://a/b","tokenExpiresAt":1,"nextToken":"a","pageToken":"b"}`,
		`{"apiKeyId":"abc123","apiKeyRequired":false,"apiKeySource":"HEADER","accessKeyId":"x","keyId":"k","publicKey":"p","privateKeyId":"i"}`,
		`{"code":"ERR_4711","errorCode":"E1","statusCode":200,"zipCode":"12345","pinCode":"560001","key":"a/b.png","encoding":"gzip"}`,
		`{"authorizer":{"claims":{"sub":"a","scope":"b"},"principalId":"p"},"authorizationType":"JWT","authorized":true,"authorizationScopes":["a"]}`,
		`{"secretary":"Ann","secretArn":"arn:x","passwordless":true,"passwordPolicy":"strong","hasPassword":true,"cookieConsent":"all","sessionCount":3}`,
		`{"inside":"a","shipping":"b","design":"c","monkey":"d","resident":"e","Action":"execute-api:Invoke"}`,
		"https://host:8080/a@b", "https://user@host/", "mailto:a@b.example", "12:34:56 //comment: see @this",
		"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----",
		"Asia/Tokyo", "eyJ", "eyJson.txt", "Token::parse", "secret://store/a", "4111111111111111", "if token == null", "password=", "token=-&secret=null",
		"", "{", `{"a`, "[", `"`, `\`, "%", "=", ":", "token", "token=", "token:", `"token`, `"token"`, `"token":`, `{"token":`, "<token>", "<token", "Bearer", "Basic ", "-----BEGIN ", "//",
	} {
		if got, n := redactText(t, r, text); got != text || n != 0 {
			t.Errorf("%q became %q", text, got)
		}
		if quoted, err := json.Marshal(text); err != nil {
			t.Fatal(err)
		} else if got, _ := redactJSON(t, r, string(quoted)); got != string(quoted) {
			t.Errorf("%s became %s", quoted, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{Names: []string{"tenant-key", "*ssn*", "x-corp-*"}})
	for _, name := range []string{
		"Authorization", "AUTHORIZATION", "proxy-authorization", "X-Amzn-Remapped-Authorization", "Authentication-Info", "Cookie", "set_cookie", "cookies",
		"x-api-key", "X_API_KEY", "apikey", "ApiKey", "api.key", "X-Amz-Security-Token", "X-Amz-Signature", "x-amz-credential", "x-amz-cognito-x",
		"access_token", "refreshToken", "token", "tokens", "csrf-token", "authorizationToken", "client_secret", "secret", "SecretAccessKey",
		"password", "newPassword", "passwd", "pwd", "user_pwd", "passphrase", "private_key", "PrivateKeyPem", "client_assertion", "JSESSIONID", "PHPSESSID", "sid",
		"connect.sid", "ASP.NET_SessionId", "code_verifier", "otp", "cvv", "cardNumber", "Ocp-Apim-Subscription-Key", "aws_session_token", "request.headers.sid",
		"custom:apiKey", "tenant_key", "TenantKey", "userSSN", "X-Corp-Anything",
	} {
		if !r.Name([]byte(name)) {
			t.Errorf("%s is no name of a secret", name)
		}
	}
	for _, name := range []string{
		"", "-", "a", "WWW-Authenticate", "token_type", "tokenUse", "token_use", "nextToken", "NextPageToken", "continuation-token", "tokenEndpoint", "access_token_expires_in",
		"tokenizer", "tokenization", "apiKeyId", "api-key-source", "secretary", "secretName", "secretsManager", "passwordless", "passwordPolicy", "authorizationType",
		"client_assertion_type", "cookieConsent", "author", "authorizer", "authority", "authorized", "requestId", "extendedRequestId", "X-Amzn-Trace-Id", "x-amz-cf-id",
		"code", "statusCode", "key", "pin", "session", "sideloaded", "design", "insider", "state", "nonce", "Sec-WebSocket-Key", "sessions", "tenant", "corp",
	} {
		if r.Name([]byte(name)) {
			t.Errorf("%s is the name of a secret", name)
		}
	}
	for _, test := range []struct {
		name, value string
		want        bool
	}{
		{"code", "1f2e3d4c-0000-4000-8000-00000000000a", true}, {"code", "NOT_FOUND", false}, {"code", "E11000_DUPLICATE_KEY", false}, {"code", "400", false},
		{"pin", "1234", true}, {"pin", "12", false}, {"pin", "left", false}, {"token", "x", true}, {"token", "", false}, {"token", "-", false},
		{"token", "[REDACTED:5]", false}, {"max_tokens", "500", false}, {"tokens", "a,b", true}, {"a", "b", false},
	} {
		if got := r.Class([]byte(test.name)).Covers([]byte(test.value)); got != test.want {
			t.Errorf("%s=%s: %v", test.name, test.value, got)
		}
	}
}

// A nil redactor changes nothing.
func TestNil(t *testing.T) {
	t.Parallel()
	var r *Redactor
	text := []byte(`{"password":"x"}`)
	if out, n := r.AppendText(nil, text); !bytes.Equal(out, text) || n != 0 {
		t.Errorf("%s", out)
	}
	if out, n := r.AppendJSON(nil, text); !bytes.Equal(out, text) || n != 0 {
		t.Errorf("%s", out)
	}
	if r.Name([]byte("password")) || r.Class([]byte("password")).Covers([]byte("x")) {
		t.Error("a name is the name of a secret")
	}
}

// In the steady state nothing is allocated, except by own patterns.
func TestAllocations(t *testing.T) { //nolint:paralleltest // others would allocate meanwhile
	s := state{r: newRedactor(t, Options{})}
	var dst []byte
	for _, text := range []string{
		`{"level":"INFO","authorizer":{"principalId":"u"},"statusCode":200,"body":"{\"token_type\":\"Bearer\"}"}`,
		`{"headers":{"authorization":"Bearer ` + jwt + `"},"body":"{\"password\":\"x\"}","path":"/?token=x","pin":1234}`,
		`{Authorization=Basic dXNlcjpwYXNz, Cookie=a=b; c=d, X-Api-Key=x} AKIAIOSFODNN7EXAMPLE token: Digest username="x"`,
	} {
		raw := []byte(text)
		if n := testing.AllocsPerRun(100, func() {
			dst, _, _ = s.walk(dst[:0], raw, ordinary, 0)
			dst, _ = s.text(dst[:0], raw, 0)
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, text)
		}
	}
}

// An escaped character ends what stands before a secret, though it ends with a letter
// or a digit itself.
func TestFormsBehindEscapes(t *testing.T) {
	t.Parallel()
	r := newRedactor(t, Options{})
	for _, before := range []string{`INFO {"body":"line\n`, `{"a":"\t`, `x \r`, `a\u0026`, "x=a%3D", "x=a%3d", "x=a%26", "x%0A", "x=a%253D", `{"a":"{\"b\":\"\\n`} {
		for _, secret := range []string{"AKIAPL4NT3DS3CR3TKEY", "Bearer 0pl4nt3d.S3cret", "ghp_" + strings.Repeat("a1", 18)} {
			got, n := redactText(t, r, before+secret)
			if _, rest, _ := strings.Cut(secret, " "); n != 1 || strings.Contains(got, secret) || rest != "" && strings.Contains(got, rest) {
				t.Errorf("%q became %q", before+secret, got)
			}
		}
	}
	for _, text := range []string{"xAKIAPL4NT3DS3CR3TKEY", "anAKIAPL4NT3DS3CR3TKEY", "3DAKIAPL4NT3DS3CR3TKEY", `\xAKIAPL4NT3DS3CR3TKEY`, "u0026AKIAPL4NT3DS3CR3TKEY"} {
		if got, n := redactText(t, r, text); n != 0 {
			t.Errorf("%q became %q", text, got)
		}
	}
}
