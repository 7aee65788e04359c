package loginput

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// markers are found in every document that is unwrapped; what holds none of them is
// a message, and is not decoded.
var markers = [][]byte{[]byte(`"messageType"`), []byte(`ecords"`), []byte(`"awslogs"`), []byte(`"events"`)}

// document hands on what one JSON object or array holds, checked to be JSON.
func (in *input) document(raw []byte) error {
	if raw[0] == '[' {
		return in.array(raw)
	}
	wrapped := false
	for _, m := range markers {
		wrapped = wrapped || bytes.Contains(raw, m)
	}
	if wrapped {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return in.message(string(raw)) // it is JSON, so this is a depth that nobody writes
		}
		if members["logEvents"] != nil || members["logGroup"] != nil {
			known, err := in.handler.Envelope(Envelope{Position: in.position(), Raw: raw, Members: members})
			if known || err != nil {
				return handled(err)
			}
		}
		for _, unwrap := range []func(map[string]json.RawMessage) (bool, error){in.subscription, in.records, in.export} {
			if known, err := unwrap(members); known || err != nil {
				return err
			}
		}
	}
	return in.message(string(raw))
}

func (in *input) message(text string) error {
	return handled(in.handler.Message(Message{Position: in.position(), Text: text, Millis: messageMillis(text)}))
}

// array treats the elements as documents if all of them are objects, and else the
// whole of it as one message.
func (in *input) array(raw []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil || len(elements) == 0 {
		return in.message(string(raw))
	}
	for _, e := range elements {
		if e[0] != '{' {
			return in.message(string(raw))
		}
	}
	for _, e := range elements {
		if err := in.document(e); err != nil {
			return err
		}
	}
	return nil
}

// subscription unwraps what a subscription filter sends to a Lambda function.
func (in *input) subscription(members map[string]json.RawMessage) (known bool, err error) {
	var wrapper struct {
		Data *string `json:"data"`
	}
	if !decodes(members["awslogs"], &wrapper) || wrapper.Data == nil {
		return false, nil
	}
	return true, in.encoded(Record{Name: "awslogs"}, *wrapper.Data)
}

// records unwraps Kinesis and Firehose events of Lambda, Firehose deliveries over
// HTTP and what `aws kinesis get-records` prints.
func (in *input) records(members map[string]json.RawMessage) (known bool, err error) {
	raw, ok := members["Records"]
	if !ok {
		raw = members["records"]
	}
	type wrapper struct {
		Data           *string         `json:"data"`
		SequenceNumber string          `json:"sequenceNumber"`
		Arrival        json.RawMessage `json:"approximateArrivalTimestamp"`
	}
	var records []struct {
		wrapper

		Kinesis *wrapper `json:"kinesis"`
	}
	if !decodes(raw, &records) || len(records) == 0 {
		return false, nil
	}
	for i, r := range records {
		if r.Kinesis != nil {
			records[i].wrapper = *r.Kinesis
		}
		if records[i].Data == nil {
			return false, nil // another kind of record, such as S3's: a message as any
		}
	}
	for i, r := range records {
		record := Record{Name: fmt.Sprintf("record %d", i), SequenceNumber: r.SequenceNumber}
		if at := TimeMillis(r.Arrival); at > 0 {
			record.Arrival = time.UnixMilli(at).UTC()
		}
		if err := in.encoded(record, *r.Data); err != nil {
			return true, err
		}
	}
	return true, nil
}

// encoded hands on what is in base64.
func (in *input) encoded(r Record, data string) error {
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		fault := in.fault(0, fmt.Errorf("%s: the data is no base64: %w", r.Name, err))
		return handled(in.handler.Malformed([]byte(data), fault))
	}
	return in.record(r, decoded)
}

// record hands on the data of a record.
func (in *input) record(r Record, data []byte) error {
	r.Position, r.Data, r.layer = in.position(), data, in.layer
	r.Name = fmt.Sprintf("%s:%d: %s", in.name, in.line, r.Name)
	return handled(in.handler.Record(r))
}

// export unwraps what `aws logs get-log-events` and `filter-log-events` print.
func (in *input) export(members map[string]json.RawMessage) (known bool, err error) {
	var events []struct {
		ID            string          `json:"eventId"`
		LogStream     string          `json:"logStreamName"`
		Timestamp     json.RawMessage `json:"timestamp"`
		IngestionTime json.RawMessage `json:"ingestionTime"`
		Message       json.RawMessage `json:"message"`
	}
	if !decodes(members["events"], &events) || len(events) == 0 {
		return false, nil
	}
	for _, e := range events {
		if e.Message == nil || e.Timestamp == nil || e.IngestionTime == nil {
			return false, nil
		}
	}
	for _, e := range events {
		err := in.handler.Message(Message{
			Position: in.position(), ID: e.ID, LogStream: e.LogStream, Millis: TimeMillis(e.Timestamp), Text: MessageText(e.Message),
		})
		if err != nil {
			return true, handled(err)
		}
	}
	return true, nil
}
