package connect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/connect"
)

// setAWS sets the variables of a process with these keys and no other source of
// settings.
func setAWS(t *testing.T, region, keyID string) {
	t.Helper()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, value := range map[string]string{
		"AWS_REGION": region, "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "",
		"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": keyID, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": missing, "AWS_SHARED_CREDENTIALS_FILE": missing, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "",
	} {
		t.Setenv(name, value)
	}
}

func TestAWS(t *testing.T) {
	setAWS(t, "eu-central-1", "key")
	cfg, err := connect.AWS(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-central-1", cfg.Region)
}

func TestAWSThatCannotBeUsed(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(broken, []byte("[profile mine]\nregion = eu-central-1\n"), 0o600))
	for name, c := range map[string]struct {
		region, key string
		prepare     func(*testing.T)
		says        []string
	}{
		"no region":      {"", "key", nil, []string{"no AWS region", "AWS_REGION"}},
		"no credentials": {"eu-central-1", "", nil, []string{"no AWS credentials", "AWS_ACCESS_KEY_ID"}},
		"no such profile": {"eu-central-1", "key", func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_CONFIG_FILE", broken)
			t.Setenv("AWS_PROFILE", "yours")
		}, []string{"the AWS settings", "yours"}},
	} {
		t.Run(name, func(t *testing.T) {
			setAWS(t, c.region, c.key)
			if c.prepare != nil {
				c.prepare(t)
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
