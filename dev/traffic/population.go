package traffic

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Mix names what is written.
type Mix string

// The mixes of traffic.
const (
	AccessJSON Mix = "access-json" // access logs in JSON of REST and HTTP APIs
	AccessCLF  Mix = "access-clf"  // access logs in Common Log Format of REST and HTTP APIs
	AccessCSV  Mix = "access-csv"  // access logs as comma-separated values of REST and HTTP APIs
	AccessXML  Mix = "access-xml"  // access logs in XML of REST and HTTP APIs
	Execution  Mix = "execution"   // execution logs of REST APIs, whole requests
	Mixed      Mix = "mixed"       // JSON, Common Log Format and execution logs; one API writes both kinds
)

// Mixes lists all mixes.
func Mixes() []Mix { return []Mix{Mixed, AccessJSON, AccessCLF, AccessCSV, AccessXML, Execution} }

// ParseMix reads the name of a mix.
func ParseMix(name string) (Mix, error) {
	var names []string
	for _, m := range Mixes() {
		if string(m) == name {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fmt.Errorf("no traffic mix is called %q: choose from %s", name, strings.Join(names, ", "))
}

// executionLevel is how much an API writes to its execution log.
type executionLevel int

const (
	executionOff executionLevel = iota
	executionInfo
	executionData // info and data trace: headers and bodies too
)

// api is one stage of one API.
type api struct {
	id, name, stage, domain, account, region string
	http                                     bool // an HTTP API, else a REST API
	pathPrefix                               string
	weight                                   int
	routes                                   []*route

	template         *accessTemplate
	accessGroup      string
	accessStreams    []string
	level            executionLevel
	executionGroup   string
	executionStreams []string
}

type route struct {
	method, template string
	key              string // of an HTTP API
	resourceID       string
	function         string // ARN of the Lambda function behind it
	authorizer       bool
	apiKey           bool
	writes           bool // has a request body
	large            bool // has a response body of some kilobytes
}

type user struct {
	address, forwarded, agent, caller, principal, country string
}

// population is who calls what. It is the same for the same seed and mix, apart from
// the log streams of HTTP APIs, which carry the time.
type population struct {
	apis   []*api
	users  []*user
	weight int
}

// Templates of access logs. Those of CSV and XML, the first two and the first of
// CLF are what the API Gateway console offers; the others are what people make of it.
var (
	restDefaultJSON = mustCompile(`{ "requestId":"$context.requestId", "extendedRequestId":"$context.extendedRequestId", "ip": "$context.identity.sourceIp", "caller":"$context.identity.caller", "user":"$context.identity.user", "requestTime":"$context.requestTime", "httpMethod":"$context.httpMethod", "resourcePath":"$context.resourcePath", "status":"$context.status", "protocol":"$context.protocol", "responseLength":"$context.responseLength" }`)
	httpDefaultJSON = mustCompile(`{ "requestId":"$context.requestId", "ip": "$context.identity.sourceIp", "requestTime":"$context.requestTime", "httpMethod":"$context.httpMethod", "routeKey":"$context.routeKey", "status":"$context.status", "protocol":"$context.protocol", "responseLength":"$context.responseLength" }`)
	restRenamedJSON = mustCompile(`{"request_id":"$context.requestId","extended_request_id":"$context.extendedRequestId","source_ip":"$context.identity.sourceIp","user_agent":"$context.identity.userAgent","principal":"$context.authorizer.principalId","request_time_epoch":$context.requestTimeEpoch,"http":{"method":"$context.httpMethod","path":"$context.path","resource":"$context.resourcePath","status":$context.status,"protocol":"$context.protocol","response_length":"$context.responseLength"},"response_latency":"$context.responseLatency","integration":{"status":"$context.integrationStatus","latency":"$context.integrationLatency","request_id":"$context.integration.requestId","error":"$context.integrationErrorMessage"},"error_message":$context.error.messageString,"error_type":"$context.error.responseType","xray_trace_id":"$context.xrayTraceId","api_id":"$context.apiId","stage":"$context.stage","account":"$context.accountId"}`)
	httpRenamedJSON = mustCompile(`{"requestId":"$context.requestId","userAgent":"$context.identity.userAgent","sourceIp":"$context.identity.sourceIp","requestTimeEpoch":"$context.requestTimeEpoch","routeKey":"$context.routeKey","path":"$context.path","status":"$context.status","responseLatency":"$context.responseLatency","integrationLatency":"$context.integrationLatency","integrationStatus":"$context.integration.status","integrationErrorMessage":"$context.integrationErrorMessage","errorMessage":"$context.error.message","domainName":"$context.domainName","apiId":"$context.apiId","stage":"$context.stage"}`)
	restCLF         = mustCompile(`$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId`)
	httpCLF         = mustCompile(`$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId`)
	httpErrorCLF    = mustCompile(`$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId $context.integrationErrorMessage`)
)

// What the console offers besides JSON and CLF.
var (
	restCSV = mustCompile(`$context.identity.sourceIp,$context.identity.caller,$context.identity.user,$context.requestTime,$context.httpMethod,$context.resourcePath,$context.protocol,$context.status,$context.responseLength,$context.requestId,$context.extendedRequestId`)
	httpCSV = mustCompile(`$context.identity.sourceIp,$context.requestTime,$context.httpMethod,$context.routeKey,$context.protocol,$context.status,$context.responseLength,$context.requestId`)
	restXML = mustCompile(`<request id="$context.requestId"> <ip>$context.identity.sourceIp</ip> <caller>$context.identity.caller</caller> <user>$context.identity.user</user> <requestTime>$context.requestTime</requestTime> <httpMethod>$context.httpMethod</httpMethod> <resourcePath>$context.resourcePath</resourcePath> <status>$context.status</status> <protocol>$context.protocol</protocol> <responseLength>$context.responseLength</responseLength> <userAgent>$context.identity.userAgent</userAgent> </request>`)
	httpXML = mustCompile(`<request id="$context.requestId"> <ip>$context.identity.sourceIp</ip> <requestTime>$context.requestTime</requestTime> <httpMethod>$context.httpMethod</httpMethod> <routeKey>$context.routeKey</routeKey> <status>$context.status</status> <protocol>$context.protocol</protocol> <responseLength>$context.responseLength</responseLength> </request>`)
)

// apiPlan is what an API writes in which mix.
type apiPlan struct {
	name, stage string
	http        bool
	template    *accessTemplate
	level       executionLevel
	weight      int // share of the requests
	mixes       []Mix
}

var apiPlans = []apiPlan{
	{name: "orders", stage: "prod", template: &restDefaultJSON, weight: 30, mixes: []Mix{AccessJSON, Mixed}},
	{name: "catalog", stage: "v1", template: &restRenamedJSON, weight: 20, mixes: []Mix{AccessJSON, Mixed}},
	{name: "accounts", stage: "$default", http: true, template: &httpDefaultJSON, weight: 10, mixes: []Mix{AccessJSON, Mixed}},
	{name: "search", stage: "live", http: true, template: &httpRenamedJSON, weight: 10, mixes: []Mix{AccessJSON, Mixed}},
	{name: "billing", stage: "prod", template: &restCLF, weight: 10, mixes: []Mix{AccessCLF, Mixed}},
	{name: "events", stage: "$default", http: true, template: &httpCLF, weight: 5, mixes: []Mix{AccessCLF, Mixed}},
	{name: "media", stage: "prod", http: true, template: &httpErrorCLF, weight: 5, mixes: []Mix{AccessCLF, Mixed}},
	{name: "checkout", stage: "Prod", level: executionData, weight: 7, mixes: []Mix{Execution}},
	{name: "inventory", stage: "staging", level: executionInfo, weight: 3, mixes: []Mix{Execution}},
	{name: "payments", stage: "Prod", template: &restRenamedJSON, level: executionData, weight: 4, mixes: []Mix{Mixed}},
	{name: "shipping", stage: "v2", level: executionInfo, weight: 2, mixes: []Mix{Mixed}},
	{name: "reviews", stage: "prod", template: &restCSV, weight: 10, mixes: []Mix{AccessCSV}},
	{name: "coupons", stage: "$default", http: true, template: &httpCSV, weight: 5, mixes: []Mix{AccessCSV}},
	{name: "stores", stage: "prod", template: &restXML, weight: 10, mixes: []Mix{AccessXML}},
	{name: "returns", stage: "$default", http: true, template: &httpXML, weight: 5, mixes: []Mix{AccessXML}},
}

const (
	streamsPerStage = 2
	usersInAll      = 40
)

func newPopulation(random *rand.Rand, mix Mix, account, region string, now time.Time) *population {
	p := &population{}
	for _, plan := range apiPlans {
		a := newAPI(random, plan, account, region, now)
		for _, m := range plan.mixes {
			if m == mix {
				p.apis = append(p.apis, a)
				p.weight += a.weight
			}
		}
	}
	for range usersInAll {
		p.users = append(p.users, newUser(random))
	}
	return p
}

func newAPI(random *rand.Rand, plan apiPlan, account, region string, now time.Time) *api {
	a := &api{
		id: lowerID(random, 10), name: plan.name, stage: plan.stage, http: plan.http, weight: plan.weight,
		account: account, region: region, template: plan.template, level: plan.level,
	}
	a.domain = a.id + ".execute-api." + region + ".amazonaws.com"
	if a.stage != "$default" {
		a.pathPrefix = "/" + a.stage
	}
	if a.template != nil {
		a.accessGroup = "/aws/apigateway/" + a.name + "-" + strings.TrimPrefix(a.stage, "$")
	}
	if a.level != executionOff {
		a.executionGroup = "API-Gateway-Execution-Logs_" + a.id + "/" + a.stage
	}
	for n := range streamsPerStage {
		if a.http {
			opened := now.UTC().Add(-time.Duration(n) * 17 * time.Minute)
			a.accessStreams = append(a.accessStreams, a.id+"_"+strings.Replace(a.stage, "$", ".", 1)+opened.Format("-2006-01-02-15-04"))
		} else {
			a.accessStreams = append(a.accessStreams, hexID(random, 32))
		}
		a.executionStreams = append(a.executionStreams, hexID(random, 32))
	}
	singular := strings.TrimSuffix(a.name, "s")
	collection, item := "/"+a.name, "/"+a.name+"/{"+singular+"Id}"
	for _, r := range []route{
		{method: "GET", template: collection, large: true},
		{method: "GET", template: item},
		{method: "POST", template: collection, writes: true, authorizer: true},
		{method: "PUT", template: item, writes: true, authorizer: true, apiKey: true},
		{method: "DELETE", template: item, authorizer: true},
		{method: "GET", template: "/health"},
	} {
		r.key = r.method + " " + r.template
		if a.http && r.template == "/health" {
			r.key = "$default"
		}
		r.resourceID = lowerID(random, 6)
		r.function = "arn:aws:lambda:" + region + ":" + account + ":function:" + a.name + "-" + strings.ToLower(r.method) + "-" + r.resourceID
		a.routes = append(a.routes, &r)
	}
	return a
}

var agents = []string{
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
	"python-requests/2.32.3", "okhttp/4.12.0", "curl/8.9.1", "axios/1.7.9", "Go-http-client/2.0", "PostmanRuntime/7.43.0",
	`Acme "Field" Scanner\2.1 (build 77)`,
	"Bücherwurm/3.0 (Köln; de)",
}

var countries = []string{"DE", "GB", "US", "FR", "JP", "BR", "AU", "SE"}

func newUser(random *rand.Rand) *user {
	u := &user{
		// Addresses that RFC 5737 reserves for documentation.
		address:   fmt.Sprintf("%s.%d", pick(random, []string{"192.0.2", "198.51.100", "203.0.113"}), 1+random.IntN(254)),
		forwarded: fmt.Sprintf("198.51.100.%d", 1+random.IntN(254)),
		agent:     pick(random, agents),
		principal: "user|" + hexID(random, 12),
		country:   pick(random, countries),
	}
	if random.IntN(5) == 0 {
		u.caller = "AIDA" + strings.ToUpper(lowerID(random, 17)) // one who signs requests
	}
	return u
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

const (
	hexDigits   = "0123456789abcdef"
	lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	urlDigits   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

func letters(random *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	fill(random, b, alphabet)
	return string(b)
}

// fill draws eight letters at a time. That some letters are a little more likely
// where their number is no power of two does not matter here.
func fill(random *rand.Rand, b []byte, alphabet string) {
	var bits uint64
	for i := range b {
		if i%8 == 0 {
			bits = random.Uint64()
		}
		b[i] = alphabet[int(bits&0xff)%len(alphabet)]
		bits >>= 8
	}
}

func hexID(random *rand.Rand, n int) string   { return letters(random, hexDigits, n) }
func lowerID(random *rand.Rand, n int) string { return letters(random, lowerDigits, n) }

// extendedID is what API Gateway calls the extended request id.
func extendedID(random *rand.Rand) string { return letters(random, urlDigits, 15) + "=" }

func uuid(random *rand.Rand) string {
	const pattern = "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx"
	var b [len(pattern)]byte
	fill(random, b[:], hexDigits)
	for i := range b {
		if pattern[i] != 'x' {
			b[i] = pattern[i]
		}
	}
	return string(b[:])
}

// quoteJSON cannot fail: every string can be written in JSON.
func quoteJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}
