package apigateway

import (
	"iter"
	"math/bits"
)

// variableSet is a set of variables. An access log has few of all there are.
type variableSet [2]uint64

const wordBits = 64

// marks are the variables whose names are API Gateway's own.
var marks = func() (s variableSet) {
	for i, v := range variables {
		if v.mark {
			s.add(varID(i))
		}
	}
	return s
}()

func (s *variableSet) add(id varID) { s[id/wordBits] |= 1 << (id % wordBits) }

func (s *variableSet) has(id varID) bool { return s[id/wordBits]&(1<<(id%wordBits)) != 0 }

func (s *variableSet) len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// meets tells whether the sets have a variable in common.
func (s *variableSet) meets(other *variableSet) bool {
	for i, word := range s {
		if word&other[i] != 0 {
			return true
		}
	}
	return false
}

// all yields the variables in their order. What is added meanwhile may be missing.
func (s *variableSet) all() iter.Seq[varID] {
	return func(yield func(varID) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(varID(i*wordBits + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}
