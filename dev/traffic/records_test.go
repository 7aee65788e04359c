package traffic

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// made are the records of so many requests.
func made(t testing.TB, c RecordsConfig, requests int) (records []SubscriptionRecord, events int) {
	t.Helper()
	r, err := NewRecords(c)
	require.NoError(t, err)
	put := func(record SubscriptionRecord) error {
		records = append(records, record)
		return nil
	}
	for n := range requests {
		added, err := r.Request(time.UnixMilli(1_790_000_000_000+int64(n)), put)
		require.NoError(t, err)
		events += added
	}
	require.NoError(t, r.Flush(put))
	require.NoError(t, r.Flush(put), "a second time there is nothing")
	return records, events
}

func inflated(t testing.TB, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	return text
}

// TestRecords: each event is in one record under an id of its own, and records look like
// those of a subscription filter.
func TestRecords(t *testing.T) {
	t.Parallel()
	for _, mix := range Mixes() {
		t.Run(string(mix), func(t *testing.T) {
			t.Parallel()
			ids := map[string]bool{}
			total := 0
			for part := range uint64(2) {
				records, events := made(t, RecordsConfig{Mix: mix, Seed: 7, Part: part, Events: 40}, 300)
				total += events
				full := 0
				for _, record := range records {
					require.Equal(t, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}, record.Data[:10])
					text := inflated(t, record.Data)
					require.True(t, bytes.HasPrefix(text, []byte(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":`)))
					var envelope struct {
						MessageType         string   `json:"messageType"`
						Owner               string   `json:"owner"`
						LogGroup            string   `json:"logGroup"`
						LogStream           string   `json:"logStream"`
						SubscriptionFilters []string `json:"subscriptionFilters"`
						LogEvents           []struct {
							ID        string `json:"id"`
							Timestamp int64  `json:"timestamp"`
							Message   string `json:"message"`
						} `json:"logEvents"`
					}
					decoder := json.NewDecoder(bytes.NewReader(text))
					decoder.DisallowUnknownFields()
					require.NoError(t, decoder.Decode(&envelope))
					require.Equal(t, []string{record.Owner, record.LogGroup, record.LogStream, "to-kinesis"},
						append([]string{envelope.Owner, envelope.LogGroup, envelope.LogStream}, envelope.SubscriptionFilters...))
					size := 0
					for i, e := range envelope.LogEvents {
						require.Regexp(t, `^\d{56}$`, e.ID)
						require.Equal(t, record.EventIDs[i], e.ID)
						require.False(t, ids[e.ID])
						ids[e.ID] = true
						require.Positive(t, e.Timestamp)
						size += len(e.Message)
					}
					require.Len(t, record.EventIDs, len(envelope.LogEvents))
					require.Equal(t, record.TextBytes, size)
					if len(record.EventIDs) >= 40 {
						full++
					}
				}
				require.Positive(t, full)
			}
			require.Len(t, ids, total)
		})
	}
}

func TestRecordsRepeat(t *testing.T) {
	t.Parallel()
	c := RecordsConfig{Mix: AccessJSON, Seed: 3}
	first, _ := made(t, c, 100)
	second, _ := made(t, c, 100)
	require.Len(t, second, len(first))
	for i := range first {
		// The log streams of HTTP APIs carry the time of the run.
		require.Equal(t, first[i].EventIDs, second[i].EventIDs)
		require.Equal(t, first[i].TextBytes, second[i].TextBytes)
	}
	c.Part = 1
	other, _ := made(t, c, 100)
	require.NotEqual(t, first[0].Data, other[0].Data)
}

func TestRecordsConfig(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]RecordsConfig{
		"no traffic mix is called":   {Mix: "x"},
		"5001 events of a record":    {Events: 5001},
		"a part is numbered from 0 ": {Part: 1000},
	} {
		_, err := NewRecords(c)
		require.ErrorContains(t, err, says)
	}
}

func BenchmarkRecords(b *testing.B) {
	r, err := NewRecords(RecordsConfig{Mix: AccessJSON, Seed: 1})
	require.NoError(b, err)
	size := 0
	put := func(record SubscriptionRecord) error {
		size += record.TextBytes
		return nil
	}
	for b.Loop() {
		if _, err := r.Request(time.UnixMilli(1_790_000_000_000), put); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size / b.N))
}
