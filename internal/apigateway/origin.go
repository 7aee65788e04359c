package apigateway

import (
	"strconv"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
)

// Origin is where a quarantined part stood in its record. With it the part can be
// formatted again at any time: log events that have no id get the identity that they
// would have had in the record, and what was delivered before is left out.
type Origin struct {
	// UserRecord is the number of the user record that the part is of, where the record
	// is an aggregate: from 1, or as in 2.3 the third of an aggregate that is the second
	// user record itself. It is empty otherwise.
	UserRecord string
	// Shift is added to an offset in the part for that in the record or user record.
	Shift int64
	// Done is the offset in the record or user record before which everything was
	// delivered, or put into quarantine by itself.
	Done int64
}

// place gives the event its place in the whole record, and tells whether it is there
// that anything is left to do.
func (o *Origin) place(ev *envelope.Event) bool {
	if ev.UserRecord > 0 {
		return true // of an aggregate, of which nothing was known before
	}
	ev.Offset += o.Shift
	return ev.Offset >= o.Done
}

// placeFault does the same for a fault. One that is not cut out of the data stands for
// all that is left of it, so it is kept even if it begins earlier than last time.
func (o *Origin) placeFault(f *envelope.Fault) bool {
	if f.UserRecord > 0 {
		return true
	}
	f.Offset += o.Shift
	f.Shift += o.Shift
	if f.Stored {
		f.Offset = max(f.Offset, o.Done)
	}
	return f.Offset >= o.Done
}

// originOf is the origin of a part that has its place, and was in the user record.
func originOf(f *envelope.Fault, userRecord string) Origin {
	part := Origin{UserRecord: joinUserRecords(userRecord, f.UserRecord), Shift: f.Shift}
	if f.Stored {
		part.Done = f.Offset
	}
	return part
}

// number is that of the user record in the record itself, 0 where there is none.
func (o *Origin) number() int {
	first, _, _ := strings.Cut(o.UserRecord, ".")
	n, _ := strconv.Atoi(first) // empty for none
	return n
}

// joinUserRecords names a user record of the aggregate that is the outer one, if any.
func joinUserRecords(outer string, number int) string {
	switch {
	case number == 0:
		return outer
	case outer == "":
		return strconv.Itoa(number)
	}
	return outer + "." + strconv.Itoa(number)
}
