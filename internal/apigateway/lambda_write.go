package apigateway

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/lambda"
)

const (
	platformHead    = `{"schema":"apigw.lambda/1","event_name":"lambda.platform","timestamp":`
	applicationHead = `{"schema":"apigw.lambda/1","event_name":"lambda.application","timestamp":`
)

// recogniseLambda finds out whether a message that is no access log is from a Lambda
// function. Then w.lambda says what it tells.
func (w *eventWriter) recogniseLambda(ev *envelope.Event, m *message) bool {
	switch {
	case m.kind == KindJSON:
		if !w.lambda.ReadJSON(m.body, w.header.isLambda) {
			return false
		}
	case m.kind == KindText && ev.Message.Kind() == jsontext.KindString && lambda.MayBeText(ev.Message[1:]):
		var text []byte
		text, w.message = textOf(ev, w.message)
		if !w.lambda.ReadText(text) {
			return false
		}
	default:
		return false
	}
	m.kind = KindLambda
	return true
}

// lambdaTraceID is the trace id of w.lambda as JSON, or nil.
func (w *eventWriter) lambdaTraceID() []byte {
	id := w.lambda.TraceID
	if id == nil {
		return nil
	}
	w.trace = append(w.trace[:0], '"')
	w.trace = append(append(w.trace, id[2:10]...), id[11:]...)
	w.trace = append(w.trace, '"')
	return w.trace
}
