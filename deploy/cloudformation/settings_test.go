package cloudformation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// container is what a task runs.
type container struct {
	object
	process     string
	environment map[string]string
	secrets     map[string]string
}

// containers are those of the template's tasks, by process, as the parameters have them.
func (t stackTemplate) containers(parameters map[string]string) map[string]container {
	all := map[string]container{}
	for _, value := range t.resources("AWS::ECS::TaskDefinition") {
		task := world{t, parameters}.evaluate(value).(object)
		for _, item := range task["ContainerDefinitions"].(list) {
			c := container{object: item.(object), environment: map[string]string{}, secrets: map[string]string{}}
			c.process = texts(c.object["Command"])[0]
			for _, variable := range c.object["Environment"].(list) {
				c.environment[variable.(object)["Name"].(string)] = fmt.Sprint(variable.(object)["Value"])
			}
			secrets, _ := c.object["Secrets"].(list)
			for _, secret := range secrets {
				c.secrets[secret.(object)["Name"].(string)] = fmt.Sprint(secret.(object)["ValueFrom"])
			}
			all[c.process] = c
		}
	}
	return all
}

// exampleParameters are those of the file that people copy.
func exampleParameters(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("parameters/example.json")
	require.NoError(t, err)
	var file struct{ Parameters map[string]string }
	require.NoError(t, json.Unmarshal(text, &file))
	return file.Parameters
}

// temporalVariables are those that docs/configuration.md lists.
func temporalVariables(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, name := range regexp.MustCompile("`(TEMPORAL_[A-Z_]+)`").FindAllStringSubmatch(string(text), -1) {
		names[name[1]] = true
	}
	names["TEMPORAL_TLS_SERVER_CA_CERT_DATA"] = true // "or …_DATA"
	return names
}

// checkSettings: each process gets settings that there are, those that it requires, with values that it takes.
func checkSettings(t stackTemplate, parameters map[string]string, temporal map[string]bool) (f faults) {
	roles := map[string]config.Role{"starter": config.RoleStarter, "worker": config.RoleWorker}
	containers := t.containers(parameters)
	if len(containers) != len(roles) {
		f.add("there are %d containers, not one for each process", len(containers))
	}
	settings := map[string]config.Setting{}
	for _, s := range config.Describe() {
		settings[s.Env()] = s
	}
	for process, c := range containers {
		role, known := roles[process]
		if !known {
			f.add("logpipe has no process %s", process)
		}
		// What CloudFormation fills in when it deploys.
		filled := strings.NewReplacer("${AWS::Region}", "eu-central-1", "${StageBucket}", "stage",
			"${import ", "arn:aws:kinesis:eu-central-1:123456789012:stream/", "-StreamArn}", "", "${Key.Arn}", "arn:aws:kms:eu-central-1:123456789012:key/k")
		var environ []string
		for name, value := range c.environment {
			_, isSetting := settings[name]
			if !isSetting && !temporal[name] && name != "AWS_REGION" {
				f.add("%s: %s is no setting", process, name)
			}
			environ = append(environ, name+"="+filled.Replace(value))
		}
		if _, err := config.Load(role, "", environ); err != nil {
			f.add("%s does not start: %v", process, err)
		}
		for name := range c.secrets {
			if !temporal[name] {
				f.add("%s: %s is no variable of Temporal's", process, name)
			}
		}
		for name := range c.environment {
			if strings.HasSuffix(name, "_KEY_DATA") || strings.HasSuffix(name, "_CERT_DATA") || strings.HasSuffix(name, "_API_KEY") {
				f.add("%s: %s is a secret and stands in the task definition", process, name)
			}
		}
		for _, need := range []string{"LOGPIPE_METRICS_LISTEN", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "AWS_REGION"} {
			if c.environment[need] == "" {
				f.add("%s lacks %s", process, need)
			}
		}
	}
	return f
}

func TestSettings(t *testing.T) {
	t.Parallel()
	temporal, example := temporalVariables(t), exampleParameters(t)
	read := readTemplate(t, pipelineFile)
	for name := range example {
		require.Contains(t, read.section("Parameters"), name, "a parameter of the example")
	}
	require.Empty(t, checkSettings(read, example, temporal))
	require.Equal(t, example["TemporalApiKeySecretArn"], read.containers(example)["worker"].secrets["TEMPORAL_API_KEY"])
	login := with(example, "TokenSource", "login", "TokenLoginBody", `{"user":"{client_id}","password":"{client_secret}"}`)
	require.Empty(t, checkSettings(read, login, temporal))
	require.Empty(t, checkSettings(read, with(example, "TokenSource", "external", "TokenUrl", "", "ClientId", ""), temporal))
	mtls := with(example, "TemporalAuth", "MTLS", "TemporalClientCertSecretArn", "cert", "TemporalClientKeySecretArn", "key", "TemporalServerCaSecretArn", "ca", "TemporalServerName", "t")
	require.Empty(t, checkSettings(read, mtls, temporal))
	require.Len(t, read.containers(mtls)["starter"].secrets, 3)

	for planted, want := range map[[2]string]string{
		{"Name: LOGPIPE_ON_GAP", "Name: LOGPIPE_ON_GAPS"}:                                                          "LOGPIPE_ON_GAPS is no setting",
		{"Name: TEMPORAL_NAMESPACE", "Name: TEMPORAL_NAME"}:                                                        "TEMPORAL_NAME is no setting",
		{"            - {Name: LOGPIPE_DESTINATION_URL, Value: !Ref DestinationUrl}\n", ""}:                        "LOGPIPE_DESTINATION_URL",
		{"Default: 1m", "Default: 2d"}:                                                                             "starter does not start",
		{"Command: [worker]", "Command: [deliver]"}:                                                                "no process deliver",
		{"Name: LOGPIPE_ON_GAP, Value: !Ref OnGap", "Name: TEMPORAL_API_KEY, Value: !Ref TemporalApiKeySecretArn"}: "stands in the task definition",
		{"{Name: TEMPORAL_API_KEY, ValueFrom", "{Name: TEMPORAL_KEY, ValueFrom"}:                                   "TEMPORAL_KEY is no variable",
	} {
		found(t, checkSettings(changed(t, pipelineFile, planted[0], planted[1]), example, temporal), want)
	}
}

func with(parameters map[string]string, more ...string) map[string]string {
	all := maps.Clone(parameters)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// checkTasks: containers can do nothing that they need not, are asked how they are, and are stopped as they stop.
func checkTasks(t stackTemplate, parameters map[string]string, dockerfile string) (f faults) {
	for process, c := range t.containers(parameters) {
		if c.object["ReadonlyRootFilesystem"] != true || strings.HasPrefix(fmt.Sprint(c.object["User"]), "0") || c.object["User"] == nil {
			f.add("%s is root or writes to its file system", process)
		}
		// The process ends by itself within 28 s.
		if stop, _ := c.object["StopTimeout"].(int); stop < 30 || stop > 120 {
			f.add("%s is killed after %v seconds", process, c.object["StopTimeout"])
		}
		port := strings.TrimPrefix(c.environment["LOGPIPE_METRICS_LISTEN"], ":")
		if mapped := fmt.Sprint(c.object["PortMappings"].(list)[0].(object)["ContainerPort"]); mapped != port {
			f.add("%s serves metrics on %s and opens %s", process, port, mapped)
		}
		command := texts(c.object["HealthCheck"].(object)["Command"])
		if len(command) != 3 || command[0] != "CMD" || command[2] != "health" {
			f.add("%s: %v is not logpipe health", process, command)
			continue
		}
		if dockerfile != "" && !strings.Contains(dockerfile, `ENTRYPOINT ["`+command[1]+`"]`) {
			f.add("%s: the image does not have its program at %s", process, command[1])
		}
	}
	for name, value := range t.resources("AWS::EC2::SecurityGroup") {
		group := world{template: t}.evaluate(value).(object)
		for _, rule := range group["SecurityGroupIngress"].(list) {
			if r := rule.(object); r["CidrIp"] != nil || fmt.Sprint(r["FromPort"]) != "9464" {
				f.add("%s lets more in than a Prometheus: %v", name, r)
			}
		}
	}
	return f
}

// checkRollout: a new version runs and is healthy before the old one is stopped, and goes back if it is not.
func checkRollout(t stackTemplate) (f faults) {
	services := t.resources("AWS::ECS::Service")
	for name, value := range services {
		deployment, _ := value.(object)["DeploymentConfiguration"].(object)
		breaker, _ := deployment["DeploymentCircuitBreaker"].(object)
		if deployment["MinimumHealthyPercent"] != 100 || deployment["MaximumPercent"] != 200 {
			f.add("%s stops tasks before others run", name)
		}
		if breaker["Enable"] != true || breaker["Rollback"] != true {
			f.add("%s does not go back to what ran", name)
		}
		if value.(object)["DesiredCount"] != nil {
			f.add("%s: each deployment undoes the scaling", name)
		}
	}
	if len(services) != 2 || len(t.resources("AWS::ApplicationAutoScaling::ScalingPolicy")) != 4 {
		f.add("services or their scaling are missing")
	}
	for name, value := range t.resources("AWS::ECS::TaskDefinition") {
		if architecture := fmt.Sprint(world{t, map[string]string{}}.evaluate(value.(object)["RuntimePlatform"])); !strings.Contains(architecture, "ARM64") {
			f.add("%s is not for arm64", name)
		}
	}
	return f
}

func TestTasks(t *testing.T) {
	t.Parallel()
	example, read := exampleParameters(t), readTemplate(t, pipelineFile)
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Log("without a Dockerfile nothing tells where the image has its program:", err)
	}
	require.Empty(t, checkTasks(read, example, string(dockerfile)))
	require.Empty(t, checkRollout(read))
	for planted, want := range map[[2]string]string{
		{"ReadonlyRootFilesystem: true", "ReadonlyRootFilesystem: false"}:                 "starter is root or writes",
		{"User: '65532:65532'", "User: '0:0'"}:                                            "starter is root or writes",
		{"StopTimeout: 30", "StopTimeout: 10"}:                                            "is killed after 10 seconds",
		{"ContainerPort: 9464", "ContainerPort: 9090"}:                                    "serves metrics on 9464 and opens 9090",
		{"Command: [CMD, /logpipe, health]", "Command: [CMD, /logpipe, check]"}:           "is not logpipe health",
		{"Command: [CMD, /logpipe, health]", "Command: [CMD, /bin/logpipe, health]"}:      "program at /bin/logpipe",
		{"SourceSecurityGroupId: !Ref MetricsSourceSecurityGroupId", "CidrIp: 0.0.0.0/0"}: "lets more in",
	} {
		found(t, checkTasks(changed(t, pipelineFile, planted[0], planted[1]), example, `ENTRYPOINT ["/logpipe"]`), want)
	}
	for planted, want := range map[[2]string]string{
		{"MinimumHealthyPercent: 100", "MinimumHealthyPercent: 50"}:             "stops tasks before",
		{"{Enable: true, Rollback: true}", "{Enable: true, Rollback: false}"}:   "does not go back",
		{"ServiceName: starter", "ServiceName: starter\n      DesiredCount: 2"}: "undoes the scaling",
		{"    Default: ARM64", "    Default: X86_64"}:                           "not for arm64",
	} {
		found(t, checkRollout(changed(t, pipelineFile, planted[0], planted[1])), want)
	}
}

// TestLogLevel: the lines that alarms and scaling go by cannot be turned off.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	levels := texts(readTemplate(t, pipelineFile).section("Parameters")["LogLevel"].(object)["AllowedValues"])
	require.True(t, slices.Contains(levels, "info") && !slices.Contains(levels, "warn") && !slices.Contains(levels, "error"))
}
