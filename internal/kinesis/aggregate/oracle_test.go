package aggregate_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

// aggregatedRecord is the message as the Kinesis Producer Library declares it, for
// the protobuf library to read and write.
var aggregatedRecord = describe()

func describe() protoreflect.MessageDescriptor {
	type (
		label = descriptorpb.FieldDescriptorProto_Label
		kind  = descriptorpb.FieldDescriptorProto_Type
	)
	const (
		optional = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		required = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED
		repeated = descriptorpb.FieldDescriptorProto_LABEL_REPEATED

		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		number  = descriptorpb.FieldDescriptorProto_TYPE_UINT64
		raw     = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	field := func(n int32, l label, k kind, name, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &n, Label: &l, Type: &k}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("kpl.proto"), Syntax: new("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("AggregatedRecord"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, repeated, text, "partition_key_table", ""),
				field(2, repeated, text, "explicit_hash_key_table", ""),
				field(3, repeated, message, "records", ".Record"),
			}},
			{Name: new("Record"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, required, number, "partition_key_index", ""),
				field(2, optional, number, "explicit_hash_key_index", ""),
				field(3, required, raw, "data", ""),
				field(4, repeated, message, "tags", ".Tag"),
			}},
			{Name: new("Tag"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, required, text, "key", ""),
				field(2, optional, text, "value", ""),
			}},
		},
	}, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().ByName("AggregatedRecord")
}

func get(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(name))
}

func set(m protoreflect.Message, name protoreflect.Name, value any) {
	m.Set(m.Descriptor().Fields().ByName(name), protoreflect.ValueOf(value))
}

func list(m protoreflect.Message, name protoreflect.Name) protoreflect.List {
	return m.Mutable(m.Descriptor().Fields().ByName(name)).List()
}

// TestOpenWhatProtobufWrites: what the protobuf library encodes is read as it was meant.
func TestOpenWhatProtobufWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 30).Draw(t, "data")
		whole := dynamicpb.NewMessage(aggregatedRecord)
		want := []string{}
		for i, d := range data {
			want = append(want, string(d))
			records := list(whole, "records")
			record := records.NewElement().Message()
			key := uint64(i)
			if rapid.Bool().Draw(t, "shared key") {
				key = 0
			}
			set(record, "partition_key_index", key)
			set(record, "data", d)
			if rapid.Bool().Draw(t, "hash key") {
				set(record, "explicit_hash_key_index", uint64(0))
			}
			for range rapid.IntRange(0, 2).Draw(t, "tags") {
				tags := list(record, "tags")
				tag := tags.NewElement().Message()
				set(tag, "key", rapid.String().Draw(t, "tag"))
				tags.Append(protoreflect.ValueOfMessage(tag))
			}
			records.Append(protoreflect.ValueOfMessage(record))
			list(whole, "partition_key_table").Append(protoreflect.ValueOfString(fmt.Sprint("key", i)))
		}
		list(whole, "explicit_hash_key_table").Append(protoreflect.ValueOfString("340282366920938463463374607431768211455"))
		message, err := proto.Marshal(whole)
		require.NoError(t, err)
		a, err := aggregate.Open(aggregatetest.Seal(message))
		require.NoError(t, err)
		got := []string{}
		for _, d := range a.UserRecords() {
			got = append(got, string(d))
		}
		require.Equal(t, want, got)
	})
}

// FuzzOpen holds Open against the protobuf library: what that can read, Open reads
// alike. Open may read more, where only keys are wrong, but never past the end.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(nil))
	for _, sealed := range [][]byte{
		aggregatetest.Pack(), aggregatetest.Pack([]byte("one")), aggregatetest.Pack([]byte("one"), nil, []byte("three")),
	} {
		f.Add(sealed[len(aggregate.Magic) : len(sealed)-16])
	}
	f.Add(unhex(f, `23 08 01 24  1a 0d 08 00 1a 02 68 69 22 05 0a 01 6b 12 00`))
	f.Add(unhex(f, `1a 06 1a 01 61 1a 01 62  1a 83 00 1a 01 61`))
	f.Fuzz(func(t *testing.T, message []byte) {
		// Open is handed whatever the fuzzer likes, and the same with a right checksum.
		if _, err := aggregate.Open(message); err == nil && !bytes.HasPrefix(message, []byte(aggregate.Magic)) {
			t.Fatal("took an aggregate from something else")
		}
		a, err := aggregate.Open(aggregatetest.Seal(message))
		if err != nil && !errors.Is(err, aggregate.ErrMalformed) {
			t.Fatalf("a sealed message is refused with %v", err)
		}
		got := contents(t, a)

		whole := dynamicpb.NewMessage(aggregatedRecord)
		if proto.Unmarshal(message, whole) != nil {
			return
		}
		if hasUnknownRecords(whole) {
			require.Error(t, err, "a field of another type stands where a user record should")
			return
		}
		require.NoError(t, err)
		records := get(whole, "records").List()
		want := []string{}
		for i := range records.Len() {
			want = append(want, string(get(records.Get(i).Message(), "data").Bytes()))
		}
		require.Equal(t, want, got)
	})
}

// hasUnknownRecords tells whether the protobuf library has set a user record or its
// data aside because it is of another type: Open refuses what would be lost so.
func hasUnknownRecords(whole protoreflect.Message) bool {
	if refused(whole.GetUnknown()) {
		return true
	}
	records := get(whole, "records").List()
	for i := range records.Len() {
		if refused(records.Get(i).Message().GetUnknown()) {
			return true
		}
	}
	return false
}

func refused(unknown protoreflect.RawFields) bool {
	for len(unknown) > 0 {
		number, _, n := protowire.ConsumeField(unknown)
		if number == 3 {
			return true
		}
		unknown = unknown[n:]
	}
	return false
}
