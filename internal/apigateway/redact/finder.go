package redact

// The classes of characters that a [finder] tells apart. Letters have one each,
// whatever their case; 0 are those that words are spelled with and without.
const (
	classSkipped   = 0
	classDigit     = 27
	classOther     = 28
	classSlash     = 29
	classBackslash = 30
	classes        = 32
)

var classOf = func() (of [256]uint8) {
	for c := range of {
		of[c] = classOther
	}
	for c := range byte(26) {
		of['a'+c], of['A'+c] = c+1, c+1
	}
	for c := byte('0'); c <= '9'; c++ {
		of[c] = classDigit
	}
	for _, c := range "-_. " {
		of[c] = classSkipped
	}
	of['/'], of['\\'] = classSlash, classBackslash
	return of
}()

// hint is what the words of a [finder] hint at, as a set.
type hint uint8

const (
	hintName   hint = 1 << iota // a name, maybe
	hintJWT                     // a JSON web token
	hintPrefix                  // a secret with a prefix of its own
	hintScheme                  // a credential after its scheme
	hintPEM                     // a private key
	hintURL                     // a URL with user and password
	hintEscape                  // a letter escaped as \u0061
)

// hit is where a word was found.
type hit struct {
	start, end int
	hint       hint
}

// finder finds words in text, whatever their case, and whether or not they have
// "-", "_", "." or blanks in them, except between the first two letters. The first
// of several words that begin alike counts.
//
// It looks at each pair of neighbours and enters the trie only where a word may
// begin. On access logs that is twice as fast as an Aho-Corasick automaton, which has
// one dependent load a byte, 20 times as fast as looking for the words one by one, and
// 1,600 times as fast as a regular expression of them (BenchmarkFind).
type finder struct {
	nodes [][classes]uint16
	hints []hint
	// start holds the node behind two characters, 0 if no word begins so.
	start [classes * classes]uint16
}

func newFinder(words map[string]hint) *finder {
	f := &finder{nodes: make([][classes]uint16, 1), hints: make([]hint, 1)}
	for word, hint := range words {
		node := uint16(0)
		for i := range len(word) {
			next := &f.nodes[node][classOf[word[i]]]
			if *next == 0 {
				*next = uint16(len(f.nodes))
				f.nodes = append(f.nodes, [classes]uint16{})
				f.hints = append(f.hints, 0)
				next = &f.nodes[node][classOf[word[i]]]
			}
			node = *next
		}
		f.hints[node] |= hint
	}
	// A word hides the longer ones that begin with it.
	for node := range f.nodes {
		if f.hints[node] != 0 {
			f.hints[node] = f.below(uint16(node))
		}
	}
	for first, next := range f.nodes[0] {
		if next == 0 {
			continue
		}
		for second, next := range f.nodes[next] {
			f.start[first*classes+second] = next
		}
	}
	return f
}

// below is what all words hint at that lead through a node.
func (f *finder) below(node uint16) hint {
	all := f.hints[node]
	for _, next := range f.nodes[node] {
		if next != 0 {
			all |= f.below(next)
		}
	}
	return all
}

// find finds the first word at or after from.
func (f *finder) find(text []byte, from int) (hit, bool) {
	if from >= len(text) {
		return hit{}, false
	}
	first := uint(classOf[text[from]])
	for i := from + 1; i < len(text); i++ {
		second := uint(classOf[text[i]])
		node := f.start[(first*classes+second)%(classes*classes)]
		first = second
		if node == 0 {
			continue
		}
		if h, end := f.follow(text, i, node); h != 0 {
			return hit{i - 1, end, h}, true
		}
	}
	return hit{}, false
}

// follow goes on from a node that the character at i led to.
func (f *finder) follow(text []byte, i int, node uint16) (hint, int) {
	for {
		if h := f.hints[node]; h != 0 {
			return h, i + 1
		}
		i++
		for i < len(text) && classOf[text[i]] == classSkipped {
			i++
		}
		if i >= len(text) {
			return 0, 0
		}
		if node = f.nodes[node][classOf[text[i]]]; node == 0 {
			return 0, 0
		}
	}
}
