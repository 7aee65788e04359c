package ssm

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/limit"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// TargetPrefix is the service's name in X-Amz-Target.
const TargetPrefix = "AmazonSSM"

// Quotas of an account at the standard throughput, by the service's documentation.
const (
	getsPerSecond = 40
	putsPerSecond = 3
)

const maxVersions = 100

// Config is what the service needs to know. All fields are required.
type Config struct {
	Region, Account string
	Now             func() time.Time
	Throttle        bool // enforce the quotas of an account
}

// Service is the Parameter Store. Its methods are safe for concurrent use.
type Service struct {
	cfg  Config
	gets *limit.Bucket
	puts *limit.Bucket

	mu     sync.RWMutex
	params map[string]*parameter
}

// New makes a store without parameters.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, params: map[string]*parameter{}}
	if cfg.Throttle {
		s.gets, s.puts = limit.PerSecond(getsPerSecond), limit.PerSecond(putsPerSecond)
	}
	return s
}

// parameter is one parameter with the versions that are kept, oldest first.
type parameter struct {
	name     string
	versions []*version
}

// version is one value of a parameter. Only its labels change.
type version struct {
	number         int64
	kind           string
	value          string
	cipher         string // what a SecureString shows without decryption
	keyID          string
	tier           string
	dataType       string
	description    string
	allowedPattern string
	labels         []string
	modified       time.Time
}

func (p *parameter) latest() *version { return p.versions[len(p.versions)-1] }

func (p *parameter) numbered(n int64) *version {
	if i := slices.IndexFunc(p.versions, func(v *version) bool { return v.number == n }); i >= 0 {
		return p.versions[i]
	}
	return nil
}

func (p *parameter) labelled(label string) *version {
	for _, v := range p.versions {
		if slices.Contains(v.labels, label) {
			return v
		}
	}
	return nil
}

// encrypt makes an opaque text for a value: of a length that depends on the value's, as a cipher's does, and random.
func encrypt(value string) string {
	b := make([]byte, 96+len(value))
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return base64.StdEncoding.EncodeToString(append([]byte{1, 2, 2, 0, 0x78}, b...))
}

// find resolves a reference with an optional selector, with the lock held.
func (s *Service) find(ref string) (*parameter, *version, string, error) {
	name, selector := splitSelector(ref)
	p := s.params[s.resolve(name)]
	if p == nil {
		return nil, nil, "", wire.Errorf("ParameterNotFound", "Parameter %s not found.", name)
	}
	if selector == "" {
		return p, p.latest(), "", nil
	}
	var v *version
	if n, err := strconv.ParseInt(selector, 10, 64); err == nil {
		v = p.numbered(n)
	} else {
		v = p.labelled(selector)
	}
	if v == nil {
		return nil, nil, "", wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.", selector, name)
	}
	return p, v, ":" + selector, nil
}

// Operations is the service's API.
func (s *Service) Operations() wire.Table {
	return wire.NewTable(
		wire.Op("DeleteParameter", (*nameIn).target, s.deleteParameter),
		wire.Op("DeleteParameters", nil, s.deleteParameters),
		wire.Op("DescribeParameters", nil, s.describeParameters),
		wire.Op("GetParameter", (*getIn).target, s.getParameter),
		wire.Op("GetParameterHistory", (*historyIn).target, s.getParameterHistory),
		wire.Op("GetParameters", nil, s.getParameters),
		wire.Op("GetParametersByPath", (*byPathIn).target, s.getParametersByPath),
		wire.Op("LabelParameterVersion", (*labelIn).target, s.labelParameterVersion),
		wire.Op("PutParameter", (*putIn).target, s.putParameter),
		wire.Op("UnlabelParameterVersion", (*labelIn).target, s.unlabelParameterVersion),
	)
}

func throttled() error { return wire.Errorf("ThrottlingException", "Rate exceeded") }
