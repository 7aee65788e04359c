package cloudformation_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// makes are the actions without which CloudFormation cannot make a resource of a type.
var makes = map[string][]string{
	"AWS::ApplicationAutoScaling::ScalableTarget": {"application-autoscaling:RegisterScalableTarget", "iam:CreateServiceLinkedRole"},
	"AWS::ApplicationAutoScaling::ScalingPolicy":  {"application-autoscaling:PutScalingPolicy"},
	"AWS::CloudWatch::Alarm":                      {"cloudwatch:PutMetricAlarm"},
	"AWS::CloudWatch::Dashboard":                  {"cloudwatch:PutDashboard"},
	"AWS::EC2::SecurityGroup":                     {"ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"},
	"AWS::ECS::Cluster":                           {"ecs:CreateCluster", "ecs:PutClusterCapacityProviders", "iam:CreateServiceLinkedRole"},
	"AWS::ECS::Service":                           {"ecs:CreateService", "ecs:UpdateService", "ecs:DescribeServices"},
	"AWS::ECS::TaskDefinition":                    {"ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "iam:PassRole"},
	"AWS::IAM::Role":                              {"iam:CreateRole", "iam:PutRolePolicy"},
	"AWS::KMS::Alias":                             {"kms:CreateAlias"},
	"AWS::KMS::Key":                               {"kms:CreateKey", "kms:PutKeyPolicy", "kms:EnableKeyRotation", "kms:TagResource"},
	"AWS::Logs::LogGroup":                         {"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:AssociateKmsKey"},
	"AWS::Logs::MetricFilter":                     {"logs:PutMetricFilter"},
	"AWS::S3::Bucket":                             {"s3:CreateBucket", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls", "s3:PutBucketVersioning"},
	"AWS::S3::BucketPolicy":                       {"s3:PutBucketPolicy"},
}

// checkDeployment: a deployment can make all that is in pipeline.yaml, roles only within the boundary, and the boundary
// leaves them what they need.
func checkDeployment(cicd, pipeline stackTemplate) (f faults) {
	deploy, boundary := cicd.allowed("DeployRole"), cicd.allowed("Boundary")
	for name, resource := range pipeline.section("Resources") {
		kind := resource.(object)["Type"].(string)
		actions, known := makes[kind]
		if !known {
			f.add("%s: what it takes to make a %s is not known: add it to makes", name, kind)
		}
		for _, action := range actions {
			if !deploy[action] {
				f.add("%s: DeployRole does not allow %s", name, action)
			}
		}
		if kind != "AWS::IAM::Role" {
			continue
		}
		for action := range pipeline.allowed(name) {
			if !boundary[action] {
				f.add("the boundary takes %s from %s", action, name)
			}
		}
		if resource.(object)["Properties"].(object)["PermissionsBoundary"] == nil {
			f.add("%s has no boundary", name)
		}
	}
	for _, s := range cicd.statements() {
		makesRoles := slices.Contains(s.actions, "iam:CreateRole") || slices.Contains(s.actions, "iam:PutRolePolicy")
		if equals, _ := s.condition["StringEquals"].(object); makesRoles && equals["iam:PermissionsBoundary"] != "${Boundary}" {
			f.add("%s: roles can be made without the boundary", s.where)
		}
		if equals, _ := s.condition["StringEquals"].(object); slices.Contains(s.actions, "iam:PassRole") && equals["iam:PassedToService"] == nil {
			f.add("%s: roles can be given to any service", s.where)
		}
	}
	return f
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	cicd, pipeline := readTemplate(t, cicdFile), readTemplate(t, pipelineFile)
	require.Empty(t, checkDeployment(cicd, pipeline))
	found(t, checkDeployment(changed(t, cicdFile, "                  - logs:PutMetricFilter\n", ""), pipeline), "GapsMetric: DeployRole does not allow logs:PutMetricFilter")
	found(t, checkDeployment(changed(t, cicdFile, "Condition: {StringEquals: {'iam:PermissionsBoundary': !Ref Boundary}}", "Condition: {Bool: {'aws:SecureTransport': 'true'}}"), pipeline), "without the boundary")
	found(t, checkDeployment(changed(t, cicdFile, "Action: [ssm:GetParameter, ssm:PutParameter]", "Action: [ssm:GetParameter]"), pipeline), "the boundary takes ssm:PutParameter from WorkerRole")
	found(t, checkDeployment(cicd, changed(t, pipelineFile, "      PermissionsBoundary: !If [HasBoundary, !Ref PermissionsBoundaryArn, !Ref AWS::NoValue]\n", "")), "has no boundary")
	found(t, checkDeployment(cicd, changed(t, pipelineFile, "Type: AWS::CloudWatch::Dashboard", "Type: AWS::SNS::Topic")), "to make a AWS::SNS::Topic is not known")
}

// TestBuildspec: it knows the steps of the projects, and takes what they are given.
func TestBuildspec(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("buildspec.yml")
	require.NoError(t, err)
	var spec struct {
		Phases struct{ Build struct{ Commands []string } }
	}
	require.NoError(t, yaml.Unmarshal(text, &spec))
	script := strings.Join(spec.Phases.Build.Commands, "\n")
	given := map[string]bool{"COMMIT": true} // by the pipeline's action
	for name, value := range readTemplate(t, cicdFile).resources("AWS::CodeBuild::Project") {
		project := value.(object)
		require.Equal(t, "deploy/cloudformation/buildspec.yml", project["Source"].(object)["BuildSpec"], name)
		require.Equal(t, "ARM_CONTAINER", project["Environment"].(object)["Type"], name)
		for _, variable := range project["Environment"].(object)["EnvironmentVariables"].(list) {
			v := variable.(object)
			given[v["Name"].(string)] = true
			if v["Name"] == "STEP" {
				require.Contains(t, script, "\n  "+v["Value"].(string)+")", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		require.True(t, strings.Contains(script, "$"+name) || strings.Contains(script, "${"+name), "%s is given and not used", name)
	}
	// What is deployed has no function that needs another capability than the pipeline has.
	require.NotContains(t, readTemplate(t, pipelineFile).root, "Transform")
	repository := readTemplate(t, cicdFile).resources("AWS::ECR::Repository")["ImageRepository"].(object)
	require.Equal(t, "IMMUTABLE", repository["ImageTagMutability"])
	require.Equal(t, true, repository["ImageScanningConfiguration"].(object)["ScanOnPush"])
}
