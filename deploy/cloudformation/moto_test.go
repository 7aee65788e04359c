package cloudformation_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"
)

// notInMoto are the types of resources that moto leaves out of a stack, with a warning: nothing checks here that they can be
// made. cfn-lint has looked at their properties.
var notInMoto = []string{
	"AWS::ApiGateway::Account",
	"AWS::ApiGateway::Stage",
	"AWS::ApplicationAutoScaling::ScalableTarget",
	"AWS::ApplicationAutoScaling::ScalingPolicy",
	"AWS::CloudWatch::Alarm",
	"AWS::Logs::AccountPolicy",
	"AWS::Logs::MetricFilter",
	"AWS::Logs::SubscriptionFilter",
	"AWS::S3::BucketPolicy",
}

// moto is a moto_server that runs until the test ends.
type moto struct{ address string }

func startMoto(t *testing.T) moto {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("NOT CHECKED: there is no moto_server, so the stacks were not created; pip install 'moto[server,cloudformation]' brings it")
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var logged bytes.Buffer
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-H", "127.0.0.1", "-p", port)
	command.Stdout, command.Stderr = &logged, &logged
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it may be a script that starts another
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait() // killed
		if t.Failed() {
			t.Log(logged.String())
		}
	})
	m := moto{address}
	require.Eventually(t, func() bool {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		return connection.Close() == nil
	}, time.Minute, 100*time.Millisecond, "moto_server does not listen")
	return m
}

// call makes a request of a query API, and reads its answer.
func (m moto) call(t *testing.T, service, action string, parameters map[string]string, answer any) {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-15"}}
	for name, value := range parameters {
		form.Set(name, value)
	}
	body := form.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+m.address+"/", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), credentials, request, hex.EncodeToString(sum[:]), service, "eu-central-1", time.Now()))
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", action, text)
	require.NoError(t, xml.Unmarshal(text, answer), "%s", text)
}

// stack is what CloudFormation tells of one.
type stack struct {
	Status  string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
	Outputs []struct {
		OutputKey, OutputValue, ExportName string
	} `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
}

func (s stack) output(t *testing.T, key string) string {
	t.Helper()
	for _, output := range s.Outputs {
		if output.OutputKey == key {
			return output.OutputValue
		}
	}
	require.Fail(t, "no output", key)
	return ""
}

// create makes a stack of a template, and returns it with the types of what was made.
func (m moto) create(t *testing.T, name string, of stackTemplate, parameters map[string]string) (stack, map[string]bool) {
	t.Helper()
	body, err := json.Marshal(of.root)
	require.NoError(t, err)
	in := map[string]string{"StackName": name, "TemplateBody": string(body), "Capabilities.member.1": "CAPABILITY_NAMED_IAM"}
	for i, parameter := range slices.Sorted(maps.Keys(parameters)) {
		in[fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1)] = parameter
		in[fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1)] = parameters[parameter]
	}
	m.call(t, "cloudformation", "CreateStack", in, new(struct{}))
	var created stack
	m.call(t, "cloudformation", "DescribeStacks", map[string]string{"StackName": name}, &created)
	require.Equal(t, "CREATE_COMPLETE", created.Status)
	var resources struct {
		Types []string `xml:"ListStackResourcesResult>StackResourceSummaries>member>ResourceType"`
	}
	m.call(t, "cloudformation", "ListStackResources", map[string]string{"StackName": name}, &resources)
	made := map[string]bool{}
	for _, kind := range resources.Types {
		made[kind] = true
	}
	for logicalID, resource := range of.section("Resources") {
		if kind := resource.(object)["Type"].(string); !made[kind] && resource.(object)["Condition"] == nil && !slices.Contains(notInMoto, kind) {
			require.Fail(t, "a resource was not made", "%s, a %s", logicalID, kind)
		}
	}
	return created, made
}

// forMoto is a template in a form that moto understands: it knows no loops, leaves a null in a list where a condition chooses
// nothing, wants a method of an integration that has none, fails on a key's tags, and on references to what it does not make.
func (t stackTemplate) forMoto(parameters map[string]string, loop string) stackTemplate {
	resources := object{}
	for name, resource := range t.section("Resources") {
		adapted := t.withoutUnmade(world{t, parameters}.decided(substituted(resource, "LogGroup", loop))).(object)
		properties := adapted["Properties"].(object)
		switch adapted["Type"] {
		case "AWS::KMS::Key":
			delete(properties, "Tags")
		case "AWS::ApiGateway::Method":
			properties["Integration"].(object)["IntegrationHttpMethod"] = "POST"
			properties["Integration"].(object)["Uri"] = ""
		}
		resources[strings.Replace(name, "&{LogGroup}", "", 1)] = adapted
	}
	root := maps.Clone(t.root)
	delete(root, "Transform")
	root["Resources"] = resources
	return stackTemplate{t.name, root}
}

// withoutUnmade is a value whose texts do not refer to what moto does not make.
func (t stackTemplate) withoutUnmade(value any) any {
	switch v := value.(type) {
	case object:
		o := object{}
		for key, member := range v {
			o[key] = t.withoutUnmade(member)
		}
		return o
	case list:
		l := make(list, len(v))
		for i, item := range v {
			l[i] = t.withoutUnmade(item)
		}
		return l
	case string:
		return placeholder.ReplaceAllStringFunc(v, func(match string) string {
			name, _, attribute := strings.Cut(match[2:len(match)-1], ".")
			resource, _ := t.section("Resources")[name].(object)
			if kind, _ := resource["Type"].(string); attribute && slices.Contains(notInMoto, kind) {
				return name
			}
			return match
		})
	}
	return value
}

// decided is a value with what its conditions choose. All other functions stay.
func (w world) decided(value any) any {
	switch v := value.(type) {
	case object:
		switch name, argument, ok := function(v); {
		case ok && name == "Fn::If" && w.holds(argument.(list)[0].(string)):
			return w.decided(argument.(list)[1])
		case ok && name == "Fn::If":
			return w.decided(argument.(list)[2])
		case ok && name == "Ref" && argument == "AWS::NoValue":
			return nothing{}
		}
		o := object{}
		for key, member := range v {
			if result := w.decided(member); !isNothing(result) {
				o[key] = result
			}
		}
		return o
	case list:
		l := list{}
		for _, item := range v {
			if result := w.decided(item); !isNothing(result) {
				l = append(l, result)
			}
		}
		return l
	}
	return value
}

func isNothing(value any) bool { _, is := value.(nothing); return is }

func substituted(value any, name, by string) any {
	if function, argument, ok := function(value); ok && function == "Ref" && argument == name {
		return by
	}
	switch v := value.(type) {
	case object:
		o := object{}
		for key, member := range v {
			o[key] = substituted(member, name, by)
		}
		return o
	case list:
		l := make(list, len(v))
		for i, item := range v {
			l[i] = substituted(item, name, by)
		}
		return l
	}
	return value
}

// TestStacksAreCreated creates the stacks where moto_server is there, one after the other, and reads their outputs back.
func TestStacksAreCreated(t *testing.T) {
	t.Parallel()
	m := startMoto(t)
	parameters := map[string]string{
		"LogGroups": "/apigw/orders/access", "SampleApi": "true", "StreamMode": "PROVISIONED", "ShardCount": "3", "ConfigureApiGatewayAccount": "true",
	}
	ingest, made := m.create(t, "logpipe-ingest", readTemplate(t, ingestFile).forMoto(parameters, "/apigw/orders/access"), parameters)
	require.Subset(t, slices.Collect(maps.Keys(made)), []string{"AWS::Kinesis::Stream", "AWS::IAM::Role", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Method", "AWS::Logs::LogGroup"})
	require.Equal(t, "logpipe-logpipe", ingest.output(t, "StreamName"))
	require.Equal(t, "arn:aws:kinesis:eu-central-1:123456789012:stream/logpipe-logpipe", ingest.output(t, "StreamArn"))
	require.Contains(t, ingest.output(t, "StreamKeyArn"), "arn:aws:kms:eu-central-1:123456789012:key/")
	require.Contains(t, ingest.output(t, "SampleUrl"), ".execute-api.eu-central-1.amazonaws.com/sample/orders")

	parameters = with(exampleParameters(t), "ImageVersion", ":v1", "PermissionsBoundaryArn", "")
	pipeline, made := m.create(t, "logpipe", readTemplate(t, pipelineFile).forMoto(parameters, ""), parameters)
	require.Subset(t, slices.Collect(maps.Keys(made)), []string{"AWS::S3::Bucket", "AWS::ECS::Service", "AWS::ECS::TaskDefinition", "AWS::IAM::Role", "AWS::EC2::SecurityGroup"})
	require.Equal(t, "logpipe-logpipe-123456789012-eu-central-1", pipeline.output(t, "StageBucketName"))
	require.Equal(t, "/logpipe/logpipe/client-secret", pipeline.output(t, "ClientSecretParameter"))
	require.Equal(t, "logpipe-logpipe", pipeline.output(t, "ClusterName"))
	require.Contains(t, pipeline.output(t, "StarterTaskDefinition"), "task-definition/logpipe-logpipe-starter:1")
	require.Contains(t, pipeline.output(t, "KeyArn"), "arn:aws:kms:eu-central-1:123456789012:key/")
}
