package localaws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

func (c *cloud) putParameter(t testing.TB, name, value string, kind types.ParameterType) int64 {
	t.Helper()
	out, err := c.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Version
}

func (c *cloud) value(t testing.TB, ref string) string {
	t.Helper()
	out, err := c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &ref, WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	return *out.Parameter.Value
}

func TestSecureStringStaysOpaque(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	c.putParameter(t, "/app/token", "secret", types.ParameterTypeSecureString)
	out, err := c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/app/token")})
	if err != nil {
		t.Fatal(err)
	}
	if v := *out.Parameter.Value; v == "secret" || strings.Contains(v, "secret") || len(v) < 100 {
		t.Errorf("without decryption the value is %q", v)
	}
	again, err := c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/app/token")})
	if err != nil || *again.Parameter.Value != *out.Parameter.Value {
		t.Errorf("the opaque value changes without a new version (%v)", err)
	}
	if got := c.value(t, "/app/token"); got != "secret" {
		t.Errorf("with decryption the value is %q", got)
	}
}

func TestParameterReferences(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	c.putParameter(t, "/app/token", "one", types.ParameterTypeString)
	c.putParameter(t, "/app/token", "two", types.ParameterTypeString)
	c.putParameter(t, "plain", "p", types.ParameterTypeString)
	if _, err := c.ssm.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: aws.String("/app/token"), ParameterVersion: aws.Int64(1), Labels: []string{"good"}}); err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:ssm:us-east-1:123456789012:parameter"
	for ref, want := range map[string]string{
		"/app/token": "two", "/app/token:1": "one", "/app/token:2": "two", "/app/token:good": "one", "plain": "p",
		arn + "/app/token": "two", arn + "/app/token:1": "one", arn + "/app/token:good": "one", arn + "/plain": "p",
	} {
		if got := c.value(t, ref); got != want {
			t.Errorf("%s is %q, want %q", ref, got, want)
		}
	}
	for ref, want := range map[string]string{
		"/nope": "ParameterNotFound", "/app/token:9": "ParameterVersionNotFound", "/app/token:bad": "ParameterVersionNotFound",
		"arn:aws:ssm:eu-west-1:123456789012:parameter/app/token": "ParameterNotFound",
	} {
		_, err := c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &ref})
		wantCode(t, ref, err, want)
	}
}

func TestLabelsMoveAndGuardTheirVersion(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	name := aws.String("/l")
	for i := range 100 {
		c.putParameter(t, "/l", fmt.Sprint(i+1), types.ParameterTypeString)
	}
	label := func(version int64, labels ...string) *ssm.LabelParameterVersionOutput {
		out, err := c.ssm.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: name, ParameterVersion: &version, Labels: labels})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := label(1, "keep", "1bad", "awsx"); !slices.Equal(out.InvalidLabels, []string{"1bad", "awsx"}) {
		t.Errorf("invalid labels %v", out.InvalidLabels)
	}
	_, err := c.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: name, Value: aws.String("x"), Overwrite: aws.Bool(true)})
	wantCode(t, "the 101st version over a labelled one", err, "ParameterMaxVersionLimitExceeded")
	label(50, "keep")
	if got := c.value(t, "/l:keep"); got != "50" {
		t.Errorf("the moved label is on %s", got)
	}
	if v := c.putParameter(t, "/l", "101", types.ParameterTypeString); v != 101 {
		t.Errorf("version %d", v)
	}
	_, err = c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/l:1")})
	wantCode(t, "the pruned version", err, "ParameterVersionNotFound")
	un, err := c.ssm.UnlabelParameterVersion(t.Context(), &ssm.UnlabelParameterVersionInput{Name: name, ParameterVersion: aws.Int64(50), Labels: []string{"keep", "other"}})
	if err != nil || !slices.Equal(un.RemovedLabels, []string{"keep"}) || !slices.Equal(un.InvalidLabels, []string{"other"}) {
		t.Errorf("unlabel: %+v, %v", un, err)
	}
}

func TestParametersByPathPage(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	for i := range 23 {
		c.putParameter(t, fmt.Sprintf("/p/%02d", i), "v", types.ParameterTypeString)
	}
	c.putParameter(t, "/p/deep/one", "v", types.ParameterTypeString)
	c.putParameter(t, "/px/other", "v", types.ParameterTypeString)
	for recursive, want := range map[bool]int{false: 23, true: 24} {
		pages := ssm.NewGetParametersByPathPaginator(c.ssm, &ssm.GetParametersByPathInput{Path: aws.String("/p/"), Recursive: &recursive, MaxResults: aws.Int32(10)})
		seen := map[string]bool{}
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Parameters {
				seen[*p.Name] = true
			}
		}
		if len(seen) != want {
			t.Errorf("recursive=%v: %d parameters, want %d", recursive, len(seen), want)
		}
	}
}

func TestPutParameterRefusals(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	c.putParameter(t, "/have", "v", types.ParameterTypeString)
	str := types.ParameterTypeString
	for name, tc := range map[string]struct {
		in   ssm.PutParameterInput
		want string
	}{
		"exists":          {ssm.PutParameterInput{Name: aws.String("/have"), Value: aws.String("x"), Type: str}, "ParameterAlreadyExists"},
		"other type":      {ssm.PutParameterInput{Name: aws.String("/have"), Value: aws.String("x"), Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)}, "HierarchyTypeMismatchException"},
		"no type":         {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String("x")}, "ValidationException"},
		"empty":           {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String(""), Type: str}, "ValidationException"},
		"relative":        {ssm.PutParameterInput{Name: aws.String("a/b"), Value: aws.String("x"), Type: str}, "ValidationException"},
		"reserved":        {ssm.PutParameterInput{Name: aws.String("/aws/x"), Value: aws.String("x"), Type: str}, "ValidationException"},
		"colon":           {ssm.PutParameterInput{Name: aws.String("/a:1"), Value: aws.String("x"), Type: str}, "ValidationException"},
		"standard size":   {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String(strings.Repeat("x", 4097)), Type: str}, "ValidationException"},
		"advanced size":   {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String(strings.Repeat("x", 8193)), Type: str, Tier: types.ParameterTierAdvanced}, "ValidationException"},
		"pattern":         {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String("x"), Type: str, AllowedPattern: aws.String(`\d+`)}, "ParameterPatternMismatchException"},
		"invalid pattern": {ssm.PutParameterInput{Name: aws.String("/new"), Value: aws.String("x"), Type: str, AllowedPattern: aws.String(`(`)}, "InvalidAllowedPatternException"},
		"arn":             {ssm.PutParameterInput{Name: aws.String("arn:aws:ssm:us-east-1:123456789012:parameter/x"), Value: aws.String("x"), Type: str}, "ValidationException"},
	} {
		_, err := c.ssm.PutParameter(t.Context(), &tc.in)
		wantCode(t, name, err, tc.want)
	}
	if got := c.value(t, "/have"); got != "v" {
		t.Errorf("a refused put changed the value to %q", got)
	}
}

func TestAdvancedTierStays(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	put := func(tier types.ParameterTier, size int) (*ssm.PutParameterOutput, error) {
		return c.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String("/t"), Value: aws.String(strings.Repeat("x", size)), Type: types.ParameterTypeString, Tier: tier, Overwrite: aws.Bool(true),
		})
	}
	for i, tc := range []struct {
		tier, want types.ParameterTier
		size       int
	}{
		{types.ParameterTierIntelligentTiering, types.ParameterTierStandard, 10},
		{types.ParameterTierIntelligentTiering, types.ParameterTierAdvanced, 5000},
		{"", types.ParameterTierAdvanced, 10},
	} {
		out, err := put(tc.tier, tc.size)
		if err != nil || out.Tier != tc.want {
			t.Errorf("put %d: %v, %v; want tier %s", i, out, err, tc.want)
		}
	}
	_, err := put(types.ParameterTierStandard, 10)
	wantCode(t, "downgrade", err, "ValidationException")
}

func TestDescribeAndDelete(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	c.putParameter(t, "/a/s", "v", types.ParameterTypeSecureString)
	c.putParameter(t, "/a/p", "v", types.ParameterTypeString)
	c.putParameter(t, "/b", "v", types.ParameterTypeString)
	out, err := c.ssm.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
		{Key: aws.String("Path"), Option: aws.String("Recursive"), Values: []string{"/a"}},
		{Key: aws.String("Type"), Values: []string{"SecureString"}},
	}})
	if err != nil || len(out.Parameters) != 1 || *out.Parameters[0].Name != "/a/s" || *out.Parameters[0].KeyId != "alias/aws/ssm" {
		t.Errorf("described %+v, %v", out, err)
	}
	_, err = c.ssm.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("tag:x"), Values: []string{"y"}}}})
	wantCode(t, "filter by tag", err, "InvalidFilterKey")
	del, err := c.ssm.DeleteParameters(t.Context(), &ssm.DeleteParametersInput{Names: []string{"/a/s", "/nope"}})
	if err != nil || !slices.Equal(del.DeletedParameters, []string{"/a/s"}) || !slices.Equal(del.InvalidParameters, []string{"/nope"}) {
		t.Errorf("deleted %+v, %v", del, err)
	}
	if v := c.putParameter(t, "/a/s", "again", types.ParameterTypeString); v != 1 {
		t.Errorf("made anew with version %d", v)
	}
}
