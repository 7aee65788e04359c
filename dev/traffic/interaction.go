package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// outcome is how a request ended.
type outcome int

const (
	succeeded     outcome = iota
	rejected              // the function answers with a client error
	serverError           // the function answers with a server error
	functionError         // the function fails
	timedOut              // the integration does not answer in time
	unauthorized          // the authorizer refuses
	throttledKey          // the API key is over its limit
)

// integrated reports whether the request came as far as the integration.
func (o outcome) integrated() bool { return o != unauthorized && o != throttledKey }

// interaction is one request to one API with everything that is logged of it.
type interaction struct {
	api     *api
	route   *route
	user    *user
	outcome outcome
	stream  int // which of the log streams of the stage

	requestID, extendedID, integrationID, trace string
	started                                     time.Time
	latency, integrationLatency                 time.Duration
	path                                        string // without the stage
	pathParameters, query                       []pair
	requestBody, responseBody                   string
	status, integrationStatus                   int
	errorMessage, errorType, integrationError   string
}

type pair struct{ name, value string }

// newInteraction invents a request that was answered at the time given.
func (p *population) newInteraction(random *rand.Rand, answered time.Time) *interaction {
	a := p.pickAPI(random)
	i := &interaction{
		api: a, route: pick(random, a.routes), user: pick(random, p.users),
		stream:        random.IntN(streamsPerStage),
		extendedID:    extendedID(random),
		integrationID: uuid(random),
	}
	i.requestID = i.extendedID
	if !a.http {
		i.requestID = uuid(random)
	}
	i.trace = "1-" + strconv.FormatInt(answered.Unix(), 16) + "-" + hexID(random, 24)
	i.outcome = i.pickOutcome(random.IntN(1000))
	i.fillPath(random)
	i.fillLatency(random)
	i.started = answered.Add(-i.latency).Truncate(time.Millisecond)
	if i.route.writes {
		i.requestBody = document(random, a.name, 1+random.IntN(4))
	}
	i.fillAnswer(random)
	return i
}

func (p *population) pickAPI(random *rand.Rand) *api {
	n := random.IntN(p.weight)
	for _, a := range p.apis {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return p.apis[len(p.apis)-1]
}

// pickOutcome turns a number below 1,000 into an outcome that the route can have.
func (i *interaction) pickOutcome(n int) outcome {
	switch {
	case n < 50:
		return rejected
	case n < 62:
		return serverError
	case n < 75:
		return functionError
	case n < 78:
		return timedOut
	case n < 120 && i.route.authorizer:
		return unauthorized
	case n < 150 && i.route.apiKey:
		return throttledKey
	}
	return succeeded
}

func (i *interaction) fillPath(random *rand.Rand) {
	i.path = i.route.template
	if at := strings.IndexByte(i.path, '{'); at >= 0 {
		value := strconv.Itoa(1000 + random.IntN(9000))
		i.pathParameters = []pair{{i.path[at+1 : len(i.path)-1], value}}
		i.path = i.path[:at] + value
	}
	if i.route.large {
		i.query = []pair{{"limit", strconv.Itoa(10 * (1 + random.IntN(10)))}, {"sort", pick(random, []string{"created", "-created", "name, id"})}}
	}
}

func (i *interaction) fillLatency(random *rand.Rand) {
	switch {
	case i.outcome == timedOut:
		i.integrationLatency = 29 * time.Second
	case i.outcome.integrated():
		// Log-normal around 35 ms: most are quick, some are slow.
		ms := 35 * math.Exp(random.NormFloat64()*0.8)
		i.integrationLatency = time.Duration(min(max(ms, 3), 20_000)) * time.Millisecond
	}
	i.latency = i.integrationLatency + time.Duration(2+random.IntN(6))*time.Millisecond
}

func (i *interaction) fillAnswer(random *rand.Rand) {
	i.integrationStatus = 200
	switch i.outcome {
	case rejected:
		i.status = pick(random, []int{400, 404, 409, 422})
		i.responseBody = fmt.Sprintf(`{"message":"%s refused","code":%d}`, i.api.name, i.status)
	case serverError:
		i.status = 500
		i.responseBody = `{"message":"database is not available"}`
	case functionError:
		i.fail(502, `{"message": "Internal server error"}`, "Internal server error", "INTEGRATION_FAILURE")
		i.integrationError = "The Lambda function returned the following error: " + functionFailure + ". Check your Lambda function code and try again."
	case timedOut:
		i.fail(504, `{"message": "Endpoint request timed out"}`, "Endpoint request timed out", "INTEGRATION_TIMEOUT")
		i.integrationError = "Endpoint request timed out"
	case unauthorized:
		i.fail(401, `{"message":"Unauthorized"}`, "Unauthorized", "UNAUTHORIZED")
	case throttledKey:
		i.fail(429, `{"message":"Limit Exceeded"}`, "Limit Exceeded", "THROTTLED")
	default:
		i.succeed(random)
	}
}

func (i *interaction) fail(status int, body, message, kind string) {
	i.status, i.responseBody, i.errorMessage, i.errorType = status, body, message, kind
}

func (i *interaction) succeed(random *rand.Rand) {
	i.status = 200
	switch {
	case i.route.method == "POST":
		i.status = 201
		i.responseBody = document(random, i.api.name, 1)
	case i.route.method == "DELETE":
		i.status = 204
	case i.route.large:
		i.responseBody = document(random, i.api.name, 4+random.IntN(20))
	case i.route.template == "/health":
		i.responseBody = "ok\n"
	default:
		i.responseBody = document(random, i.api.name, 1)
	}
}

const functionFailure = "TypeError: Cannot read properties of undefined (reading 'id')"

var (
	customers = []string{"Ada Lovelace", "Grace Hopper", "Zoë Müller", "Łukasz Nowak", "田中 花子", `J. "Jay" Doe`}
	notes     = []string{"leave at the door", "gift, please wrap", "ring twice\nthen wait", "fragile = handle with care", ""}
)

// document is a JSON body with a number of items. One in five is indented, so that
// log lines hold raw newlines.
func document(random *rand.Rand, kind string, items int) string {
	newline, indent := "", ""
	if random.IntN(5) == 0 {
		newline, indent = "\n", "  "
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{%s%s"kind":%q,%s%s"items":[`, newline, indent, kind, newline, indent)
	for n := range items {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s%s{"id":%d,"customer":%s,"amount":%d.%02d,"currency":"EUR","note":%s}`, newline, strings.Repeat(indent, 2),
			10_000+random.IntN(90_000), quoteJSON(pick(random, customers)), random.IntN(500), random.IntN(100), quoteJSON(pick(random, notes)))
	}
	fmt.Fprintf(&b, `%s%s]%s}`, newline, indent, newline)
	return b.String()
}
