// Package docs holds the documents that the program itself can print.
package docs

import _ "embed"

// EventsSchema is the JSON Schema of the events that are delivered.
//
//go:embed events.schema.json
var EventsSchema []byte
