package allinone

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// history is that of one run, the current one if none is named.
func (r *recorder) history(t *testing.T, id, runID string) []*historypb.HistoryEvent {
	t.Helper()
	var events []*historypb.HistoryEvent
	history := r.client.GetWorkflowHistory(t.Context(), id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		events = append(events, event)
	}
	return events
}

// keep writes the history of a workflow's current run. It must have activities of these types:
// a history that lacks what it was made for would show nothing.
func (r *recorder) keep(t *testing.T, id, name string, activities ...string) {
	t.Helper()
	r.keepRun(t, id, "", name, activities...)
}

func (r *recorder) keepRun(t *testing.T, id, runID, name string, activities ...string) {
	t.Helper()
	events := r.history(t, id, runID)
	for _, kind := range activities {
		require.NotEmpty(t, scheduled(events, kind), "%s of %s has no %s", name, id, kind)
	}
	kind := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
	secrets := append(secretsOf(append(tokensOf(t, r.stack), clientSecret, "r0tated-3141592653")...), logText)
	var out bytes.Buffer
	out.WriteString(`{"events":[`)
	for i, event := range events {
		requireNone(t, secrets, name, marshal(t, event))
		r.anonymise(t, event.ProtoReflect())
		text, err := protojson.Marshal(event)
		require.NoError(t, err)
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		require.NoError(t, json.Compact(&out, text)) // protojson varies its spaces
	}
	out.WriteString("\n]}\n")
	require.NoError(t, os.WriteFile(filepath.Join(*recordTo, kind+"-"+name+".json"), out.Bytes(), 0o600))
}

// anonymise replaces what is known of this machine, in strings and in payloads.
func (r *recorder) anonymise(t *testing.T, m protoreflect.Message) {
	t.Helper()
	host, err := os.Hostname()
	require.NoError(t, err)
	pid := regexp.MustCompile(`\d+@` + regexp.QuoteMeta(host) + `(@[^"\s]*)?`)
	queue := regexp.MustCompile(regexp.QuoteMeta(host) + `:[0-9a-f-]{36}`)
	known := strings.NewReplacer(
		r.dir, "/run",
		strings.TrimPrefix(r.api.URL(), "http://"), "analytics.example.com",
		strings.TrimPrefix(r.awsURL, "http://"), "aws.example.com",
		r.temporal.Address(), "temporal.example.com",
	)
	clean := func(text string) string {
		text = pid.ReplaceAllString(text, "1@host")
		return known.Replace(queue.ReplaceAllString(text, "host:sticky"))
	}
	var walk func(protoreflect.Message)
	value := func(fd protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
		switch fd.Kind() {
		case protoreflect.StringKind:
			return protoreflect.ValueOfString(clean(v.String()))
		case protoreflect.BytesKind:
			return protoreflect.ValueOfBytes([]byte(clean(string(v.Bytes()))))
		case protoreflect.MessageKind:
			walk(v.Message())
		}
		return v
	}
	walk = func(m protoreflect.Message) {
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case fd.IsList():
				for i := range v.List().Len() {
					v.List().Set(i, value(fd, v.List().Get(i)))
				}
			case fd.IsMap():
				v.Map().Range(func(k protoreflect.MapKey, entry protoreflect.Value) bool {
					v.Map().Set(k, value(fd.MapValue(), entry))
					return true
				})
			default:
				m.Set(fd, value(fd, v))
			}
			return true
		})
	}
	walk(m)
}
