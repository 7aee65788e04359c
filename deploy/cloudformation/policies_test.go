package cloudformation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unscopable are actions that AWS knows no resources for, or that make what has no name yet.
var unscopable = map[string]bool{
	"application-autoscaling:DescribeScalableTargets": true,
	"application-autoscaling:DescribeScalingPolicies": true,
	"ec2:DescribeSecurityGroupRules":                  true,
	"ec2:DescribeSecurityGroups":                      true,
	"ec2:DescribeSubnets":                             true,
	"ec2:DescribeVpcs":                                true,
	"ecr:GetAuthorizationToken":                       true,
	"ecs:DeregisterTaskDefinition":                    true,
	"ecs:DescribeTaskDefinition":                      true,
	"kms:CreateKey":                                   true,
	"logs:DescribeLogGroups":                          true,
}

// unnamed are kinds of resources that AWS names by itself, so that no policy can name those of a pipeline. What else has
// to tell them apart is beside each.
var unnamed = map[string]string{
	":key/*":                 "a condition",
	":scalable-target/*":     "a condition",
	":security-group/*":      "that only security groups can be made and changed",
	":security-group-rule/*": "that only security groups can be made and changed",
	":vpc/*":                 "that only security groups can be made and changed",
}

// managedPolicies are those of AWS that a role may have, because AWS asks for them.
var managedPolicies = []string{"arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}

// statement is one of a policy, with all that conditions of the template could choose.
type statement struct {
	where     string
	effect    string
	actions   []string
	resources []string
	condition object
	keyPolicy bool // of a KMS key, where the resource is that key
	trust     bool // who may take a role
	principal any
}

// statements are all of a template.
func (t stackTemplate) statements() (all []statement) {
	for path, value := range walk("", (world{template: t}).evaluate(t.section("Resources"))) {
		document, _ := value.(object)
		listed, ok := document["Statement"].(list)
		if !ok {
			continue
		}
		for i, item := range listed {
			s := item.(object)
			condition, _ := s["Condition"].(object)
			for _, member := range []string{"NotAction", "NotResource", "NotPrincipal"} {
				if s[member] != nil {
					s["Action"] = "*" // whatever is not named
				}
			}
			all = append(all, statement{
				where: fmt.Sprintf("%s.Statement[%d]", path, i), effect: fmt.Sprint(s["Effect"]),
				actions: texts(s["Action"]), resources: texts(s["Resource"]), condition: condition,
				keyPolicy: strings.HasSuffix(path, ".KeyPolicy"), trust: strings.HasSuffix(path, ".AssumeRolePolicyDocument"), principal: s["Principal"],
			})
		}
	}
	return all
}

// checkPolicies: nothing is allowed by a wildcard, and everything to a resource of the pipeline only.
func checkPolicies(t stackTemplate) (f faults) {
	for _, s := range t.statements() {
		if s.effect != "Allow" {
			continue // it can only take away
		}
		if fmt.Sprint(s.principal) == "*" || strings.Contains(fmt.Sprint(s.principal), "AWS:*") {
			f.add("%s: anybody may", s.where)
		}
		for _, action := range s.actions {
			if strings.ContainsAny(action, "*?") {
				f.add("%s: action %s is a wildcard", s.where, action)
			}
		}
		if s.trust {
			if s.condition == nil && !strings.Contains(fmt.Sprint(s.principal), "apigateway.") {
				f.add("%s: a service may take the role for anybody's account", s.where)
			}
			continue
		}
		if len(s.resources) == 0 {
			f.add("%s: no resource", s.where)
		}
		for _, resource := range s.resources {
			checkResource(&f, s, resource)
		}
		checkKeyUse(&f, s)
	}
	for name, properties := range t.resources("AWS::IAM::Role") {
		attached, _ := world{template: t}.evaluate(properties.(object)["ManagedPolicyArns"]).(list)
		for _, arn := range texts(attached) {
			if !slices.Contains(managedPolicies, arn) {
				f.add("%s has the managed policy %s", name, arn)
			}
		}
	}
	return f
}

func checkResource(f *faults, s statement, resource string) {
	fixed, _, wild := strings.Cut(resource, "*")
	switch {
	case resource == "*" && s.keyPolicy:
	case resource == "*":
		for _, action := range s.actions {
			if !unscopable[action] {
				f.add("%s: %s is allowed on every resource", s.where, action)
			}
		}
	case !wild || strings.Contains(fixed, "logpipe") || strings.HasPrefix(fixed, "${"):
		// Named, below a name of the pipeline, or below a resource of the template.
	case strings.Contains(fixed, ":stack/${"):
	default:
		for kind, need := range unnamed {
			if strings.HasSuffix(resource, kind) {
				if need == "a condition" && s.condition == nil {
					f.add("%s: %s without %s", s.where, resource, need)
				}
				return
			}
		}
		f.add("%s: %s is more than the pipeline's", s.where, resource)
	}
}

// checkKeyUse: who uses a key for its data does it through the service that has the data.
func checkKeyUse(f *faults, s statement) {
	for _, action := range s.actions {
		switch action {
		case "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey":
			if !s.keyPolicy && !strings.Contains(fmt.Sprint(s.condition), "kms:ViaService") {
				f.add("%s: %s without kms:ViaService", s.where, action)
			}
			if s.keyPolicy && s.condition == nil && !strings.HasSuffix(fmt.Sprint(s.principal), ":root]") {
				f.add("%s: %s without a condition", s.where, action)
			}
		}
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, name := range templateFiles {
		read := readTemplate(t, name)
		require.Empty(t, checkPolicies(read), name)
		require.NotEmpty(t, read.statements(), name)
	}
	for planted, want := range map[[2]string]string{
		{"Action: ssm:GetParameter", "Action: ssm:Get*"}:                                                                            "action ssm:Get* is a wildcard",
		{"Action: ssm:GetParameter", "NotAction: ssm:PutParameter"}:                                                                 "action * is a wildcard",
		{"Resource: !Sub '${StageBucket.Arn}/${PipelineName}/*'", "Resource: '*'"}:                                                  "s3:DeleteObject is allowed on every resource",
		{"Resource: !Sub '${StageBucket.Arn}/${PipelineName}/*'", "Resource: 'arn:aws:s3:::*'"}:                                     "arn:aws:s3:::* is more than the pipeline's",
		{"'kms:ViaService': !Sub 's3.${AWS::Region}.${AWS::URLSuffix}'", "'aws:PrincipalType': AssumedRole"}:                        "kms:Decrypt without kms:ViaService",
		{"Action: ecr:GetAuthorizationToken", "Action: ecr:PutImage"}:                                                               "ecr:PutImage is allowed on every resource",
		{"Effect: Deny\n            Principal: '*'", "Effect: Allow\n            Principal: '*'"}:                                   "anybody may",
		{"            Condition:\n              ArnEquals:", "            Unconditionally:\n              X:"}:                      "kms:Decrypt without a condition",
		{"            Condition:\n              ArnLike:", "            Unconditionally:\n              X:"}:                        "may take the role for anybody's account",
		{"Description: ECS starts the tasks of the pipeline", "ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']"}: "AdministratorAccess",
		{"Resource: !Ref EnvironmentFileArn", "Resource: !If [HasBoundary, !Ref EnvironmentFileArn, '*']"}:                          "s3:GetObject is allowed on every resource",
		// What a condition of the template chooses is looked at, too.
		{"Resource: !Ref SecretsKeyArn\n", "Resource: '*'\n"}: "kms:Decrypt is allowed on every resource",
	} {
		found(t, checkPolicies(changed(t, pipelineFile, planted[0], planted[1])), want)
	}
	found(t, checkPolicies(changed(t, cicdFile, "                Condition: {StringEquals: {'aws:ResourceTag/logpipe': [!Ref PipelineName, !Ref StagingPipelineName]}}\n", "")), "key/* without a condition")
}

// checkStage: the bucket of the stage is private, encrypted, and speaks TLS only.
func checkStage(t stackTemplate) (f faults) {
	properties := t.resources("AWS::S3::Bucket")["StageBucket"].(object)
	block, _ := properties["PublicAccessBlockConfiguration"].(object)
	for _, what := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if block[what] != true {
			f.add("the stage lacks %s", what)
		}
	}
	if encryption := fmt.Sprint(properties["BucketEncryption"]); !strings.Contains(encryption, "SSEAlgorithm:aws:kms") || !strings.Contains(encryption, "KMSMasterKeyID") {
		f.add("the stage is not encrypted by the pipeline's key")
	}
	// A window can wait for longer than any age.
	for _, rule := range properties["LifecycleConfiguration"].(object)["Rules"].(list) {
		if r := rule.(object); r["ExpirationInDays"] != nil && !strings.Contains(fmt.Sprint(r["Prefix"]), "/quarantine/") {
			f.add("the stage loses windows: %v", r)
		}
	}
	if policy := fmt.Sprint(t.resources("AWS::S3::BucketPolicy")["StageBucketPolicy"]); !strings.Contains(policy, "Condition:map[Bool:map[aws:SecureTransport:false]] Effect:Deny") {
		f.add("the stage takes plain text")
	}
	return f
}

func TestStage(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkStage(readTemplate(t, pipelineFile)))
	found(t, checkStage(changed(t, pipelineFile, "IgnorePublicAcls: true", "IgnorePublicAcls: false")), "IgnorePublicAcls")
	found(t, checkStage(changed(t, pipelineFile, "SSEAlgorithm: 'aws:kms'", "SSEAlgorithm: AES256")), "not encrypted")
	found(t, checkStage(changed(t, pipelineFile, "${PipelineName}/quarantine/", "${PipelineName}/raw/")), "loses windows")
	found(t, checkStage(changed(t, pipelineFile, "'aws:SecureTransport': 'false'", "'aws:SecureTransport': 'true'")), "plain text")
}
