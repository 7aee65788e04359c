package wire

import (
	"bytes"
	"fmt"
	"mime"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Codec turns request bodies into structs and structs into response bodies. Struct fields are matched by their
// json tag or, without one, by name, with regard to case, in JSON and in CBOR alike. Members that no field stands
// for are ignored.
type Codec struct {
	// ContentType names the protocol and is repeated in the response.
	ContentType string
	cbor        bool
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

// lenient are the liberties clients may take: the last of equal members counts, and what is not UTF-8 becomes
// U+FFFD, also where a response repeats it.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

var cborDecoder = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxArrayElements: 1 << 20, MaxNestedLevels: 16, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
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
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into, lenient); err != nil {
		return Errorf("SerializationException", "request body is not the JSON this operation takes: %v", err)
	}
	return nil
}

// Encode appends a response body to dst. Blobs are encoded in place, so that an answer of megabytes is not copied
// once dst has grown to its size. After an error dst may hold the beginning of the body.
func (c Codec) Encode(dst *bytes.Buffer, v any) error {
	var err error
	if c.cbor {
		err = cbor.MarshalToBuffer(v, dst)
	} else {
		err = json.MarshalWrite(dst, v, lenient)
	}
	if err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	return nil
}

// errorBody is the shape of an error in both protocols.
type errorBody struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

// EncodeError appends the body of an error to dst.
func (c Codec) EncodeError(dst *bytes.Buffer, e *Error) {
	if err := c.Encode(dst, errorBody{e.Code, e.Message}); err != nil {
		panic(err) // two strings always encode
	}
}
