package connect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/connect"
)

// isolateAWS leaves the process without any setting for AWS.
func isolateAWS(t *testing.T) {
	t.Helper()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, value := range map[string]string{
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": missing, "AWS_SHARED_CREDENTIALS_FILE": missing, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "",
	} {
		t.Setenv(name, value)
	}
}

func TestAWS(t *testing.T) {
	isolateAWS(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	cfg, err := connect.AWS(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-central-1", cfg.Region)
}

func TestAWSThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte("[profile mine]\nregion = eu-central-1\n"), 0o600))
	for name, c := range map[string]struct {
		set  map[string]string
		says []string
	}{
		"no region": {map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"},
			[]string{"no AWS region", "AWS_REGION"}},
		"no credentials": {map[string]string{"AWS_REGION": "eu-central-1"},
			[]string{"no AWS credentials", "AWS_ACCESS_KEY_ID"}},
		"half the credentials": {map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key"},
			[]string{"no AWS credentials", "AWS_ACCESS_KEY_ID"}},
		"no such profile": {map[string]string{"AWS_CONFIG_FILE": file, "AWS_PROFILE": "yours"},
			[]string{"the AWS settings", "yours"}},
	} {
		t.Run(name, func(t *testing.T) {
			isolateAWS(t)
			for variable, value := range c.set {
				t.Setenv(variable, value)
			}
			_, err := connect.AWS(t.Context())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}
