package workflows_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// Open workflows hold what earlier versions of this program wrote, and replaying
// their histories does not show that a field of an activity's input was renamed. So
// testdata/contract has what is in histories, one file for each type, and today's
// code must read it.

var update = flag.Bool("update", false, "add new types and new fields to the golden files")

const contractDir = "testdata/contract"

// contract is every type that is written to a history.
var contract = []any{
	workflows.AcquireTokenInput{},
	workflows.BackfillInput{},
	workflows.BackfillProgress{},
	workflows.BackfillRequest{},
	workflows.BackfillResult{},
	workflows.BackfillShardInput{},
	workflows.BackfillState{},
	workflows.Batch{},
	workflows.BatchPart{},
	workflows.ChainStart{},
	workflows.ClearStageInput{},
	workflows.Clocks{},
	workflows.DeliverBatchInput{},
	workflows.DeliverBatchResult{},
	workflows.DeliverBatchesInput{},
	workflows.DeliverBatchesResult{},
	workflows.DeliveryFailure{},
	workflows.DeliveryOutcome{},
	workflows.FlushProgress{},
	workflows.FlushTrouble{},
	workflows.FlushWindowInput{},
	workflows.FlushWindowResult{},
	workflows.FormatLogsInput{},
	workflows.FormatLogsResult{},
	workflows.Gap{},
	workflows.GapsMemo{},
	workflows.KeepDiscardedInput{},
	workflows.KnownShard{},
	workflows.LeaseSummary{},
	workflows.ListShardsInput{},
	workflows.ListShardsResult{},
	workflows.ParkedPart{},
	workflows.PlanBackfillInput{},
	workflows.PlanBackfillResult{},
	workflows.PollOptions{},
	workflows.PollShardHeartbeat{},
	workflows.PollShardInput{},
	workflows.PollShardResult{},
	workflows.Progress{},
	workflows.Quarantined{},
	workflows.ReaderStart{},
	workflows.RefreshTokenInput{},
	workflows.Refusal{},
	workflows.RefusedPart{},
	workflows.ResolveStartInput{},
	workflows.ResolveStartResult{},
	workflows.Shard{},
	workflows.ShardDrained{},
	workflows.ShardReaderInput{},
	workflows.SplitBatchInput{},
	workflows.SplitBatchResult{},
	workflows.StartReadersInput{},
	workflows.StartReadersResult{},
	workflows.StreamReaderInput{},
	workflows.SweepStageInput{},
	workflows.SweepStageResult{},
	workflows.TokenFailure{},
	workflows.TokenKeeperInput{},
	workflows.TokenKeeperState{},
	workflows.TokenTrouble{},
	workflows.TokenVersion{},
	workflows.WaitingCounts{},
	workflows.WatchClientSecretInput{},
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, zero := range contract {
		kind := reflect.TypeOf(zero)
		t.Run(kind.Name(), func(t *testing.T) {
			t.Parallel()
			full := reflect.New(kind)
			fill(t, full.Elem(), kind.Name())
			today := encode(t, full.Elem().Interface())

			path := filepath.Join(contractDir, kind.Name()+".json")
			golden, err := os.ReadFile(path)
			switch {
			case os.IsNotExist(err) && *update:
				golden = today
			case err != nil:
				t.Fatalf("%v: go test ./workflows -run TestContract -update writes it", err)
			}
			requireNothingLost(t, kind.Name(), golden, today)
			if *update {
				require.NoError(t, os.MkdirAll(contractDir, 0o750))
				require.NoError(t, os.WriteFile(path, today, 0o600))
				golden = today
			}
			require.Equal(t, string(golden), string(today), "fields were added: -update adds them to the golden file, too")

			read := reflect.New(kind)
			payload := &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: golden}
			require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, read.Interface()))
			require.Equal(t, full.Elem().Interface(), read.Elem().Interface())
		})
	}
}

// TestContractIsComplete: a new struct is in the list above, and so has its file.
func TestContractIsComplete(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, zero := range contract {
		listed = append(listed, reflect.TypeOf(zero).Name())
	}
	require.True(t, slices.IsSorted(listed))
	require.Equal(t, exportedStructs(t), listed)

	files, err := filepath.Glob(filepath.Join(contractDir, "*.json"))
	require.NoError(t, err)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	require.Equal(t, listed, files, "a type that is in histories is never removed")
}

// exportedStructs are those of this package, in order. It exports no other structs
// than inputs, results and what they are made of.
func exportedStructs(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if _, isStruct := spec.Type.(*ast.StructType); isStruct && spec.Name.IsExported() {
				names = append(names, spec.Name.Name)
			}
			return false
		})
	}
	slices.Sort(names)
	return names
}

// encode is what the data converter writes, on several lines.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	require.NoError(t, err)
	require.Equal(t, converter.MetadataEncodingJSON, string(payload.GetMetadata()[converter.MetadataEncoding]))
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, payload.GetData(), "", "  "))
	out.WriteByte('\n')
	return out.Bytes()
}

// requireNothingLost checks that all that old has is in today, under the same names
// and with the same values. This holds under -update, too: whoever renames a field
// that is in histories has to break the contract by hand.
func requireNothingLost(t *testing.T, name string, old, today []byte) {
	t.Helper()
	var before, after any
	require.NoError(t, json.Unmarshal(old, &before))
	require.NoError(t, json.Unmarshal(today, &after))
	compareContract(t, name, before, after)
}

func compareContract(t *testing.T, at string, before, after any) {
	t.Helper()
	switch before := before.(type) {
	case map[string]any:
		now, ok := after.(map[string]any)
		require.True(t, ok, "%s is no longer an object", at)
		for field, value := range before {
			require.Contains(t, now, field, "%s.%s is in histories and can be neither renamed nor removed", at, field)
			compareContract(t, at+"."+field, value, now[field])
		}
	case []any:
		now, ok := after.([]any)
		require.True(t, ok, "%s is no longer a list", at)
		require.Len(t, now, len(before), at)
		for i, value := range before {
			compareContract(t, fmt.Sprintf("%s[%d]", at, i), value, now[i])
		}
	default:
		require.Equal(t, before, after, "%s is in histories and cannot change its type", at)
	}
}

// fill sets every field to a value that is not its zero value. A value depends only on
// the name that the field has in JSON, so that neither a new field nor another name in
// Go changes it.
func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	number := int64(1)
	for _, c := range name {
		number = (number*31 + int64(c)) % 9973
	}
	number++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC).Add(time.Duration(number) * time.Millisecond)))
		return
	case time.Duration:
		v.SetInt(number * int64(time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(number)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), fmt.Sprintf("%s-%d", name, i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			require.True(t, field.IsExported(), "%s.%s is not exported, so it is not in histories", v.Type(), field.Name)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			fill(t, v.Field(i), name)
		}
	case reflect.Float64:
		v.SetFloat(float64(number) / 2)
	default:
		t.Fatalf("%s has a field %s of type %s, which this test cannot fill", v.Type(), name, v.Type())
	}
	require.False(t, v.IsZero(), name)
}

// TestNamesAreInHistories: these are written out here so that no renaming of a
// constant goes unseen.
func TestNamesAreInHistories(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"StreamReader": workflows.StreamReaderName,
		"ShardReader":  workflows.ShardReaderName,
		"FlushWindow":  workflows.FlushWindowName,
		"TokenKeeper":  workflows.TokenKeeperName,

		"ListShards":        workflows.ListShardsName,
		"ResolveStart":      workflows.ResolveStartName,
		"PollShard":         workflows.PollShardName,
		"FormatLogs":        workflows.FormatLogsName,
		"AcquireToken":      workflows.AcquireTokenName,
		"RefreshToken":      workflows.RefreshTokenName,
		"WatchClientSecret": workflows.WatchClientSecretName,
		"DeliverBatch":      workflows.DeliverBatchName,
		"SplitBatch":        workflows.SplitBatchName,
		"ClearStage":        workflows.ClearStageName,
		"Backfill":          workflows.BackfillName,
		"PlanBackfill":      workflows.PlanBackfillName,
		"BackfillShard":     workflows.BackfillShardName,
		"KeepDiscarded":     workflows.KeepDiscardedName,
		"StartReaders":      workflows.StartReadersName,
		"SweepStage":        workflows.SweepStageName,

		"shard-drained": workflows.SignalShardDrained,
		"redrive":       workflows.SignalRedrive,
		"set-paused":    workflows.SignalSetPaused,
		"resume":        workflows.SignalResume,
		"discard":       workflows.SignalDiscard,
		"skip-gap":      workflows.SignalSkipGap,
		"refresh":       workflows.UpdateRefresh,
		"retry":         workflows.SignalRetry,
		"state":         workflows.QueryState,

		"TokenRefused":           workflows.ErrorTokenRefused,
		"DestinationRefused":     workflows.ErrorDestinationRefused,
		"BatchTooLarge":          workflows.ErrorBatchTooLarge,
		"DestinationUnavailable": workflows.ErrorDestinationUnavailable,
		"StageObject":            workflows.ErrorStageObject,
		"TokenUnavailable":       workflows.ErrorTokenUnavailable,
		"TokenEndpoint":          workflows.ErrorTokenEndpoint,
		"TokenClientRefused":     workflows.ErrorTokenClientRefused,

		"lastSequenceNumber": workflows.MemoLastSequenceNumber,
		"records":            workflows.MemoRecords,
		"gaps":               workflows.MemoGaps,

		"AT_SEQUENCE_NUMBER":    string(workflows.StartAtSequenceNumber),
		"AFTER_SEQUENCE_NUMBER": string(workflows.StartAfterSequenceNumber),
		"AT_TIMESTAMP":          string(workflows.StartAtTimestamp),
		"trimmed":               string(workflows.GapTrimmed),
		"position":              string(workflows.GapPosition),
		"shard_gone":            string(workflows.GapShardGone),
		"forgotten":             string(workflows.GapForgotten),
		"continue":              string(workflows.GapContinue),
		"fail":                  string(workflows.GapFail),
		"room":                  string(workflows.WaitingForRoom),
		"memory":                string(workflows.WaitingForMemory),
		"throttle":              string(workflows.WaitingForThrottle),
		"stream":                string(workflows.WaitingForStream),
		"waiting":               string(workflows.ShardWaiting),
		"reading":               string(workflows.ShardReading),
		"drained":               string(workflows.ShardIsRead),
	} {
		require.Equal(t, want, got)
	}
}
