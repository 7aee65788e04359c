package delivery

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// FailedItems say where the answer to a batch lists the events that failed.
type FailedItems struct {
	// List points to an array in the answer. Its items are the indices of events, from 0,
	// or objects. An answer without it says that none has failed.
	List jsontext.Pointer
	// Index and Status point to an event's index and HTTP status in such an object. A
	// list that has the status of every event needs no indices.
	Index, Status jsontext.Pointer
}

// FailedItem is an event that the destination has not taken.
type FailedItem struct {
	// Index of the event in the batch, from 0.
	Index int
	// Status of the event, 0 where the answer does not tell.
	Status int
	// Retry tells that the event can be sent again.
	Retry bool
}

var (
	errNoJSON    = errors.New("the answer is no JSON")
	errNotListed = errors.New("it is no list of indices, or of objects with an index and a status")
)

// find returns the events that failed of so many, in their order, and nil if there is no
// list. The error never quotes the answer.
func (f FailedItems) find(answer []byte, events int) ([]FailedItem, error) {
	list, ok := lookup(answer, f.List)
	if !ok {
		// What only begins as JSON may have been about to list some.
		text := bytes.TrimLeft(answer, " \t\r\n")
		if len(text) > 0 && (text[0] == '{' || text[0] == '[') && !jsontext.Value(text).IsValid(lenient...) {
			return nil, errNoJSON
		}
		return nil, nil
	}
	if list.Kind() != jsontext.KindBeginArray {
		if list.Kind() == jsontext.KindNull {
			return nil, nil
		}
		return nil, errors.New("what destination_failed_items points to is no list")
	}
	dec := newDecoder(list)
	if _, err := dec.ReadToken(); err != nil {
		return nil, errNoJSON
	}
	items, positional := []FailedItem{}, true
	for dec.PeekKind() != jsontext.KindEndArray {
		value, err := dec.ReadValue()
		if err != nil {
			return nil, errNoJSON
		}
		item, hasIndex, err := f.item(value)
		if err != nil {
			return nil, err
		}
		if !hasIndex {
			item.Index = -1
		}
		positional = positional && !hasIndex && item.Status != 0
		items = append(items, item)
		if len(items) > 2*events+1 {
			return nil, fmt.Errorf("it lists more than the %d events of the batch", events)
		}
	}
	if positional && len(items) == events {
		for i := range items {
			items[i].Index = i
		}
	}
	return settle(items, events)
}

// item reads one of the list.
func (f FailedItems) item(value jsontext.Value) (item FailedItem, hasIndex bool, err error) {
	switch value.Kind() {
	case jsontext.KindNumber:
		item.Index, hasIndex = number(value)
		if !hasIndex {
			return item, false, errNotListed
		}
		return item, true, nil
	case jsontext.KindBeginObject:
	default:
		return item, false, errNotListed
	}
	if index, ok := lookup(value, f.Index); ok {
		if item.Index, hasIndex = number(index); !hasIndex {
			return item, false, errors.New("an index is no number")
		}
	}
	if status, ok := lookup(value, f.Status); ok {
		// Any other word is no status, and what is not known to pass is permanent.
		item.Status, _ = number(status)
	}
	return item, hasIndex, nil
}

// settle checks the items, puts them in order and leaves out those that did not fail.
func settle(items []FailedItem, events int) ([]FailedItem, error) {
	failed := items[:0]
	for _, item := range items {
		if item.Index < 0 || item.Index >= events {
			return nil, fmt.Errorf("it lists an event that is not in the batch, or one without an index: the %d events count from 0", events)
		}
		if item.Status >= 200 && item.Status < 300 {
			continue
		}
		item.Retry = item.Status != 0 && Judge(item.Status) == Unavailable
		failed = append(failed, item)
	}
	// Of an event that is listed twice the first counts: what is permanent.
	slices.SortStableFunc(failed, func(a, b FailedItem) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), compareBool(a.Retry, b.Retry))
	})
	return slices.CompactFunc(failed, func(a, b FailedItem) bool { return a.Index == b.Index }), nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// judgeFailed says what failed events mean for their batch. It makes no difference whether
// they are all of its events: the batch was answered, and an API that honours its key has
// nothing but this answer for it.
func (a *Answer) judgeFailed(failed []FailedItem) {
	if len(failed) > 0 {
		a.Verdict, a.Failed = PartlyAccepted, failed
	}
}

// number reads a whole number, which may stand in a string.
func number(value jsontext.Value) (int, bool) {
	n, err := strconv.ParseInt(string(bytes.Trim(value, `"`)), 10, 32)
	return int(n), err == nil
}

// lookup returns the value that a JSON pointer points to in a text.
func lookup(text []byte, pointer jsontext.Pointer) (jsontext.Value, bool) {
	dec := newDecoder(text)
	for name := range pointer.Tokens() {
		if !descend(dec, name) {
			return nil, false
		}
	}
	value, err := dec.ReadValue()
	return value, err == nil
}

func newDecoder(text []byte) *jsontext.Decoder {
	// The decoder reads a buffer in place, and copies any other source.
	return jsontext.NewDecoder(bytes.NewBuffer(text), lenient...)
}

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// descend goes to a member of the object, or to an item of the array, that comes next.
func descend(dec *jsontext.Decoder, to string) bool {
	begin, err := dec.ReadToken()
	if err != nil {
		return false
	}
	switch begin.Kind() {
	case jsontext.KindBeginObject:
		for dec.PeekKind() == jsontext.KindString {
			name, err := dec.ReadToken()
			switch {
			case err != nil:
				return false
			case name.String() == to:
				return true
			case dec.SkipValue() != nil:
				return false
			}
		}
	case jsontext.KindBeginArray:
		skip, err := strconv.Atoi(to)
		for ; err == nil && skip > 0 && dec.PeekKind() != jsontext.KindEndArray; skip-- {
			err = dec.SkipValue()
		}
		return err == nil && skip == 0 && dec.PeekKind() != jsontext.KindEndArray
	}
	return false
}
