package apigateway

import (
	"bytes"
	"strings"
)

// prefixVariables are those whose last part an API's owner chooses.
var prefixVariables = []struct{ name, prefix string }{
	{"authorizer.claims.", claimsPrefix},
	{"authorizer.", "aws.apigateway.authorizer.context."},
	{"requestoverride.", "aws.apigateway.override.request."},
	{"responseoverride.", "aws.apigateway.override.response."},
	{"stagevariables.", "aws.apigateway.stage_variables."},
}

// neutral are names of objects that templates group variables under and that
// say nothing about which variable it is: {"request":{"id":"$context.requestId"}}.
var neutral = map[string]bool{
	"$context": true, "context": true, "requestcontext": true,
	"request": true, "req": true, "response": true, "res": true,
	"http": true, "client": true, "network": true, "url": true,
	"api": true, "apigateway": true, "apigw": true, "gateway": true, "aws": true,
	"access": true, "accesslog": true, "log": true, "event": true,
}

// customPrefix is put before the path of a member that is no known variable.
const customPrefix = "aws.apigateway.custom."

const claimsPrefix = "aws.apigateway.authorizer.claims."

// varID is an index into variables.
type varID int16

const unknownVariable varID = -1

// byName finds a variable by its normalized name.
var byName = indexVariables()

func indexVariables() map[string]varID {
	index := make(map[string]varID, 2*len(variables))
	add := func(name string, id varID) {
		if _, taken := index[name]; !taken {
			index[name] = id
		}
	}
	for i, v := range variables {
		add(normalize(v.name), varID(i))
	}
	for i, v := range variables {
		for _, alias := range v.aliases {
			add(alias, varID(i))
		}
		add(strings.ReplaceAll(normalize(v.name), ".", ""), varID(i))
	}
	return index
}

// mustVariable is for the variables that the code treats by name.
func mustVariable(name string) varID {
	id, ok := byName[normalize(name)]
	if !ok {
		panic("apigateway: no variable " + name)
	}
	return id
}

func normalize(name string) string {
	return string(appendNormalized(nil, []byte(name)))
}

// appendNormalized appends a name as it is looked up: in lower case, without
// the characters by which spellings of one name differ.
func appendNormalized(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case c == '_' || c == '-':
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// target is where the value of a member goes.
type target struct {
	// variable is the one the member stands for, or unknownVariable.
	variable varID
	// prefix and the member's path without its first skip names are the
	// attribute of a member that stands for no listed variable.
	prefix string
	skip   int
	path   []byte // the member's, where it is remembered
	member string // its name in JSON and the colon behind it, if nothing in the path is escaped
	// name is the variable's own where a template tells it, and takes the place
	// of the member's path then.
	name []byte
}

// resolve finds out what a member stands for by its normalized path: its name,
// after the names of the objects around it, joined by dots.
func resolve(path string) target {
	secret := namesAPIKey(path)
	for skipped := 0; ; skipped++ {
		if id, ok := byName[path]; ok {
			return target{variable: id, prefix: customPrefix}
		}
		if secret {
			return target{variable: apiKeyVariable, prefix: customPrefix}
		}
		for _, p := range prefixVariables {
			if strings.HasPrefix(path, p.name) {
				return target{variable: unknownVariable, prefix: p.prefix, skip: skipped + strings.Count(p.name, ".")}
			}
		}
		group, rest, nested := strings.Cut(path, ".")
		if !nested || !neutral[group] {
			break
		}
		// {"response":{"latency":…}} is responseLatency.
		if id, ok := byName[group+strings.ReplaceAll(rest, ".", "")]; ok {
			return target{variable: id, prefix: customPrefix}
		}
		path = rest
	}
	return target{variable: unknownVariable, prefix: customPrefix}
}

// namesAPIKey tells whether a member is an API key or part of one. That is a
// secret wherever it stands.
func namesAPIKey(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if name == "apikey" || name == "xapikey" {
			return true
		}
	}
	return false
}

// pathWithout is a member's path without its first n names.
func pathWithout(path []byte, n int) []byte {
	for ; n > 0; n-- {
		_, path, _ = bytes.Cut(path, []byte{'.'})
	}
	return path
}

// The variables that are treated by name.
var (
	requestIDVariable         = mustVariable("requestId")
	extendedRequestIDVariable = mustVariable("extendedRequestId")
	traceIDVariable           = mustVariable("xrayTraceId")
	accountVariable           = mustVariable("accountId")
	basePathVariable          = mustVariable("customDomain.basePathMatched")
	statusVariable            = mustVariable("status")
	routeVariable             = mustVariable("resourcePath")
	routeKeyVariable          = mustVariable("routeKey")
	connectionVariable        = mustVariable("connectionId")
	eventTypeVariable         = mustVariable("eventType")
	apiKeyVariable            = mustVariable("identity.apiKey")
	functionStatusVariable    = mustVariable("integration.status")
	serviceStatusVariable     = mustVariable("integration.integrationStatus")
	integrationStatusVariable = mustVariable("integrationStatus")
	subjectVariable           = mustVariable("authorizer.claims.sub")
)

// slots gives each variable the place of its value: its own, or that of the
// first variable with the same attribute and conversion.
var slots = indexSlots()

func indexSlots() []varID {
	type attribute struct {
		key string
		as  conversion
	}
	first := make(map[attribute]varID, len(variables))
	slots := make([]varID, len(variables))
	for i, v := range variables {
		id, shared := first[attribute{v.key, v.as}]
		if !shared || v.key == "" {
			id = varID(i)
			first[attribute{v.key, v.as}] = id
		}
		slots[i] = id
	}
	return slots
}
