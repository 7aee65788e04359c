package cloudformation_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// blobActions are what the S3 driver of the blob library needs for the methods of a bucket, by its source. Objects of more
// than some MB are uploaded in parts, and an upload that fails is aborted.
var blobActions = map[string][]string{
	"blob.Upload":    {"s3:PutObject", "s3:AbortMultipartUpload"},
	"blob.NewWriter": {"s3:PutObject", "s3:AbortMultipartUpload"},
	"blob.WriteAll":  {"s3:PutObject", "s3:AbortMultipartUpload"},
	"blob.NewReader": {"s3:GetObject"},
	"blob.ReadAll":   {"s3:GetObject"},
	"blob.Delete":    {"s3:DeleteObject"},
	"blob.List":      {"s3:ListBucket"},
	"blob.Close":     {},
}

// keyActions are what the KMS key of the data needs beside an action.
var keyActions = map[string][]string{
	"kinesis:GetRecords": {"kms:Decrypt"},
	"s3:GetObject":       {"kms:Decrypt"},
	"s3:PutObject":       {"kms:GenerateDataKey", "kms:Decrypt"}, // the latter for uploads in parts
	"ssm:GetParameter":   {"kms:Decrypt"},
	"ssm:PutParameter":   {"kms:Encrypt", "kms:GenerateDataKey"}, // for standard and for advanced parameters
}

// permitted are operations that AWS asks no permission for.
var permitted = map[string]bool{"sts.GetCallerIdentity": true}

// needed are the actions that calls need.
func needed(calls map[string]string, f *faults) map[string]string {
	actions := map[string]string{}
	add := func(action, at string) {
		actions[action] = at
		for _, more := range keyActions[action] {
			actions[more] = at
		}
	}
	for operation, at := range calls {
		if permitted[operation] {
			continue
		}
		if strings.HasPrefix(operation, "blob.") {
			of, known := blobActions[operation]
			if !known {
				f.add("%s: what S3 is asked for by %s is not known: add it to blobActions", at, operation)
			}
			for _, action := range of {
				add(action, at)
			}
			continue
		}
		add(strings.Replace(operation, ".", ":", 1), at)
	}
	return actions
}

// allowed are the actions that a role of the template has.
func (t stackTemplate) allowed(role string) map[string]bool {
	actions := map[string]bool{}
	for _, s := range t.statements() {
		if strings.HasPrefix(s.where, "."+role+".") && s.effect == "Allow" && !s.trust {
			for _, action := range s.actions {
				actions[action] = true
			}
		}
	}
	return actions
}

// checkCalls: a role allows what its process calls, and nothing else.
func checkCalls(t stackTemplate, role string, calls map[string]string) (f faults) {
	need, have := needed(calls, &f), t.allowed(role)
	for action, at := range need {
		if !have[action] {
			f.add("%s calls for %s, which %s does not allow", at, action, role)
		}
	}
	for action := range have {
		if need[action] == "" {
			f.add("%s allows %s, which nobody calls for", role, action)
		}
	}
	return f
}

func TestRolesAllowWhatIsCalled(t *testing.T) {
	t.Parallel()
	p, pipeline := theProgram(t), readTemplate(t, pipelineFile)
	starter, worker := p.calls(p.of("starter")), p.calls(p.of("worker"))
	require.Empty(t, checkCalls(pipeline, "StarterRole", starter))
	require.Empty(t, checkCalls(pipeline, "WorkerRole", worker))
	require.Subset(t, slices.Collect(maps.Keys(starter)), []string{"kinesis.GetRecords", "kinesis.ListShards", "blob.Upload"}, "calls are found")
	require.Subset(t, slices.Collect(maps.Keys(worker)), []string{"ssm.PutParameter", "blob.NewReader"}, "calls are found")

	found(t, checkCalls(changed(t, pipelineFile, "Action: ssm:PutParameter", "Action: ssm:PutParameters"), "WorkerRole", worker), "calls for ssm:PutParameter,")
	found(t, checkCalls(changed(t, pipelineFile, "kinesis:ListShards]", "kinesis:ListShards, kinesis:PutRecord]"), "StarterRole", starter), "allows kinesis:PutRecord,")
	found(t, checkCalls(changed(t, pipelineFile, "[s3:AbortMultipartUpload, s3:DeleteObject, ", "[s3:AbortMultipartUpload, "), "StarterRole", starter), "calls for s3:DeleteObject,")
	found(t, checkCalls(changed(t, pipelineFile, "Action: [kms:Decrypt, kms:GenerateDataKey]", "Action: [kms:Decrypt]"), "StarterRole", starter), "calls for kms:GenerateDataKey,")
}

// TestNewCallsAreFound: in whatever way the SDK is called.
func TestNewCallsAreFound(t *testing.T) {
	t.Parallel()
	p, pipeline := theProgram(t), readTemplate(t, pipelineFile)
	planted := p.calls(sourceOf(t, p, `package planted
import (
	"context"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"gocloud.dev/blob"
)
type parameters interface {
	DeleteParameter(context.Context, *ssm.DeleteParameterInput, ...func(*ssm.Options)) (*ssm.DeleteParameterOutput, error)
}
func f(ctx context.Context, k *kinesis.Client, p parameters, s *ssm.Client, b *blob.Bucket) {
	k.PutRecord(ctx, nil)
	p.DeleteParameter(ctx, &ssm.DeleteParameterInput{})
	ssm.NewGetParametersByPathPaginator(s, nil)
	g := k.MergeShards
	g(ctx, nil)
	b.Copy(ctx, "", "", nil)
}`))
	require.ElementsMatch(t, []string{"kinesis.PutRecord", "ssm.DeleteParameter", "ssm.GetParametersByPath", "kinesis.MergeShards", "blob.Copy"}, slices.Collect(maps.Keys(planted)))
	got := checkCalls(pipeline, "WorkerRole", planted)
	found(t, got, "calls for kinesis:PutRecord, which WorkerRole does not allow")
	found(t, got, "by blob.Copy is not known")
}

// TestCommandsNeedNoMore: what people run on ECS, as one-off tasks, has the role of a starter or a worker.
func TestCommandsNeedNoMore(t *testing.T) {
	t.Parallel()
	p, pipeline := theProgram(t), readTemplate(t, pipelineFile)
	var f faults
	need := needed(p.calls(p.of("commands")), &f)
	have := pipeline.allowed("StarterRole")
	maps.Copy(have, pipeline.allowed("WorkerRole"))
	for action, at := range need {
		if !have[action] {
			f.add("%s calls for %s, which no role allows", at, action)
		}
	}
	require.Empty(t, f)
}
