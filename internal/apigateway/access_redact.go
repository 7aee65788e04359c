package apigateway

import (
	"bytes"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// accessRedaction takes the secrets out of access logs.
type accessRedaction struct {
	redactor  *redact.Redactor
	variables []redact.Class // what their names say
	known     map[string]attributeName
}

func newAccessRedaction(redactor *redact.Redactor) accessRedaction {
	r := accessRedaction{redactor: redactor, variables: make([]redact.Class, len(variables))}
	for i, v := range variables {
		for _, name := range append([]string{v.name}, v.aliases...) {
			r.variables[i] = max(r.variables[i], redactor.Class([]byte(name)))
		}
	}
	return r
}

// attributeName is what redaction makes of the name of an attribute.
type attributeName struct {
	class  redact.Class
	secret bool // the name itself holds a secret
}

// clear takes the secrets out of the values of an access log, and tells how many.
// Values that were converted cannot hold any: they are numbers, times and the like.
func (r *accessRedaction) clear(a *accessLog) int {
	if r.redactor == nil {
		return 0
	}
	total := 0
	replaced := func(value []byte, start, n int) []byte {
		if n == 0 {
			return value
		}
		total += n
		return a.since(start)
	}
	var n int
	for i := range a.present.all() {
		if value := a.values[i]; value != nil && variables[i].as.keepsText() {
			start := len(a.scratch)
			a.scratch, n = r.redactor.RedactMember(a.scratch, r.variables[i], value)
			a.values[i] = replaced(value, start, n)
		}
	}
	for i, e := range a.extra {
		name := r.name(e.key)
		start := len(a.scratch)
		a.scratch, n = r.redactor.RedactMember(a.scratch, name.class, e.value)
		a.extra[i].value = replaced(e.value, start, n)
		if name.secret {
			total += r.rename(a, i)
		}
	}
	return total
}

// name is what redaction makes of the name of an attribute.
func (r *accessRedaction) name(key []byte) attributeName {
	n, known := r.known[string(key)]
	if known {
		return n
	}
	name, _, _ := bytes.Cut(key, []byte{'#'}) // of a second value
	n.class = r.redactor.MemberClass(name)
	_, secrets := r.redactor.RedactText(nil, key)
	n.secret = secrets > 0
	if r.known == nil {
		r.known = make(map[string]attributeName)
	}
	if len(r.known) < maxResolved && len(key) <= maxResolvedName {
		r.known[string(key)] = n
	}
	return n
}

// rename takes the secrets out of the name of an attribute, and tells how many.
func (r *accessRedaction) rename(a *accessLog, i int) int {
	name, n := r.redactor.RedactText(nil, a.extra[i].key)
	length := len(name)
	for number := int64(2); a.hasExtra(name); number++ {
		name = appendInt(append(name[:length], '#'), number)
	}
	a.extra[i].key = name
	return n
}

// keepsText tells whether a conversion leaves text as it is.
func (c conversion) keepsText() bool {
	switch c {
	case asText, asAddress, asRoute, asSession:
		return true
	}
	return false
}
