package apigateway

import "bytes"

// readXML reads the element that the console's template gives, and tells whether
// it is an access log:
//
//	<request id="…"> <ip>…</ip> <caller>…</caller> … </request>
//
// API Gateway does not escape values, so this is no XML: a value ends where its
// end tag is followed by another tag.
func (a *accessLog) readXML(text []byte) bool {
	content, ok := bytes.CutPrefix(text, []byte("<request"))
	if !ok {
		return false
	}
	attributes, content, ok := cutTag(content)
	if !ok {
		return false
	}
	if content, ok = bytes.CutSuffix(content, []byte("</request>")); !ok {
		return false
	}
	a.begin(true)
	for len(attributes) > 0 {
		name, value, rest, ok := attributes.cut()
		if !ok {
			return false
		}
		attributes = rest
		if string(name) == "id" {
			name = []byte("requestId")
		}
		a.path = append(a.path[:0], name...)
		if a.members++; a.members > maxMembers {
			return false
		}
		if a.setText(a.target(), value) != nil {
			return false
		}
	}
	a.path = a.path[:0]
	return a.readElements(content, 1) && a.isAccessLog()
}

// readElements reads what an element holds, whose path is a.path. It tells
// whether these are elements, and all of them sound.
func (a *accessLog) readElements(content []byte, depth int) bool {
	base := len(a.path)
	for {
		if content = trimBlanks(content); len(content) == 0 {
			return true
		}
		name, value, rest, ok := cutElement(content)
		if a.members++; !ok || a.members > maxMembers {
			return false
		}
		if base > 0 {
			a.path = append(a.path, '.')
		}
		a.path = append(a.path, name...)
		if !a.readElement(value, depth) {
			return false
		}
		a.path = a.path[:base]
		content = rest
	}
}

// readElement reads the element at a.path. One that is no variable may hold
// others; one that is may hold anything.
func (a *accessLog) readElement(value []byte, depth int) bool {
	inner := trimBlanks(value)
	if depth < maxDepth && len(inner) > 0 && inner[0] == '<' && a.target().variable == unknownVariable && areElements(inner) {
		return a.readElements(inner, depth+1)
	}
	return a.setText(a.target(), value) == nil
}

// areElements tells whether content is a sequence of elements.
func areElements(content []byte) bool {
	for len(content) > 0 {
		_, _, rest, ok := cutElement(content)
		if !ok {
			return false
		}
		content = trimBlanks(rest)
	}
	return true
}

// cutElement cuts off the element that text begins with.
func cutElement(text []byte) (name, value, rest []byte, ok bool) {
	if text[0] != '<' {
		return nil, nil, nil, false
	}
	n := 1
	for n < len(text) && isTagByte(text[n]) {
		n++
	}
	name = text[1:n]
	if len(name) == 0 || n == len(text) || text[n] != '>' {
		return nil, nil, nil, false
	}
	for at := n + 1; ; {
		i := bytes.Index(text[at:], []byte("</"))
		if i < 0 {
			return nil, nil, nil, false
		}
		at += i
		if tag := text[at+2:]; bytes.HasPrefix(tag, name) && len(tag) > len(name) && tag[len(name)] == '>' {
			rest = tag[len(name)+1:]
			if next := bytes.TrimLeft(rest, " \t\r\n"); len(next) == 0 || next[0] == '<' {
				return name, text[n+1 : at], rest, true
			}
		}
		at += 2
	}
}

// xmlAttributes is the text of a start tag behind the name.
type xmlAttributes []byte

// cutTag cuts a start tag after its name. Quotes end at the ones before a blank,
// a slash or the end of the tag.
func cutTag(text []byte) (attributes xmlAttributes, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '>' && !isXMLBlank(text[0]) {
		return nil, nil, false
	}
	for i := range text {
		if text[i] == '>' && (i == 0 || text[i-1] == '"' || text[i-1] == '\'' || isXMLBlank(text[i-1])) {
			return xmlAttributes(trimBlanks(text[:i])), text[i+1:], true
		}
	}
	return nil, nil, false
}

// cut cuts off the first attribute. It tells whether there is one that can be made out.
func (text xmlAttributes) cut() (name, value []byte, rest xmlAttributes, ok bool) {
	name, after, ok := bytes.Cut(text, []byte{'='})
	if !ok || !isTagName(name) || len(after) == 0 || after[0] != '"' && after[0] != '\'' {
		return nil, nil, nil, false
	}
	end := bytes.IndexByte(after[1:], after[0])
	if end < 0 {
		return nil, nil, nil, false
	}
	return name, after[1 : 1+end], trimBlanks(after[end+2:]), true
}

func isTagName(text []byte) bool {
	for _, c := range text {
		if !isTagByte(c) {
			return false
		}
	}
	return len(text) > 0
}

func isTagByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c == '$'
}

func isXMLBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func trimBlanks(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }
