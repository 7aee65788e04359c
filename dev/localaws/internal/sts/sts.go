// Package sts answers who the caller is and hands out credentials that nobody checks: the local AWS accepts any.
package sts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const (
	apiVersion = "2011-06-15"
	namespace  = "https://sts.amazonaws.com/doc/2011-06-15/"
	supported  = "AssumeRole, GetCallerIdentity"
)

// Service is the STS endpoint.
type Service struct {
	Account string
	Now     func() time.Time
}

type metadata struct {
	RequestID string `xml:"RequestId"`
}

type callerIdentity struct {
	XMLName  xml.Name `xml:"GetCallerIdentityResponse"`
	XMLNS    string   `xml:"xmlns,attr"`
	Arn      string   `xml:"GetCallerIdentityResult>Arn"`
	UserID   string   `xml:"GetCallerIdentityResult>UserId"`
	Account  string   `xml:"GetCallerIdentityResult>Account"`
	Metadata metadata `xml:"ResponseMetadata"`
}

type assumeRole struct {
	XMLName         xml.Name `xml:"AssumeRoleResponse"`
	XMLNS           string   `xml:"xmlns,attr"`
	AssumedRoleID   string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	AssumedRoleARN  string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	AccessKeyID     string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration      string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	Metadata        metadata `xml:"ResponseMetadata"`
}

type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	XMLNS     string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// Handle answers one request of the query protocol.
func (s *Service) Handle(form url.Values, requestID string) (any, *wire.Error) {
	if v := form.Get("Version"); v != "" && v != apiVersion {
		return nil, wire.Errorf("InvalidAction", "Version %s is not known; STS here speaks %s.", v, apiVersion)
	}
	switch action := form.Get("Action"); action {
	case "GetCallerIdentity":
		return &callerIdentity{
			XMLNS: namespace, Arn: "arn:aws:iam::" + s.Account + ":user/local", UserID: "AIDALOCALLOCALLOCAL00",
			Account: s.Account, Metadata: metadata{requestID},
		}, nil
	case "AssumeRole":
		return s.assumeRole(form, requestID)
	default:
		return nil, wire.Errorf("InvalidAction", "Action %q is not supported. Supported: %s.", action, supported)
	}
}

var (
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):role/(.+)$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

func (s *Service) assumeRole(form url.Values, requestID string) (any, *wire.Error) {
	arn, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return nil, wire.Errorf("ValidationError", "%q is invalid as RoleArn", arn)
	}
	// One character suffices here, so that clients with short session names can be tried.
	if session == "" || len(session) > 1 && !sessionName.MatchString(session) {
		return nil, wire.Errorf("ValidationError", `Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]{2,64}`, session)
	}
	life := time.Hour
	if d := form.Get("DurationSeconds"); d != "" {
		sec, err := strconv.Atoi(d)
		if err != nil || sec < 900 || sec > 43200 {
			return nil, wire.Errorf("ValidationError", "Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must be between 900 and 43200", d)
		}
		life = time.Duration(sec) * time.Second
	}
	role := m[2][strings.LastIndexByte(m[2], '/')+1:]
	return &assumeRole{
		XMLNS: namespace, AssumedRoleID: "AROALOCALLOCALLOCAL00:" + session,
		AssumedRoleARN: "arn:aws:sts::" + m[1] + ":assumed-role/" + role + "/" + session,
		AccessKeyID:    "ASIA" + strings.ToUpper(random(8)), SecretAccessKey: random(20), SessionToken: random(32),
		Expiration: s.Now().Add(life).UTC().Format(time.RFC3339), Metadata: metadata{requestID},
	}, nil
}

func random(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return hex.EncodeToString(b)
}

// ErrorBody shapes an error for the query protocol.
func ErrorBody(e *wire.Error, requestID string) any {
	kind := "Sender"
	if e.HTTPStatus() >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	return &errorResponse{XMLNS: namespace, Type: kind, Code: e.Code, Message: e.Message, RequestID: requestID}
}
