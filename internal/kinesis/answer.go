package kinesis

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithytime "github.com/aws/smithy-go/time"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/go-json-experiment/json/jsontext"
)

// Protocol is the protocol of a Kinesis client, with answers to GetRecords that are read
// as they come. The SDK holds all the text of an answer, up to 14 MB, in a buffer that has
// grown to twice as much, and then decodes from it; here one record at a time is in
// memory as text. What a reader has no use for is left out of records: partition keys and
// kinds of encryption.
func Protocol(base smithyhttp.ClientProtocol) smithyhttp.ClientProtocol {
	return streaming{base}
}

type streaming struct{ smithyhttp.ClientProtocol }

// DeserializeResponse implements smithyhttp.ClientProtocol.
func (p streaming) DeserializeResponse(ctx context.Context, schema *smithy.OperationSchema, registry *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable) error {
	answer, ok := out.(*kinesis.GetRecordsOutput)
	if !ok || resp.StatusCode < 200 || resp.StatusCode > 299 {
		return p.ClientProtocol.DeserializeResponse(ctx, schema, registry, resp, out)
	}
	records, rest, err := readAnswer(resp.Body)
	if err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	// All but the records is little, and the SDK knows it best.
	without := *resp.Response
	without.Body = io.NopCloser(bytes.NewReader(rest))
	if err := p.ClientProtocol.DeserializeResponse(ctx, schema, registry, &smithyhttp.Response{Response: &without}, out); err != nil {
		return err
	}
	answer.Records = records
	return nil
}

// answerOptions let be what no reader of an answer looks at.
var answerOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// answers are decoders, whose buffers have the size of what they have read.
var answers = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

var errAnswer = errors.New("the answer to GetRecords is not what it should be")

// readAnswer reads the records of an answer, and returns the JSON object without them.
func readAnswer(body io.Reader) (records []types.Record, rest []byte, err error) {
	dec := answers.Get().(*jsontext.Decoder)
	dec.Reset(body, answerOptions...)
	defer func() {
		dec.Reset(strings.NewReader(""))
		answers.Put(dec)
	}()
	rest = append(rest, '{')
	err = members(dec, func(name string) error {
		if name == `"Records"` {
			records, err = readRecords(dec)
			return err
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(rest, name...), ':')
		value, err := dec.ReadValue()
		rest = append(rest, value...)
		return err
	})
	if err == nil {
		_, err = dec.ReadToken()
		if err == nil {
			err = errAnswer // there is more
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if _, syntactic := errors.AsType[*jsontext.SyntacticError](err); syntactic {
		// Its own text quotes what it has read.
		incomplete := errors.Is(err, io.ErrUnexpectedEOF)
		if err = fmt.Errorf("%w, at byte %d", errAnswer, dec.InputOffset()); incomplete {
			err = fmt.Errorf("%w: %w", err, io.ErrUnexpectedEOF)
		}
	}
	return records, append(rest, '}'), err
}

// members reads an object, of which each value is for the function to read.
func members(dec *jsontext.Decoder, value func(name string) error) error {
	if kind := dec.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
		return errAnswer
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := value(string(name)); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func readRecords(dec *jsontext.Decoder) ([]types.Record, error) {
	switch dec.PeekKind() {
	case jsontext.KindNull:
		return nil, dec.SkipValue()
	case jsontext.KindBeginArray, jsontext.KindInvalid:
	default:
		return nil, errAnswer
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	records := []types.Record{}
	for dec.PeekKind() == jsontext.KindBeginObject {
		record, err := readRecord(dec)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	if kind := dec.PeekKind(); kind != jsontext.KindEndArray && kind != jsontext.KindInvalid {
		return nil, errAnswer
	}
	_, err := dec.ReadToken()
	return records, err
}

func readRecord(dec *jsontext.Decoder) (record types.Record, err error) {
	err = members(dec, func(name string) error {
		value, err := dec.ReadValue()
		if err != nil || value.Kind() == jsontext.KindNull {
			return err
		}
		switch name {
		case `"Data"`:
			record.Data, err = decodeData(value)
		case `"SequenceNumber"`:
			var text []byte
			text, err = jsontext.AppendUnquote(nil, value)
			record.SequenceNumber = aws.String(string(text))
		case `"ApproximateArrivalTimestamp"`:
			var at time.Time
			at, err = arrival(value)
			record.ApproximateArrivalTimestamp = &at
		}
		if err != nil {
			return fmt.Errorf("%w: a record's %s", errAnswer, name)
		}
		return nil
	})
	return record, err
}

// decodeData decodes base64 in a JSON string, whose buffer may be overwritten.
func decodeData(value jsontext.Value) ([]byte, error) {
	if value.Kind() != jsontext.KindString {
		return nil, errAnswer
	}
	text := value[1 : len(value)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // a slash may be escaped
		var err error
		if text, err = jsontext.AppendUnquote(nil, value); err != nil {
			return nil, err
		}
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	return data[:n], err
}

// arrival reads seconds since 1970 with a fraction, as the SDK does.
func arrival(value jsontext.Value) (time.Time, error) {
	seconds, err := strconv.ParseFloat(string(value), 64)
	return smithytime.ParseEpochSeconds(seconds), err
}
