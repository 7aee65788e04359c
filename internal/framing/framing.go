// Package framing puts events into the body of a request, and takes such a body apart
// again.
package framing

import "encoding/json"

// Format is how the events stand in a body.
type Format string

// The formats.
const (
	// Array is a JSON array of events.
	Array Format = "array"
	// NDJSON is one event a line, each line ended by a newline.
	NDJSON Format = "ndjson"
	// Object is a JSON object that says where its events come from, and has them in its
	// member "events".
	Object Format = "object"
)

// Content types of bodies.
const (
	TypeJSON   = "application/json"
	TypeNDJSON = "application/x-ndjson"
)

// ContentType is the media type of a body in this format.
func (f Format) ContentType() string {
	if f == NDJSON {
		return TypeNDJSON
	}
	return TypeJSON
}

// Frame is the text of a body around its events and between them.
type Frame struct{ Before, Between, After string }

// Origin is where the events of an [Object] come from.
type Origin struct {
	Pipeline string `json:"pipeline"`
	// Window is the id of the workflow that delivers them.
	Window string `json:"window"`
	// Shard of the Kinesis stream.
	Shard string `json:"shard"`
	// Batch is the number of the body in its window, from 0.
	Batch int `json:"batch"`
}

// Frame is what an event stands in. It depends on nothing but the format and, in an
// [Object], on the origin.
func (f Format) Frame(o Origin) Frame {
	switch f {
	case NDJSON:
		return Frame{Between: "\n", After: "\n"}
	case Object:
		head, _ := json.Marshal(o) // text and a number can always be encoded
		return Frame{Before: string(head[:len(head)-1]) + `,"events":[`, Between: ",", After: "]}"}
	default:
		return Frame{Before: "[", Between: ",", After: "]"}
	}
}
