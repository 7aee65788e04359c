package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/token/loginbody"
)

var (
	// What PutParameter takes for KeyId.
	kmsKeyPattern = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key/[a-zA-Z0-9-]+|alias/[a-zA-Z0-9:/_-]+)|alias/[a-zA-Z0-9:/_-]+|[0-9a-fA-F-]{36}|mrk-[0-9a-f]{32})$`)

	// Visible ASCII characters, and spaces between them.
	visiblePattern = regexp.MustCompile(`^[\x20-\x7E]*$`)
)

func checkKMSKey(key string) error {
	if key != "" && !kmsKeyPattern.MatchString(key) {
		return errors.New("is no KMS key: write its id, alias/NAME, or an ARN")
	}
	return nil
}

func checkAudience(audience string) error {
	if !visiblePattern.MatchString(audience) {
		return errors.New("holds a character that no audience has: use visible ASCII characters")
	}
	return nil
}

// checkTokenParams refuses parameters that are set otherwise.
func checkTokenParams(params TextMap) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		var instead string
		switch name {
		case "":
			return errors.New("has a value without a name: name it or remove it")
		case "audience", "scope":
			instead = "set token_" + name
		case "client_id":
			instead = "set client_id"
		case "client_secret":
			instead = "let client_secret_parameter name where it is"
		case "grant_type":
			instead = "it is always client_credentials"
		default:
			continue
		}
		return fmt.Errorf("has %s, which is set elsewhere: %s", name, instead)
	}
	return nil
}

func checkLoginBody(body string) error {
	if body == "" {
		return nil
	}
	return loginbody.Check(body)
}

func checkPointer(pointer string) error {
	if !jsontext.Pointer(pointer).IsValid() {
		return errors.New("is no JSON pointer: write /NAME/NAME, with ~1 for / and ~0 for ~ in a name")
	}
	return nil
}
