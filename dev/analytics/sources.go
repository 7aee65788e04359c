package analytics

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
)

// interactionSchema is the form of events that stand for several log events.
const interactionSchema = `"apigw.interaction/1"`

// Members of an interaction that say which log events it was made from.
const (
	schemaMember  = "schema"
	ownerMember   = "cloud.account.id"
	groupsMember  = "aws.log.group.names"
	streamsMember = "aws.log.stream.names"
	idsMember     = "source.event_ids"
	ofMember      = "source.event_streams"
)

// origin is what an event says of where it comes from, as raw JSON.
type origin struct{ schema, owner, groups, streams, ids, of []byte }

// member is where the value of a member belongs, or nil.
func (o *origin) member(name string) *[]byte {
	switch name {
	case schemaMember:
		return &o.schema
	case ownerMember:
		return &o.owner
	case groupsMember:
		return &o.groups
	case streamsMember:
		return &o.streams
	case idsMember:
		return &o.ids
	case ofMember:
		return &o.of
	}
	return nil
}

// LogEventID is the id that the pipeline gives to a log event: that of the event made
// from it, if it is made from no other.
func LogEventID(owner, group, stream, id string) ID {
	return sha256.Sum256([]byte(strings.Join([]string{owner, group, stream, id}, "\x00")))
}

// logEvents are the ids of the log events that an interaction was made from. It
// returns false for any other event, and for an interaction that does not tell: that
// counts as one made from a log event of its own id, which nobody has put.
func (o *origin) logEvents() ([]ID, bool) {
	if !bytes.Equal(o.schema, []byte(interactionSchema)) {
		return nil, false
	}
	var (
		owner                string
		groups, streams, ids []string
		of                   []int
	)
	for _, member := range []struct {
		raw  []byte
		into any
	}{{o.owner, &owner}, {o.groups, &groups}, {o.streams, &streams}, {o.ids, &ids}, {o.of, &of}} {
		if member.raw != nil && json.Unmarshal(member.raw, member.into) != nil {
			return nil, false
		}
	}
	if len(groups) != 1 || len(streams) == 0 || len(ids) == 0 || len(streams) > 1 && len(of) != len(ids) {
		return nil, false
	}
	found := make([]ID, len(ids))
	for i, id := range ids {
		stream := 0
		if len(streams) > 1 {
			stream = of[i]
		}
		if stream < 0 || stream >= len(streams) {
			return nil, false
		}
		found[i] = LogEventID(owner, groups[0], streams[stream], id)
	}
	return found, true
}
