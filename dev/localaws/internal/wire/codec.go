package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// Codec turns request bodies into structs and structs into response bodies. Struct fields are matched by their
// json tag or, without one, by name, in JSON and in CBOR alike.
type Codec struct {
	// ContentType names the protocol and is repeated in the response.
	ContentType string
	cbor        bool
}

// JSONAppender is a response that writes its own JSON; responses that carry megabytes do.
type JSONAppender interface {
	AppendJSON(dst []byte) []byte
}

// FastDecoder is a request that can read the usual form of its JSON quickly. It returns false for anything
// unusual, valid or not, and the body is then decoded in full by encoding/json.
type FastDecoder interface {
	DecodeFast(body []byte) bool
}

const (
	json10   = "application/x-amz-json-1.0"
	json11   = "application/x-amz-json-1.1"
	cbor11   = "application/x-amz-cbor-1.1"
	jsonBare = "application/json"
)

// CodecFor chooses the protocol by content type. ok is false for one that no AWS JSON service speaks; the error
// is then to be sent in JSON, with the codec returned.
func CodecFor(contentType string) (c Codec, ok bool) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Codec{ContentType: json11}, contentType == ""
	}
	switch media {
	case json10, json11:
		return Codec{ContentType: media}, true
	case cbor11:
		return Codec{ContentType: media, cbor: true}, true
	case jsonBare:
		return Codec{ContentType: json11}, true
	}
	return Codec{ContentType: json11}, false
}

var cborDecoder = func() cbor.DecMode {
	m, err := cbor.DecOptions{MaxArrayElements: 1 << 20, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return m
}()

// Decode reads a request body. An empty body is an empty request.
func (c Codec) Decode(body []byte, into any) error {
	if c.cbor {
		if len(body) == 0 {
			return nil
		}
		if err := cborDecoder.Unmarshal(body, into); err != nil {
			return Errorf("SerializationException", "request body is not the CBOR this operation takes: %v", err)
		}
		return nil
	}
	if f, ok := into.(FastDecoder); ok {
		if f.DecodeFast(body) {
			return nil
		}
		reflect.ValueOf(into).Elem().SetZero()
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Errorf("SerializationException", "request body is not the JSON this operation takes: %v", err)
	}
	return nil
}

// Encode appends a response body to dst.
func (c Codec) Encode(dst []byte, v any) ([]byte, error) {
	if c.cbor {
		b, err := cbor.Marshal(v)
		if err != nil {
			return dst, fmt.Errorf("encode response: %w", err)
		}
		return append(dst, b...), nil
	}
	if a, ok := v.(JSONAppender); ok {
		return a.AppendJSON(dst), nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("encode response: %w", err)
	}
	return append(dst, b...), nil
}

// errorBody is the shape of an error in both protocols.
type errorBody struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

// EncodeError appends the body of an error to dst.
func (c Codec) EncodeError(dst []byte, e *Error) []byte {
	b, err := c.Encode(dst, errorBody{e.Code, e.Message})
	if err != nil {
		panic(err) // two strings always encode
	}
	return b
}
