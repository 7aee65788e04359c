package envelope

// Reason says why a part of a record could not be delivered. Both fields are
// constants and hold nothing of the log's content, so a reason may be shown,
// stored and counted anywhere.
type Reason struct {
	// Code is stable and meant for machines: metrics, filters, tests.
	Code string `json:"code"`
	// Text is one sentence for people.
	Text string `json:"text"`
}

// The reasons for which the decoder reports a fault.
var (
	ReasonEmptyRecord = Reason{"empty_record",
		"the record holds no data"}
	ReasonUnknownEncoding = Reason{"unknown_encoding",
		"the record is neither gzip nor zlib nor JSON"}
	ReasonAggregateChecksum = Reason{"aggregate_checksum",
		"the record begins like an aggregate of the Kinesis Producer Library and has another checksum: it is damaged, or something else"}
	ReasonAggregateMalformed = Reason{"aggregate_malformed",
		"the record is an aggregate of the Kinesis Producer Library whose message cannot be read: its producer made it so"}
	ReasonAggregateNested = Reason{"aggregate_nested",
		"the user record is an aggregate itself"}
	ReasonCorruptCompression = Reason{"corrupt_compression",
		"the compressed data is damaged or cut off"}
	ReasonInflatedLimit = Reason{"inflated_limit",
		"the record inflates to more than the configured limit"}
	ReasonRatioLimit = Reason{"ratio_limit",
		"the record inflates by more than the configured ratio"}
	ReasonValueLimit = Reason{"value_limit",
		"a log event, or what has to be known before its envelope's log events, is longer than is held in memory"}
	ReasonInvalidJSON = Reason{"invalid_json",
		"the data is not valid JSON from this position on"}
	ReasonTruncatedJSON = Reason{"truncated_json",
		"the data ends in the middle of a JSON value"}
	ReasonNotAnEnvelope = Reason{"not_an_envelope",
		"the JSON value is not an object"}
	ReasonMissingMessageType = Reason{"missing_message_type",
		"the envelope has no messageType"}
	ReasonUnknownMessageType = Reason{"unknown_message_type",
		"the envelope's messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE"}
	ReasonMissingLogGroup = Reason{"missing_log_group",
		"the envelope has no logGroup or an empty one"}
	ReasonMissingLogStream = Reason{"missing_log_stream",
		"the envelope has no logStream or an empty one"}
	ReasonInvalidLogEvents = Reason{"invalid_log_events",
		"the envelope's logEvents is not an array"}
	ReasonInvalidEvent = Reason{"invalid_event",
		"the log event is not a JSON object"}
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{
		ReasonEmptyRecord, ReasonUnknownEncoding, ReasonAggregateChecksum, ReasonAggregateMalformed, ReasonAggregateNested, ReasonCorruptCompression,
		ReasonInflatedLimit, ReasonRatioLimit, ReasonValueLimit, ReasonInvalidJSON, ReasonTruncatedJSON, ReasonNotAnEnvelope, ReasonMissingMessageType,
		ReasonUnknownMessageType, ReasonMissingLogGroup, ReasonMissingLogStream, ReasonInvalidLogEvents, ReasonInvalidEvent,
	}
}

// Fault is a part of a record that could not be decoded.
type Fault struct {
	Reason Reason
	// UserRecord says which user record of an aggregate the part is of, counting
	// from 1; 0 for a record that is none, or an aggregate as a whole.
	UserRecord int
	// Offset is where the part begins, in bytes of the inflated record or user
	// record.
	Offset int64
	// Shift is added to an offset in Data for that in the record or user record. It is
	// negative where Data has more around the part than the record had.
	Shift int64
	// Data is the part, in a form the decoder accepts as a record's data: a
	// value of the record, a single log event in an envelope of its own, or
	// the record as stored. It is valid only during the call.
	Data []byte
	// Stored tells that Data is the whole record or user record as stored,
	// because the part could not be cut out of it. What stands before Offset was
	// decoded.
	Stored bool
	// Events counts the log events in the part, as far as they could be told
	// apart.
	Events int
}
