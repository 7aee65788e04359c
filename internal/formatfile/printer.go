package formatfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Printer prints events.
type Printer struct {
	out    *bufio.Writer
	pretty bool
	color  bool
	buf    []byte
}

// NewPrinter returns a printer of one event a line or, if pretty, of indented events for
// people. Only these have colours.
func NewPrinter(out io.Writer, pretty, color bool) *Printer {
	return &Printer{out: bufio.NewWriterSize(out, 64<<10), pretty: pretty, color: pretty && color}
}

// Flush writes what was printed.
func (p *Printer) Flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("print events: %w", err)
	}
	return nil
}

// print prints the events of a JSON array.
func (p *Printer) print(batch []byte) error {
	events := jsontext.NewDecoder(bytes.NewReader(batch))
	if _, err := events.ReadToken(); err != nil {
		return fmt.Errorf("read a batch of events: %w", err)
	}
	for events.PeekKind() != jsontext.KindEndArray {
		event, err := events.ReadValue()
		if err != nil {
			return fmt.Errorf("read a batch of events: %w", err)
		}
		if p.pretty {
			if event, err = p.indent(event); err != nil {
				return fmt.Errorf("indent an event: %w", err)
			}
		}
		_, _ = p.out.Write(event) // the error comes again
		if err := p.out.WriteByte('\n'); err != nil {
			return fmt.Errorf("print events: %w", err)
		}
	}
	return nil
}

func (p *Printer) indent(event jsontext.Value) ([]byte, error) {
	var err error
	p.buf, err = jsontext.AppendFormat(p.buf[:0], event, jsontext.Multiline(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	p.buf = escapeControls(p.buf)
	if p.color {
		return appendColored(nil, p.buf), nil
	}
	return p.buf, nil
}

// escapeControls escapes the control characters that JSON allows in strings, so that what
// somebody got into a log does not control the terminal of who looks at it.
func escapeControls(text []byte) []byte {
	const del, firstOfC1 = 0x7f, 0xc2
	if bytes.IndexByte(text, del) < 0 && bytes.IndexByte(text, firstOfC1) < 0 {
		return text
	}
	var out []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == del:
			out = append(out, `\u007f`...)
		case text[i] == firstOfC1 && i+1 < len(text) && text[i+1] < 0xa0:
			i++
			out = fmt.Appendf(out, `\u%04x`, text[i]) // U+0080 to U+009F are C2 80 to C2 9F
		default:
			out = append(out, text[i])
		}
	}
	return out
}

// Escape sequences of a terminal.
const (
	colorName    = "\x1b[34m" // blue
	colorString  = "\x1b[32m" // green
	colorNumber  = "\x1b[36m" // cyan
	colorLiteral = "\x1b[33m" // yellow
	colorOff     = "\x1b[0m"
)

// appendColored appends indented JSON with its names and values in colours.
func appendColored(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		var color string
		end := i + 1
		switch c := text[i]; {
		case c == '"':
			end = i + stringLength(text[i:])
			color = colorString
			if end < len(text) && text[end] == ':' {
				color = colorName
			}
		case c == '-' || '0' <= c && c <= '9':
			end, color = i+wordLength(text[i:]), colorNumber
		case 'a' <= c && c <= 'z':
			end, color = i+wordLength(text[i:]), colorLiteral
		default:
			dst = append(dst, c)
			i = end
			continue
		}
		dst = append(append(append(dst, color...), text[i:end]...), colorOff...)
		i = end
	}
	return dst
}

// stringLength is how long the JSON string is that text begins with.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// wordLength is how long the number or literal is that text begins with.
func wordLength(text []byte) int {
	if i := bytes.IndexAny(text, ",]} \n"); i >= 0 {
		return i
	}
	return len(text)
}
