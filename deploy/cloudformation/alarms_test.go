package cloudformation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// awsMetrics are those that AWS has, of what the templates look at.
var awsMetrics = map[string][]string{
	"AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
	"AWS/Kinesis": {
		"GetRecords.Bytes", "GetRecords.IteratorAgeMilliseconds", "IncomingBytes", "IncomingRecords",
		"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
	},
	"AWS/Logs": {"DeliveryErrors", "DeliveryThrottling", "ForwardedBytes", "ForwardedLogEvents"},
}

// metric is one that something of a template looks at.
type metric struct{ where, namespace, name string }

var selectQuery = regexp.MustCompile(`^SELECT \w+\(([\w.]+)\) FROM "([\w/]+)"`)

// metricsUsed are those of alarms, scaling and dashboards.
func (t stackTemplate) metricsUsed() (used []metric) {
	for path, value := range walk("", (world{template: t}).evaluate(t.section("Resources"))) {
		o, _ := value.(object)
		if name, ok := o["MetricName"].(string); ok && !strings.Contains(path, "MetricTransformations") {
			used = append(used, metric{path, fmt.Sprint(o["Namespace"]), name})
		}
		for _, expression := range texts(o["Expression"]) {
			if !strings.HasPrefix(expression, "SELECT") {
				continue
			}
			match := selectQuery.FindStringSubmatch(expression)
			if match == nil {
				match = []string{"", expression, "a query that is not understood"}
			}
			used = append(used, metric{path, match[2], match[1]})
		}
		if body, ok := o["DashboardBody"].(string); ok {
			used = append(used, metricsOfDashboard(path, body)...)
		}
	}
	return used
}

// metricsOfDashboard reads the short forms of a dashboard's metrics, too: "." is what stands above, "..." all but the rest.
func metricsOfDashboard(path, body string) (used []metric) {
	var dashboard struct {
		Widgets []struct {
			Properties struct{ Metrics [][]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		return []metric{{path, "no JSON", err.Error()}}
	}
	for _, widget := range dashboard.Widgets {
		var above []any
		for _, m := range widget.Properties.Metrics {
			if m[0] == "..." {
				continue // the metric above, of another dimension
			}
			full := slices.Clone(m)
			for i, part := range full {
				if part == "." {
					full[i] = above[i]
				}
			}
			above = full
			used = append(used, metric{path, fmt.Sprint(full[0]), fmt.Sprint(full[1])})
		}
	}
	return used
}

// filter is a metric that is made from log lines.
type filter struct {
	resource, namespace, name, process, pattern, value string
}

// filters are those of a template. The process is that whose log group it reads.
func (t stackTemplate) filters() (all []filter) {
	for name, value := range t.resources("AWS::Logs::MetricFilter") {
		properties := (world{template: t}).evaluate(value).(object)
		process := map[string]string{"${StarterLogs}": "starter", "${WorkerLogs}": "worker"}[fmt.Sprint(properties["LogGroupName"])]
		for _, transformation := range properties["MetricTransformations"].(list) {
			m := transformation.(object)
			all = append(all, filter{
				name, fmt.Sprint(m["MetricNamespace"]), fmt.Sprint(m["MetricName"]), process,
				fmt.Sprint(properties["FilterPattern"]), fmt.Sprint(m["MetricValue"]),
			})
		}
	}
	return all
}

// checkMetrics: everything looks at a metric that there is, and no metric is made for nothing.
func checkMetrics(t stackTemplate) (f faults) {
	made := map[string]string{}
	for _, filter := range t.filters() {
		made[filter.namespace+" "+filter.name] = filter.resource
	}
	used := map[string]bool{}
	for _, m := range t.metricsUsed() {
		used[m.namespace+" "+m.name] = true
		if made[m.namespace+" "+m.name] == "" && !slices.Contains(awsMetrics[m.namespace], m.name) {
			f.add("%s: there is no metric %s in %s", m.where, m.name, m.namespace)
		}
	}
	for name, resource := range made {
		if !used[name] {
			f.add("%s makes a metric that nothing looks at", resource)
		}
	}
	return f
}

func TestMetricsExist(t *testing.T) {
	t.Parallel()
	for _, name := range templateFiles {
		require.Empty(t, checkMetrics(readTemplate(t, name)), name)
	}
	require.Len(t, readTemplate(t, ingestFile).metricsUsed(), 6, "of four alarms, two of them in two forms")
	require.Greater(t, len(readTemplate(t, pipelineFile).metricsUsed()), 20)

	found(t, checkMetrics(changed(t, ingestFile, "SUM(DeliveryErrors)", "SUM(DeliveryError)")), "no metric DeliveryError in AWS/Logs")
	found(t, checkMetrics(changed(t, ingestFile, "MetricName: WriteProvisionedThroughputExceeded", "MetricName: WriteThroughputExceeded")), "WriteThroughputExceeded in AWS/Kinesis")
	found(t, checkMetrics(changed(t, pipelineFile, "MetricName: WindowsParked, MetricValue", "MetricName: Parked, MetricValue")), "no metric WindowsParked in Logpipe/${PipelineName}")
	found(t, checkMetrics(changed(t, pipelineFile, "MetricName: WindowsParked, MetricValue", "MetricName: Parked, MetricValue")), "nothing looks at")
	found(t, checkMetrics(changed(t, pipelineFile, `[".", "WindowsRetrying"]`, `[".", "WindowsTrying"]`)), "no metric WindowsTrying")
	found(t, checkMetrics(changed(t, pipelineFile, "MetricName: ShardsHeld\n          Statistic: Average", "MetricName: Shards\n          Statistic: Average")), "no metric Shards in")
}

var comparison = regexp.MustCompile(`^\$\.(\w+) = "([^"]*)"$`)

// matches tells whether a line is what a filter looks for. Of the patterns of CloudWatch it knows those that are used here:
// members that are equal to a text, all of them. It fails on any other.
func (f filter) matches(line map[string]any) (bool, error) {
	inner, braced := strings.CutPrefix(f.pattern, "{ ")
	inner, closed := strings.CutSuffix(inner, " }")
	if !braced || !closed {
		return false, fmt.Errorf("%s: pattern %q is not understood", f.resource, f.pattern)
	}
	for part := range strings.SplitSeq(inner, " && ") {
		match := comparison.FindStringSubmatch(part)
		if match == nil {
			return false, fmt.Errorf("%s: pattern %q is not understood", f.resource, part)
		}
		if line[match[1]] != match[2] {
			return false, nil
		}
	}
	return true, nil
}

// checkFilters: each filter finds a line that its process writes, and in it the number that it takes.
func checkFilters(t stackTemplate, lines map[string][]map[string]any) (f faults) {
	for _, filter := range t.filters() {
		seen := false
		for _, line := range lines[filter.process] {
			matches, err := filter.matches(line)
			if err != nil {
				f.add("%v", err)
			}
			if !matches {
				continue
			}
			member, isMember := strings.CutPrefix(filter.value, "$.")
			seen = seen || !isMember || line[member] != nil
		}
		if !seen {
			f.add("%s: the %q logs no line %s with %s", filter.resource, filter.process, filter.pattern, filter.value)
		}
	}
	return f
}

// loggedLines are the lines of the processes: those of the source, with all texts of their functions as members, and as
// it writes it the one of the Temporal SDK for an activity that fails.
func loggedLines(t *testing.T) map[string][]map[string]any {
	t.Helper()
	p, all := theProgram(t), map[string][]map[string]any{}
	for _, process := range []string{"starter", "worker"} {
		packages := p.of(process)
		if process == "starter" {
			delete(packages, module+"/workflows") // only workers run them
		}
		for message, words := range p.lines(packages) {
			line := map[string]any{}
			for word := range words {
				line[word] = 1
			}
			line["msg"] = message
			all[process] = append(all[process], line)
		}
	}
	all["worker"] = append(all["worker"], failedRefresh(t)...)
	return all
}

// failedRefresh is what the Temporal SDK logs when the token cannot be replaced.
func failedRefresh(t *testing.T) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(telemetry.TemporalLogger(telemetry.NewLogger(&out, slog.LevelInfo)))
	env := suite.NewTestActivityEnvironment()
	refresh := func(context.Context, workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
		return workflows.TokenVersion{}, errors.New("invalid_client")
	}
	env.RegisterActivityWithOptions(refresh, activity.RegisterOptions{Name: workflows.RefreshTokenName})
	_, err := env.ExecuteActivity(workflows.RefreshTokenName, workflows.RefreshTokenInput{})
	require.Error(t, err)
	for text := range bytes.Lines(out.Bytes()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal(text, &line))
		lines = append(lines, line)
	}
	return lines
}

func TestFiltersFindTheirLines(t *testing.T) {
	t.Parallel()
	lines := loggedLines(t)
	require.Empty(t, checkFilters(readTemplate(t, pipelineFile), lines))
	for planted, want := range map[[2]string]string{
		{`$.msg = "gap in the shard"`, `$.msg = "gap in a shard"`}:                        "GapsMetric: the \"starter\" logs no line",
		{`$.ActivityType = "RefreshToken"`, `$.ActivityType = "FetchToken"`}:              "TokenErrorsMetric",
		{`$.msg = "Activity error."`, `$.msg = "Activity failed."`}:                       "TokenErrorsMetric",
		{"MetricValue: $.freshness_ms", "MetricValue: $.freshness"}:                       "FreshnessMetric",
		{"MetricValue: $.windows_late", "MetricValue: $.windows_overdue"}:                 "WindowsLateMetric",
		{"!Ref WorkerLogs\n      FilterPattern", "!Ref StarterLogs\n      FilterPattern"}: "the \"starter\" logs no line { $.msg = \"window delivered\" }",
		{`'{ $.msg = "window delivered" }'`, `'window delivered'`}:                        "is not understood",
	} {
		found(t, checkFilters(changed(t, pipelineFile, planted[0], planted[1]), lines), want)
	}
}
