package ssm

import (
	"context"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// Parameter types and tiers as the API names them.
const (
	kindString       = "String"
	kindStringList   = "StringList"
	kindSecureString = "SecureString"

	tierStandard    = "Standard"
	tierAdvanced    = "Advanced"
	tierIntelligent = "Intelligent-Tiering"

	standardSize = 4096
	advancedSize = 8192

	defaultKey = "alias/aws/ssm"
)

type putIn struct {
	Name           string
	Value          *string
	Type           string
	Overwrite      bool
	Tier           string
	KeyId          string
	Description    string
	AllowedPattern string
	DataType       string
	Policies       string
	Tags           []struct{ Key, Value string }
}

func (in *putIn) target() wire.Target { return wire.Target{Name: in.Name} }

type putOut struct {
	Version int64
	Tier    string
}

func (in *putIn) validate() error {
	if err := checkNewName(in.Name); err != nil {
		return err
	}
	switch {
	case in.Value == nil:
		return wire.Missing("value")
	case *in.Value == "":
		return wire.Invalid("value", "", "have length greater than or equal to 1")
	case in.Type != "" && in.Type != kindString && in.Type != kindStringList && in.Type != kindSecureString:
		return wire.Invalid("type", in.Type, "satisfy enum value set: [SecureString, StringList, String]")
	case in.Tier != "" && in.Tier != tierStandard && in.Tier != tierAdvanced && in.Tier != tierIntelligent:
		return wire.Invalid("tier", in.Tier, "satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]")
	case in.DataType != "" && in.DataType != "text":
		return wire.Errorf("ValidationException", "Data type %s is not supported by this local endpoint; only text is.", in.DataType)
	case in.Policies != "":
		return wire.Errorf("InvalidPolicyTypeException", "Parameter policies are not supported by this local endpoint.")
	case in.KeyId != "" && in.Type != "" && in.Type != kindSecureString:
		return wire.Errorf("ValidationException", "KeyId is required only for parameters of type SecureString, not %s.", in.Type)
	case in.Overwrite && len(in.Tags) > 0:
		return wire.Errorf("ValidationException", "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	if in.AllowedPattern == "" {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + in.AllowedPattern + `)$`)
	if err != nil {
		return wire.Errorf("InvalidAllowedPatternException", "AllowedPattern %s: %v", in.AllowedPattern, err)
	}
	if !re.MatchString(*in.Value) {
		return wire.Errorf("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", in.AllowedPattern)
	}
	return nil
}

// tier decides the tier of a new version from what is asked for, the size and what the parameter had.
func (in *putIn) tier(previous string) (string, error) {
	size := utf8.RuneCountInString(*in.Value)
	if size > advancedSize {
		return "", wire.Errorf("ValidationException", "Advanced tier parameters support a maximum parameter value of %d characters; this one has %d.", advancedSize, size)
	}
	tier := in.Tier
	switch {
	case tier == "" && previous == tierAdvanced:
		tier = tierAdvanced
	case tier == "":
		tier = tierStandard
	case tier == tierIntelligent && (size > standardSize || previous == tierAdvanced):
		tier = tierAdvanced
	case tier == tierIntelligent:
		tier = tierStandard
	case tier == tierStandard && previous == tierAdvanced:
		return "", wire.Errorf("ValidationException", "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.")
	}
	if tier == tierStandard && size > standardSize {
		return "", wire.Errorf("ValidationException", "Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.", standardSize)
	}
	return tier, nil
}

func (s *Service) putParameter(_ context.Context, in *putIn) (*putOut, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	if !s.puts.Take(s.cfg.Now(), 1) {
		return nil, throttled()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.params[in.Name]
	v := &version{
		number: 1, kind: in.Type, value: *in.Value, keyID: in.KeyId, dataType: "text", description: in.Description,
		allowedPattern: in.AllowedPattern, modified: s.cfg.Now(),
	}
	previous := ""
	switch {
	case p == nil && in.Type == "":
		return nil, wire.Errorf("ValidationException", "A parameter type is required when you create a parameter.")
	case p != nil && !in.Overwrite:
		return nil, wire.Errorf("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case p != nil:
		old := p.latest()
		if v.kind != "" && v.kind != old.kind {
			return nil, wire.Errorf("HierarchyTypeMismatchException", "The parameter type can't be changed: %s is a %s. Create a new, unique parameter instead.", in.Name, old.kind)
		}
		v.number, v.kind, previous = old.number+1, old.kind, old.tier
		if v.keyID == "" {
			v.keyID = old.keyID
		}
		if v.description == "" {
			v.description = old.description
		}
	}
	var err error
	if v.tier, err = in.tier(previous); err != nil {
		return nil, err
	}
	if v.kind == kindSecureString {
		if v.keyID == "" {
			v.keyID = defaultKey
		}
		v.cipher = encrypt(v.value)
	}
	if p == nil {
		p = &parameter{name: in.Name}
		s.params[in.Name] = p
	} else if len(p.versions) == maxVersions {
		if oldest := p.versions[0]; len(oldest.labels) > 0 {
			return nil, wire.Errorf("ParameterMaxVersionLimitExceeded", "You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted because it has a label associated with it (%s). Move the label to another version of the parameter, and try again.", in.Name, oldest.number, strings.Join(oldest.labels, ", "))
		}
		p.versions = p.versions[1:]
	}
	p.versions = append(p.versions, v)
	return &putOut{v.number, v.tier}, nil
}
