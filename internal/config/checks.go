package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	pipelinePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

	// Temporal refuses dots and colons in the name of a deployment. What else is left out would
	// have to be quoted in a shell.
	deploymentPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{0,128}$`)
	buildIDPattern    = regexp.MustCompile(`^[a-zA-Z0-9_.+-]{0,128}$`)

	// The rules of CreateStream.
	streamNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARNPattern  = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream/[a-zA-Z0-9_.-]{1,128}$`)

	// The rules of PutParameter, and the selectors of GetParameter.
	parameterPattern    = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+)+$|^[a-zA-Z0-9_.-]+$`)
	parameterARNPattern = regexp.MustCompile(`^arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:parameter/[a-zA-Z0-9_./-]+$`)
	selectorPattern     = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,100}$`)

	hostPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

	// A scope token of RFC 6749, section 3.3, and the spaces between them.
	scopePattern = regexp.MustCompile(`^[\x20\x21\x23-\x5B\x5D-\x7E]*$`)
)

const (
	maxParameterName   = 1011 // the length that PutParameter documents for a name
	maxParameterLevels = 15
)

func checkPipeline(name string) error {
	if !pipelinePattern.MatchString(name) {
		return errors.New("is no name for a pipeline: use 1 to 64 of a-z, 0-9 and -, not beginning with -")
	}
	return nil
}

// checkDeployment: what begins with two underscores is Temporal's own.
func checkDeployment(name string) error {
	if !deploymentPattern.MatchString(name) || strings.HasPrefix(name, "__") {
		return errors.New("is no name for a Worker Deployment: use up to 128 letters, digits, - and _, not beginning with __")
	}
	return nil
}

func checkBuildID(id string) error {
	if !buildIDPattern.MatchString(id) || strings.HasPrefix(id, "__") {
		return errors.New("is no build id: use up to 128 letters, digits, ., +, - and _, not beginning with __")
	}
	return nil
}

func checkStream(stream string) error {
	if strings.HasPrefix(stream, "arn:") {
		if !streamARNPattern.MatchString(stream) {
			return errors.New("is not the ARN of a Kinesis data stream: write arn:aws:kinesis:REGION:ACCOUNT:stream/NAME, or only the name")
		}
		return nil
	}
	if !streamNamePattern.MatchString(stream) {
		return errors.New("is no stream name: use 1 to 128 of a-z, A-Z, 0-9, _, . and -, or write the ARN of the stream")
	}
	return nil
}

func checkStageURL(text string) error {
	u, err := parseURL(text)
	if err != nil {
		return err
	}
	switch {
	case u.User != nil:
		return errors.New("holds credentials: remove them, access to the stage is granted by AWS")
	case u.Fragment != "":
		return errors.New("has a part behind #: remove it")
	}
	switch u.Scheme {
	case "s3":
		if u.Host == "" {
			return errors.New("names no bucket: write s3://BUCKET")
		}
		if strings.Trim(u.Path, "/") != "" {
			return errors.New("has a path behind the bucket, which would be ignored: write s3://BUCKET?prefix=PATH/ instead")
		}
	case "file":
		if u.Host != "" {
			return errors.New("has no absolute path: write file:///DIRECTORY with three slashes")
		}
		if u.Path == "" {
			return errors.New("names no directory: write file:///DIRECTORY")
		}
	case "mem":
		return errors.New("is the memory of one process, where no other would find the windows: use s3:// or file://")
	default:
		return fmt.Errorf("has the unknown scheme %q: use s3:// or file://", u.Scheme)
	}
	return nil
}

func checkSweepAfter(age time.Duration) error {
	if age != 0 && (age < minSweepAfter || age > maxSweepAfter) {
		return fmt.Errorf("is out of range: use %s to %s, or 0 to sweep nothing", formatDuration(minSweepAfter), formatDuration(maxSweepAfter))
	}
	return nil
}

func checkKeepDiscarded(age time.Duration) error {
	if age != 0 && (age < minKeepDiscarded || age > maxKeepDiscarded) {
		return fmt.Errorf("is out of range: use %s to %s, or 0 to keep it for ever", formatDuration(minKeepDiscarded), formatDuration(maxKeepDiscarded))
	}
	return nil
}

// checkDeliveryRate refuses what is no number (NaN), too.
func checkDeliveryRate(rate float64) error {
	if rate != 0 && !(rate >= minDeliveryRate && rate <= maxDeliveryRate) {
		return fmt.Errorf("is out of range: use %s to %s requests a second, or 0 for no limit", formatValue(minDeliveryRate), formatValue(maxDeliveryRate))
	}
	return nil
}

func checkGiveUpAfter(age time.Duration) error {
	if age != 0 && (age < minGiveUpAfter || age > maxGiveUpAfter) {
		return fmt.Errorf("is out of range: use %s to %s, or 0 to try without end", formatDuration(minGiveUpAfter), formatDuration(maxGiveUpAfter))
	}
	return nil
}

func checkEndpointURL(text string) error {
	u, err := parseURL(text)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("has the scheme %q: use an https:// or http:// URL", u.Scheme)
	case u.Hostname() == "":
		return errors.New("has no host: write https://HOST/PATH")
	case u.User != nil:
		return errors.New("holds credentials: remove them, requests are authorised by the token or by the client id and secret")
	case u.Fragment != "":
		return errors.New("has a part behind #, which no server would see: remove it")
	}
	return nil
}

// parseURL does not repeat the text in its errors, it may hold a password.
func parseURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		return nil, errors.New("is no URL: it must begin with a scheme such as https://")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is no URL that can be read: look for spaces, a wrong port or a % that is not escaped")
	}
	return u, nil
}

func checkTokenParameter(name string) error {
	if strings.HasPrefix(name, "arn:") {
		return errors.New("is an ARN, but a parameter can only be written by its name: write the name")
	}
	return checkParameterName(name)
}

func checkSecretParameter(text string) error {
	if strings.HasPrefix(text, "arn:") {
		if !parameterARNPattern.MatchString(text) {
			return errors.New("is not the ARN of an SSM parameter: write arn:aws:ssm:REGION:ACCOUNT:parameter/NAME, or only the name")
		}
		return nil
	}
	name, selector, ok := strings.Cut(text, ":")
	if ok && !selectorPattern.MatchString(selector) {
		return errors.New("has no version or label behind the colon: write NAME, NAME:VERSION or NAME:LABEL")
	}
	return checkParameterName(name)
}

func checkParameterName(name string) error {
	first, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	switch {
	case !parameterPattern.MatchString(name):
		return errors.New("is no name of an SSM parameter: use a-z, A-Z, 0-9, _, . and -, and begin with / if it holds any /")
	case hasPrefixFold(first, "aws") || hasPrefixFold(first, "ssm"):
		return errors.New("begins with aws or ssm, which Parameter Store keeps for itself: choose another name")
	case len(name) > maxParameterName:
		return fmt.Errorf("is too long for the name of an SSM parameter: use at most %d characters", maxParameterName)
	case strings.Count(name, "/") > maxParameterLevels:
		return fmt.Errorf("has too many levels for the name of an SSM parameter: use at most %d", maxParameterLevels)
	}
	return nil
}

// parameterName cuts the selector off a parameter's name, or the name out of its ARN.
func parameterName(text string) string {
	if _, name, ok := strings.Cut(text, ":parameter/"); ok {
		if strings.Contains(name, "/") {
			return "/" + name
		}
		return name
	}
	name, _, _ := strings.Cut(text, ":")
	return name
}

func checkClientID(id string) error {
	for _, r := range id {
		// RFC 6749, appendix A.1: visible ASCII and spaces.
		if r < 0x20 || r > 0x7E {
			return errors.New("holds a character that no client id may have: use visible ASCII characters")
		}
	}
	return nil
}

func checkScope(scope string) error {
	if !scopePattern.MatchString(scope) {
		return errors.New(`is no list of scopes: use visible ASCII characters other than " and \, with spaces between scopes`)
	}
	return nil
}

func checkListenAddress(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("is no address to listen on: write HOST:PORT such as 127.0.0.1:9464, or :9464 for all addresses of the machine")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port that is a number from 0 to 65535: write HOST:PORT such as 127.0.0.1:9464")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostPattern.MatchString(host) {
		return errors.New("has no host that is a name or an address: write HOST:PORT such as 127.0.0.1:9464")
	}
	return nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// checkChoice returns the check of a setting that has a few values.
func checkChoice(values ...string) func(string) error {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = strconv.Quote(value)
	}
	return func(value string) error {
		switch {
		case slices.Contains(values, value):
			return nil
		case len(values) == 2:
			return fmt.Errorf("is neither %s nor %s", quoted[0], quoted[1])
		}
		return fmt.Errorf("is none of %s", strings.Join(quoted, ", "))
	}
}
